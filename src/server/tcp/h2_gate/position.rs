//! Where in the client's bytes the gate is.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Frame,
    /// This many bytes pass unchanged.
    Plain(usize),
    /// h2 closes the connection for the frames that it has received, and may receive the rest.
    Lost,
    /// h2 closes the connection, and the rest is discarded.
    Ended,
}

impl At {
    pub(super) fn payload(length: usize) -> Self {
        if length == 0 { Self::Frame } else { Self::Plain(length) }
    }
}
