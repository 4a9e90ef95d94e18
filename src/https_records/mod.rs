//! The HTTPS records of public sites (RFC 9460), by which browsers know of HTTP/3 before the first
//! request. DNS is mode for them beside all requests, the log says what is missing, and a DNS
//! provider publishes it where the Caddyfile says so. No failure here is one of a start, a reload
//! or a request.

mod finding;
mod record;
mod spec;
mod watch;

pub use spec::{Offer, RecordSpec};
pub use watch::task;
