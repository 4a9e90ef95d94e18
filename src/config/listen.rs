//! Groups sites by the address that they are served on, and merges the settings of the sites of
//! one listener.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use http::HeaderValue;
use socket2::{Domain, Socket, Type};

use super::draft::Draft;
use super::{LoadError, Loaded, Redirects, Settings};
use crate::site::{Listener, ListenerSettings, SiteBuilder, SiteTable, Snapshot, is_loopback};
use crate::tls::build_listener;

/// How long a client may remember that the site speaks HTTP/3, in seconds (30 days).
const ALT_SVC_MAX_AGE: u32 = 2_592_000;

struct Group {
    addr: SocketAddr,
    /// Places in the list of all drafts.
    sites: Vec<usize>,
    known: HashMap<(String, String), usize>,
}

/// Puts sites that share an address on one listener; a site with several addresses is on
/// several.
pub(super) fn group(
    drafts: Vec<Draft>,
    redirects: Vec<Draft>,
    settings: &Settings,
) -> Result<Loaded, LoadError> {
    let written = drafts.len();
    let drafts: Vec<Draft> = drafts.into_iter().chain(redirects).collect();
    let mut groups: Vec<Group> = Vec::new();
    for at in 0..drafts.len() {
        for addr in addresses(&drafts[at])? {
            let placed = place(&mut groups, addr, &drafts, at);
            // Where somebody wrote a site, nothing is implied.
            if at < written {
                placed?;
            }
        }
    }
    let line = |at: usize| display(&drafts[at]);
    let listed = |at: &usize| !drafts[*at].is_admin;
    let mut lines: Vec<String> = (0..written).filter(listed).map(line).collect();
    let mut redirects = Vec::new();
    for group in &groups {
        let implied = group.sites.iter().filter(|at| **at >= written).map(|at| line(*at));
        if group.sites.iter().all(|at| *at >= written) {
            redirects.push(Redirects { addr: group.addr, sites: implied.collect() });
        } else {
            lines.extend(implied);
        }
    }
    let mut listeners = Vec::with_capacity(groups.len());
    for group in &groups {
        let members: Vec<&Draft> = group.sites.iter().map(|at| &drafts[*at]).collect();
        listeners.push(listener(group.addr, &members, settings)?);
    }
    let sites: Vec<_> = drafts.into_iter().map(|draft| Arc::new(draft.site.build())).collect();
    for (group, listener) in groups.iter().zip(&mut listeners) {
        group.sites.iter().for_each(|at| listener.sites.insert(sites[*at].clone()));
    }
    let snapshot = Snapshot { listeners, ..Snapshot::default() };
    let (tasks, warnings) = (Vec::new(), Vec::new());
    Ok(Loaded { snapshot, tasks, sites: lines, redirects, warnings })
}

fn place(
    groups: &mut Vec<Group>,
    addr: SocketAddr,
    drafts: &[Draft],
    at: usize,
) -> Result<(), LoadError> {
    let Some(group) = groups.iter_mut().find(|group| group.addr == addr) else {
        let known = HashMap::from([(drafts[at].key(), at)]);
        groups.push(Group { addr, sites: vec![at], known });
        return Ok(());
    };
    let draft = &drafts[at];
    // All of a group are of one kind, so that its first site speaks for them.
    if let Some(other) = group.sites.first().map(|first| &drafts[*first])
        && other.site.secure != draft.site.secure
    {
        let (tls, plain) = if draft.site.secure { (draft, other) } else { (other, draft) };
        return Err(LoadError::Site(format!(
            "{} - cannot multiplex {} (TLS) and {} (not TLS) on same listener\n  hint: the other \
             is at {}; give one of them another port",
            draft.place, tls.site.address.original, plain.site.address.original, other.place,
        )));
    }
    match group.known.entry(draft.key()) {
        Entry::Vacant(place) => {
            place.insert(at);
            group.sites.push(at);
        }
        // Two names to bind may lead to one address.
        Entry::Occupied(known) if *known.get() == at => {}
        Entry::Occupied(known) => {
            let other = &drafts[*known.get()];
            return Err(LoadError::Site(format!(
                "{} - duplicate site address: {}\n  hint: {} at {} is the same site on the same \
                 port; put both into one block",
                draft.place, draft.site.address.original, other.site.address.original, other.place,
            )));
        }
    }
    Ok(())
}

fn addresses(draft: &Draft) -> Result<Vec<SocketAddr>, LoadError> {
    if draft.site.binds.is_empty() {
        return Ok(vec![any(draft.port)]);
    }
    let mut addrs = Vec::new();
    for bind in &draft.site.binds {
        let host = bind.trim_start_matches('[').trim_end_matches(']');
        let mut found = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, draft.port)],
            Err(_) => (host, draft.port)
                .to_socket_addrs()
                .map_err(|error| {
                    LoadError::Address(format!("{} - bind {bind}: {error}", draft.place))
                })?
                .take(1)
                .collect(),
        };
        addrs.append(&mut found);
    }
    Ok(addrs)
}

/// All interfaces: IPv6 and IPv4 in one socket, or IPv4 where the host has no IPv6. Nothing is
/// bound to find out, for a check of the configuration comes here too.
fn any(port: u16) -> SocketAddr {
    match Socket::new(Domain::IPV6, Type::DGRAM, None) {
        Ok(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        Err(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
    }
}

/// A listener without its sites.
fn listener(
    addr: SocketAddr,
    drafts: &[&Draft],
    settings: &Settings,
) -> Result<Listener, LoadError> {
    let secure = drafts.iter().any(|draft| draft.site.secure);
    let tls = if secure {
        let policies: Vec<_> = drafts
            .iter()
            .map(|draft| (draft.site.address.host.clone(), draft.site.tls.clone()))
            .collect();
        Some(build_listener(&policies, settings.http2, &settings.keeper).map_err(LoadError::Site)?)
    } else {
        None
    };
    let quic = settings.quic && tls.as_ref().is_some_and(|tls| tls.quic.is_some());
    let alt_svc = quic
        .then(|| settings.alt_svc_port.unwrap_or(addr.port()))
        .map(|port| format!("h3=\":{port}\"; ma={ALT_SVC_MAX_AGE}"))
        .and_then(|value| HeaderValue::try_from(value).ok());
    let mut joined = ListenerSettings::default();
    drafts.iter().for_each(|draft| joined.join(&draft.site.listener));
    let plans = drafts.iter().filter_map(|draft| draft.site.experiment.as_ref());
    let experiments: Vec<_> = plans.map(|plan| &plan.experiment).collect();
    Ok(Listener {
        addr,
        tls,
        sites: SiteTable::default(),
        settings: joined,
        quic,
        congestion: settings.congestion,
        tcp_congestion: settings.tcp_congestion.clone(),
        alt_svc,
        measures: !experiments.is_empty(),
        experiment: match experiments[..] {
            [one] => Some(one.clone()),
            _ => None,
        },
    })
}

/// A site as the start prints it: `https://example.com`, `http://:2015`.
fn display(draft: &Draft) -> String {
    let address = &draft.site.address;
    let (scheme, usual) = if draft.site.secure { ("https", 443) } else { ("http", 80) };
    let host = if address.host.contains(':') {
        format!("[{}]", address.host)
    } else {
        address.host.clone()
    };
    let port = if draft.port == usual { String::new() } else { format!(":{}", draft.port) };
    let note = if is_local(&draft.site) && !is_loopback(&address.host) {
        " (only accessible on this machine)"
    } else {
        ""
    };
    format!("{scheme}://{host}{port}{}{note}", address.path)
}

/// Whether the site listens on this machine's own addresses.
pub(super) fn is_local(site: &SiteBuilder) -> bool {
    site.binds.iter().any(|bind| is_loopback(bind))
}
