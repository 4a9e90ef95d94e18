//! (stub)
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
pub(super) struct Guard<T>(T);
pub(super) struct GuardLimits {
    pub(super) header_bytes: usize,
    pub(super) header_count: usize,
    pub(super) uri_bytes: usize,
}
#[derive(Clone)]
pub(super) struct GuardHandle;
impl GuardHandle {
    pub(super) fn begin_request(&self) -> Option<http::StatusCode> {
        None
    }
    pub(super) fn head_started(&self) -> Option<std::time::Instant> {
        None
    }
}
impl<T> Guard<T> {
    pub(super) fn new(io: T, _l: GuardLimits) -> Self {
        Self(io)
    }
    pub(super) fn handle(&self) -> GuardHandle {
        GuardHandle
    }
}
impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        b: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, b)
    }
}
impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        b: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, b)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
