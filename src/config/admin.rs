//! Sites for the operator that directives ask for at addresses of their own, as drafts of sites.

use std::future::ready;

use http::StatusCode;

use super::Settings;
use super::draft::Draft;
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::address::Address;
use crate::http::ranges::Ranges;
use crate::http::{Fault, Request};
use crate::site::local_hosts::LocalHosts;
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
    if ip.is_loopback() || admin.allowed.are_loopback() {
        site.push(LocalHosts);
    }
    if !admin.allowed.is_empty() {
        site.push(Readers(admin.allowed));
    }
    site.push_boxed(admin.handler);
    Draft { site, port, place: admin.place, record: None, is_admin: true }
}

/// Refuses clients that may not read.
struct Readers(Ranges);

impl Handler for Readers {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        if self.0.contains(req.peer.remote.ip()) {
            return next.run(req);
        }
        let cause = format!("{} may not read this page", req.peer.remote.ip());
        Box::pin(ready(Err(Fault::caused(StatusCode::FORBIDDEN, cause))))
    }
}
