//! `quic_report`: divides the site's visitors into two arms, one of which is offered HTTP/3, and
//! compares how long they wait.

mod beacon;

use std::sync::Arc;

use crate::arguments;
use crate::caddyfile::Repeat::Forbidden;
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::experiment::{MOST_DAYS, Plan};
use crate::http::paths::Prefix;
use crate::limits::QUIC_REPORT_DAYS;
use crate::net::tcp_info;
use crate::site::SiteBuilder;
use crate::tls::HttpsRecord;
use beacon::Beacons;

/// What a block sets.
pub(super) struct Wanted {
    beacon: Option<Prefix>,
    days: u32,
}

pub(super) static OPTIONS: Options<Wanted> = Options::new(&[
    option("beacon PATH, such as: beacon /quic-report", Forbidden, |wanted, args| {
        let word = args.required()?;
        if !word.starts_with('/') || word == "/" {
            let message = format!("'{word}' is not a path of its own, such as /quic-report");
            return Err(args.error_at(word, message));
        }
        arguments::prefix(args, word).map(|path| wanted.beacon = Some(path))
    }),
    option("keep DAYS, such as: keep 14", Forbidden, |wanted, args| {
        args.number(1..=MOST_DAYS).map(|days| wanted.days = days)
    }),
]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut wanted: Option<Wanted> = None;
    while args.next() {
        if wanted.is_some() {
            let error = args.error("quic_report may be written only once");
            return Err(error.hint("keep one line; its block has all options"));
        }
        args.no_more()?;
        let mut read = Wanted { beacon: None, days: QUIC_REPORT_DAYS };
        OPTIONS.read(&mut read, args)?;
        wanted = Some(read);
    }
    let Some(wanted) = wanted else { return Ok(()) };
    if let Some(why) = no_effect(site) {
        let error = args.error(format!("{}: quic_report has no effect: {why}", site.address));
        args.warn(error);
        return Ok(());
    }
    if let Some(why) = tcp_info::unknown() {
        let error = args.error(format!("quic_report cannot measure TCP: {why}"));
        return Err(error.hint("leave the line out on this machine"));
    }
    if site.tls.https_record == Some(HttpsRecord::Publish) {
        let message = "the HTTPS record offers HTTP/3 to all visitors, so that quic_report sees a \
                       smaller difference than there is";
        args.warn(args.error(message).hint("write: tls { https_record off }, and remove it"));
    }
    let experiment = site.experiments.open(&site.name());
    if let Some(path) = wanted.beacon {
        site.push(Beacons::new(path, experiment.clone()));
    }
    site.experiment = Some(Plan { experiment: Arc::clone(&experiment), days: wanted.days });
    Ok(())
}

/// Why visitors of this site are not measured.
fn no_effect(site: &SiteBuilder) -> Option<&'static str> {
    let versions = &site.tls.versions;
    if !site.secure {
        Some("HTTP/3 requires TLS")
    } else if !versions.is_empty() && !versions.contains(&&rustls::version::TLS13) {
        Some("HTTP/3 requires TLS 1.3")
    } else if site.listener.proxy_protocol.is_some() {
        Some("with proxyprotocol the connections are those of a load balancer")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
