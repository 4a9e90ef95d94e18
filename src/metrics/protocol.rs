//! The protocols of clients.

/// The protocol of a client, by which everything is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 and what is older.
    Http1,
    Http2,
    Http3,
}

impl Protocol {
    pub const COUNT: usize = 3;
    pub const ALL: [Self; Self::COUNT] = [Self::Http1, Self::Http2, Self::Http3];

    /// As ALPN and the labels of metrics have it.
    pub fn alpn(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
            Self::Http3 => "h3",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}
