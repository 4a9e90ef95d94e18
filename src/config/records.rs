//! Which sites of a Caddyfile should have an HTTPS record in DNS.

use std::collections::HashSet;

use rustls::version::TLS13;

use super::draft::Draft;
use super::{Settings, listen};
use crate::caddyfile::{ConfigError, Key, Kind};
use crate::https_records::{self, Offer, RecordSpec};
use crate::site::{SiteBuilder, Task};
use crate::tls::HttpsRecord;

/// The record of a site.
pub(super) fn spec(
    site: &mut SiteBuilder,
    port: u16,
    key: &Key,
    settings: &Settings,
) -> Option<RecordSpec> {
    let versions = &site.tls.versions;
    let offer = Offer {
        host: &site.address.host,
        port: settings.alt_svc_port.unwrap_or(port),
        policy: &site.tls,
        local: listen::is_local(site),
        http3: settings.quic && (versions.is_empty() || versions.contains(&&TLS13)),
        http2: settings.http2,
    };
    RecordSpec::of(&offer).unwrap_or_else(|why| {
        let message = format!("{}: https_record has no effect: {why}", site.address);
        site.warnings.push(ConfigError::at(&key.token, Kind::Parse, message).warning());
        None
    })
}

/// What looks after the records of all sites. `off` at one of a host's sites holds for the host.
pub(super) fn task(drafts: &mut [Draft]) -> Option<Task> {
    let is_off = |draft: &&Draft| draft.site.tls.https_record == Some(HttpsRecord::Off);
    let off = drafts.iter().filter(is_off).map(|draft| draft.site.address.host.clone());
    let off: HashSet<String> = off.collect();
    let on = drafts.iter_mut().filter(|draft| !off.contains(&draft.site.address.host));
    https_records::task(on.filter_map(|draft| draft.record.take()).collect())
}
