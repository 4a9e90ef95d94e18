//! One attempt to have a request answered by one upstream.

pub(crate) mod affinity;
pub(crate) mod attempt;
pub(crate) mod connect;
mod hints;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod one_server;
pub(crate) mod outcome;
pub(crate) mod payload;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod settings;
pub(crate) mod trust;
