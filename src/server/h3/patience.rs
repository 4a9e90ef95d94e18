//! Closes a connection whose client cancels too many requests, or sends too many that are malformed
//! behind their head.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use h3::error::Code;

use super::close::close;
use crate::server::cancelled;

/// Shared by the streams of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Patience(Rc<RefCell<cancelled::Patience>>);

impl Patience {
    pub(crate) fn new() -> Self {
        Self(Rc::new(RefCell::new(cancelled::Patience::new(Instant::now()))))
    }

    /// Counts an aborted request, and closes the connection above the limit.
    pub(crate) fn strain(&self, quic: &quinn::Connection) {
        if !self.0.borrow_mut().allows(Instant::now()) {
            close(quic, Code::H3_EXCESSIVE_LOAD, b"too many cancelled requests");
        }
    }
}
