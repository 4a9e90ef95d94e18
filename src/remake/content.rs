//! The content of a response in memory, without its content coding.

use std::io::Read as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, HeaderMap};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::http::{Body, BodyError};

/// What became of a body.
#[derive(Debug)]
pub enum Content {
    /// All of it, as it is meant to be read.
    Whole(Bytes),
    /// It is passed on as it came.
    Unread(Body, Unread),
}

/// Why content was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    TooLarge,
    /// Its content coding is not gzip, or it is broken.
    Coded,
}

/// Collects a body of at most `most` bytes, also after its content coding is undone.
pub async fn collect(headers: &HeaderMap, body: Body, most: usize) -> Result<Content, BodyError> {
    let coding = Coding::of(headers);
    if coding == Coding::Other {
        return Ok(Content::Unread(body, Unread::Coded));
    }
    if body.size_hint().lower() > most as u64 {
        return Ok(Content::Unread(body, Unread::TooLarge));
    }
    let read = match read(body, most).await? {
        Ok(bytes) => bytes,
        Err(begun) => return Ok(Content::Unread(Body::new(begun), Unread::TooLarge)),
    };
    if coding == Coding::Identity {
        return Ok(Content::Whole(read));
    }
    let (coded, done) = tokio::task::spawn_blocking(move || {
        let done = gunzip(&read, most);
        (read, done)
    })
    .await?;
    Ok(match done {
        Ok(plain) => Content::Whole(plain),
        Err(why) => Content::Unread(coded.into(), why),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Other,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Identity,
            (Some(one), None) => match one.as_bytes().to_ascii_lowercase().as_slice() {
                b"" | b"identity" => Self::Identity,
                b"gzip" | b"x-gzip" => Self::Gzip,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// The whole body, or what is left of it with what has been read.
async fn read(mut body: Body, most: usize) -> Result<Result<Bytes, Begun>, BodyError> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers describe the content as it was.
        let Ok(data) = frame?.into_data() else { continue };
        if first.len() + all.len() + data.len() > most {
            let before = if all.is_empty() { first } else { all.freeze() };
            return Ok(Err(Begun { ahead: [before, data], rest: body }));
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if !first.is_empty() {
            all.extend_from_slice(&first);
            first = Bytes::new();
        }
        all.extend_from_slice(&data);
    }
    Ok(Ok(if all.is_empty() { first } else { all.freeze() }))
}

fn gunzip(coded: &[u8], most: usize) -> Result<Bytes, Unread> {
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(coded).take(most as u64 + 1);
    decoder.read_to_end(&mut plain).map_err(|_| Unread::Coded)?;
    if plain.len() > most { Err(Unread::TooLarge) } else { Ok(plain.into()) }
}

/// A body of which the beginning has been read.
struct Begun {
    ahead: [Bytes; 2],
    rest: Body,
}

impl HttpBody for Begun {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(ahead) = self.ahead.iter_mut().find(|ahead| !ahead.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(ahead)))));
        }
        Pin::new(&mut self.rest).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.iter().all(Bytes::is_empty) && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.iter().map(|ahead| ahead.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(ahead + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(ahead + upper);
        }
        hint
    }
}
