//! The counters of TLS handshakes with clients, as their worker writes them.

use super::counter::Counter;

/// What a handshake runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Quic,
}

impl Transport {
    pub const ALL: [Self; 2] = [Self::Tcp, Self::Quic];

    pub fn label(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
        }
    }
}

/// How a handshake that succeeded was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    Tls12,
    Tls12Resumed,
    Tls13,
    Tls13Resumed,
}

impl Handshake {
    pub const ALL: [Self; 4] = [Self::Tls12, Self::Tls12Resumed, Self::Tls13, Self::Tls13Resumed];

    pub fn new(is_tls13: bool, is_resumed: bool) -> Self {
        match (is_tls13, is_resumed) {
            (false, false) => Self::Tls12,
            (false, true) => Self::Tls12Resumed,
            (true, false) => Self::Tls13,
            (true, true) => Self::Tls13Resumed,
        }
    }

    pub fn version(self) -> &'static str {
        match self {
            Self::Tls12 | Self::Tls12Resumed => "1.2",
            Self::Tls13 | Self::Tls13Resumed => "1.3",
        }
    }

    pub fn is_resumed(self) -> bool {
        matches!(self, Self::Tls12Resumed | Self::Tls13Resumed)
    }
}

/// Why a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// It was not complete in time.
    Timeout,
    /// The client closed the connection or vanished.
    Closed,
    /// The client sent an alert: most often, it does not trust the certificate.
    Alert,
    /// There is no certificate for the name that the client asked for.
    UnknownName,
    /// No protocol version, cipher suite or group in common.
    Incompatible,
    /// The client's certificate is missing or not accepted.
    ClientCertificate,
    /// What came is not TLS as the RFCs have it.
    Protocol,
}

impl HandshakeFailure {
    pub const ALL: [Self; 7] = [
        Self::Timeout,
        Self::Closed,
        Self::Alert,
        Self::UnknownName,
        Self::Incompatible,
        Self::ClientCertificate,
        Self::Protocol,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Alert => "alert",
            Self::UnknownName => "unknown_name",
            Self::Incompatible => "incompatible",
            Self::ClientCertificate => "client_certificate",
            Self::Protocol => "protocol",
        }
    }
}

/// The handshakes over one transport.
#[derive(Debug, Default)]
pub struct Handshakes {
    done: [Counter; Handshake::ALL.len()],
    failed: [Counter; HandshakeFailure::ALL.len()],
}

impl Handshakes {
    pub fn done(&self, how: Handshake) {
        self.done[how as usize].add(1);
    }

    pub fn failed(&self, why: HandshakeFailure) {
        self.failed[why as usize].add(1);
    }
}

/// The sums of several of them.
#[derive(Debug, Clone, Default)]
pub struct HandshakeTotals {
    done: [u64; Handshake::ALL.len()],
    failed: [u64; HandshakeFailure::ALL.len()],
}

impl HandshakeTotals {
    pub(super) fn add(&mut self, more: &Handshakes) {
        self.done.iter_mut().zip(&more.done).for_each(|(sum, counted)| *sum += counted.get());
        self.failed.iter_mut().zip(&more.failed).for_each(|(sum, counted)| *sum += counted.get());
    }

    pub fn done(&self, how: Handshake) -> u64 {
        self.done[how as usize]
    }

    pub fn failed(&self, why: HandshakeFailure) -> u64 {
        self.failed[why as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_counter() {
        let (counted, mut read) = (Handshakes::default(), HandshakeTotals::default());
        for (n, why) in HandshakeFailure::ALL.into_iter().enumerate() {
            (0..=n).for_each(|_| counted.failed(why));
        }
        for (is_tls13, is_resumed) in [(false, false), (false, true), (true, false), (true, true)] {
            let how = Handshake::new(is_tls13, is_resumed);
            assert_eq!((how.version() == "1.3", how.is_resumed()), (is_tls13, is_resumed));
            counted.done(how);
        }
        read.add(&counted);
        let failed = HandshakeFailure::ALL.map(|why| read.failed(why));
        assert_eq!((failed, Handshake::ALL.map(|how| read.done(how))), {
            ([1, 2, 3, 4, 5, 6, 7], [1; 4])
        });
    }
}
