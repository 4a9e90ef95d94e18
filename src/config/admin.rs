//! Sites for the operator that directives ask for at addresses of their own, as drafts of sites.

use std::future::ready;
use std::net::IpAddr;

use http::StatusCode;

use super::Settings;
use super::draft::Draft;
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::address::Address;
use crate::http::ranges::Ranges;
use crate::http::{Fault, Request};
use crate::site::{AdminSite, SiteBuilder};
use crate::tls::Certificates;

/// Takes the sites that the drafts ask for. Each is served once, whoever asks for it.
pub(super) fn drafts(drafts: &mut [Draft], settings: &Settings) -> Vec<Draft> {
    let mut sites: Vec<AdminSite> = Vec::new();
    for site in drafts.iter_mut().flat_map(|draft| draft.site.admin.drain(..)) {
        if !sites.iter().any(|known| known.is_same(&site)) {
            sites.push(site);
        }
    }
    sites.into_iter().map(|site| draft(site, settings)).collect()
}

fn draft(admin: AdminSite, settings: &Settings) -> Draft {
    let (ip, port) = (admin.addr.ip(), admin.addr.port());
    let address = Address {
        original: format!("{} at http://{}{}", admin.name, admin.addr, admin.path),
        scheme: "http".to_owned(),
        port: port.to_string(),
        path: admin.path,
        ..Address::default()
    };
    let root = settings.root.clone().unwrap_or_default();
    let mut site = SiteBuilder::new(address, root, settings.sinks.clone());
    site.binds.push(ip.to_string());
    site.answers_all = true;
    site.tls.certificates = Some(Certificates::Off);
    if ip.is_loopback() {
        site.push(LocalHosts);
    }
    if !admin.allowed.is_empty() {
        site.push(Readers(admin.allowed));
    }
    site.push_boxed(admin.handler);
    Draft { site, port, place: admin.place, record: None, is_admin: true }
}

/// Refuses requests for other hosts than this machine. A page of any site could otherwise give its
/// own name the address 127.0.0.1 and have a browser on this machine read what is served only here
/// (DNS rebinding).
struct LocalHosts;

impl Handler for LocalHosts {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        if is_local(&req.host) {
            return next.run(req);
        }
        let cause = format!("{} is not this machine: ask localhost or its address", req.host);
        let fault = Fault::caused(StatusCode::MISDIRECTED_REQUEST, cause);
        Box::pin(ready(Err(fault)))
    }
}

/// `host` is as in [`Request::host`].
fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok()
}

/// Refuses clients that may not read.
struct Readers(Ranges);

impl Handler for Readers {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        if self.0.contains(req.peer.remote.ip()) {
            return next.run(req);
        }
        let cause = format!("{} is not among those that may read this", req.peer.remote.ip());
        Box::pin(ready(Err(Fault::caused(StatusCode::FORBIDDEN, cause))))
    }
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
