//! Requests to what is served to this machine alone.

use std::future::ready;
use std::net::IpAddr;

use http::StatusCode;

use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::{Fault, Request};

/// Which hosts a request for what is the operator's may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    Any,
    /// Those of this machine. A page of any site could otherwise give its own name the address
    /// 127.0.0.1 and have a browser on this machine read what is served only here (DNS rebinding).
    Local,
}

impl Hosts {
    /// Refuses a request for another host.
    pub fn check(self, req: &Request) -> Result<(), Fault> {
        if self == Self::Any || is_local(&req.host) {
            return Ok(());
        }
        let cause = format!("{} is not this machine: ask localhost or its address", req.host);
        Err(Fault::caused(StatusCode::MISDIRECTED_REQUEST, cause))
    }
}

/// [`Hosts::Local`] before all other handlers of a site.
pub struct LocalHosts;

impl Handler for LocalHosts {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        match Hosts::Local.check(req) {
            Ok(()) => next.run(req),
            Err(fault) => Box::pin(ready(Err(fault))),
        }
    }
}

/// `host` is as in [`Request::host`].
fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_no_hosts_of_this_machine() {
        for (host, local) in [
            ("localhost", true),
            ("a.localhost", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("example.com", false),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("", false),
        ] {
            assert_eq!(is_local(host), local, "{host}");
        }
    }
}
