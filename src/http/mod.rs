//! The types of a request and its response that protocols, directives and upstreams share.
//! Independent of sockets, the Caddyfile and sites.

pub mod address;
pub mod body;
pub mod byte_ranges;
pub mod cgi;
pub mod cgi_head;
pub mod chunked;
pub mod coding;
pub mod condition;
pub mod connection_values;
pub mod cookies;
pub mod early_hints;
pub mod error_lines;
pub mod fault_page;
pub mod form;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod hop;
pub mod html;
pub mod multipart;
pub mod paths;
pub mod placeholders;
pub mod preconditions;
pub mod priority;
pub mod ranges;
pub mod refusal;
pub mod request;
pub mod response;
pub mod sink;
mod structured;
pub mod target;
pub mod timeouts;
pub mod trace;
pub mod upgrade;
pub mod vouched;

pub use body::{Body, BodyError};
pub use request::{Peer, Request};
pub use response::{Fault, Reply};
pub use upgrade::Upgrade;
