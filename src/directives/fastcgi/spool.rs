//! Reads the content of a request without a length. CGI requires the length in advance (RFC 3875
//! section 4.1.2), so the content is read completely first: in memory up to [`PIECE`], beyond that
//! in an unnamed file.

use std::io::{self, SeekFrom};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::error::FastCgiError;
use crate::http::Body;
use crate::http::body::TooLarge;
use crate::limits::SPOOL_BYTES;

/// Bytes kept in memory, and of one read from the file.
const PIECE: usize = 64 * 1024;

/// Returns the content and its length.
pub(super) async fn spool(mut body: Body) -> Result<(Body, u64), FastCgiError> {
    let mut memory = BytesMut::new();
    let mut file: Option<File> = None;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(FastCgiError::ClientBody)?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len() as u64;
        if length > SPOOL_BYTES {
            return Err(FastCgiError::ClientBody(Box::new(TooLarge(SPOOL_BYTES))));
        }
        memory.extend_from_slice(&data);
        if memory.len() > PIECE {
            let file = match &mut file {
                Some(file) => file,
                none => none.insert(create().await.map_err(FastCgiError::Spool)?),
            };
            file.write_all(&memory).await.map_err(FastCgiError::Spool)?;
            memory.clear();
        }
    }
    let Some(mut file) = file else { return Ok((Body::from(memory.freeze()), length)) };
    let rewound = async {
        file.write_all(&memory).await?;
        file.flush().await?;
        file.seek(SeekFrom::Start(0)).await
    };
    rewound.await.map_err(FastCgiError::Spool)?;
    Ok((read_back(file), length))
}

async fn create() -> io::Result<File> {
    let made = tokio::task::spawn_blocking(tempfile::tempfile).await;
    made.map_err(io::Error::other)?.map(File::from_std)
}

fn read_back(file: File) -> Body {
    let pieces = stream::try_unfold(file, |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        let frame: Frame<Bytes> = Frame::data(piece.freeze());
        Ok::<_, io::Error>((read > 0).then_some((frame, file)))
    });
    Body::new(StreamBody::new(Box::pin(pieces)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(pieces: usize) -> Body {
        let piece =
            |at: usize| Ok::<_, io::Error>(Frame::data(Bytes::from(vec![at as u8; 10_000])));
        Body::new(StreamBody::new(stream::iter((0..pieces).map(piece))))
    }

    #[tokio::test]
    async fn small_and_large_content_come_back_whole() {
        for pieces in [0, 1, 6, 7, 100] {
            let want = body(pieces).collect().await.unwrap().to_bytes();
            let (again, length) = spool(body(pieces)).await.unwrap();
            let again = again.collect().await.unwrap().to_bytes();
            assert_eq!((again.len() as u64, &again), (length, &want), "{pieces}");
        }
    }
}
