//! The compression of one response in one of the content codings.

mod brotli;
mod gzip;
mod step;
mod zstd;

use std::io;

use bytes::Bytes;
use flate2::Compression;

use step::Then;

/// A content coding (RFC 9110 section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    pub(super) const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// As in Content-Encoding.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// The parameters of a compression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters {
    pub(super) coding: Coding,
    /// Applies to gzip.
    pub(super) level: Compression,
    /// The length of the content, if it is known: it limits the memory of the compressor.
    pub(super) length: Option<u64>,
}

/// The compressor of one response and its output buffer.
pub(super) struct Encoder {
    compressor: Compressor,
    out: Vec<u8>,
}

enum Compressor {
    Gzip(gzip::GzipCompressor),
    Zstd(zstd::ZstdCompressor),
    Brotli(Box<brotli::BrotliCompressor>),
}

impl Encoder {
    pub(super) fn new(parameters: Parameters) -> Self {
        let compressor = match parameters.coding {
            Coding::Gzip => Compressor::Gzip(gzip::GzipCompressor::new(parameters.level)),
            Coding::Zstd => Compressor::Zstd(zstd::ZstdCompressor::new(parameters.length)),
            Coding::Brotli => {
                Compressor::Brotli(Box::new(brotli::BrotliCompressor::new(parameters.length)))
            }
        };
        Self { compressor, out: Vec::new() }
    }

    /// Compresses more input; the output is buffered.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.run(bytes, Then::GoOn)
    }

    /// Number of buffered bytes.
    pub(super) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// The buffered bytes.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out).into()
    }

    /// Flushes, so that everything so far can be decompressed.
    pub(super) fn flush(&mut self) -> io::Result<Bytes> {
        self.run(&[], Then::Flush)?;
        Ok(self.take())
    }

    /// The remaining output and the end of the stream.
    pub(super) fn finish(&mut self) -> io::Result<Bytes> {
        self.run(&[], Then::Finish)?;
        Ok(self.take())
    }

    fn run(&mut self, bytes: &[u8], then: Then) -> io::Result<()> {
        match &mut self.compressor {
            Compressor::Gzip(gzip) => gzip.run(bytes, then, &mut self.out),
            Compressor::Zstd(zstd) => zstd.run(bytes, then, &mut self.out),
            Compressor::Brotli(brotli) => brotli.run(bytes, then, &mut self.out),
        }
    }
}
