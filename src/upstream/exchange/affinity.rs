//! Upstream connections that are bound to one client connection: those that were authenticated
//! (NTLM and Negotiate, RFC 4559), and those that began with a PROXY header. They are never pooled,
//! and are closed with the client connection.

use std::rc::Rc;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use tokio::time::Instant;

use super::http1::connection::Conn;
use super::settings::Settings;
use crate::http::{Peer, Request};
use crate::limits::UPSTREAM_IDLE;
use crate::upstream::host::upstream::Upstream;

/// A bound connection and its upstream.
struct Own {
    upstream: u64,
    conn: Box<Conn>,
    /// The client has authenticated it: it is kept for as long as the upstream keeps it open.
    authenticated: bool,
}

/// Why a request may only use connections that are bound to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Affinity {
    Address,
    Authentication,
}

/// Whether the request needs a connection that is bound to its client.
pub(crate) fn of(settings: &Settings, req: &Request) -> Option<Affinity> {
    if req.head.headers.get(AUTHORIZATION).is_some_and(is_connection_bound)
        || !req.peer.values.is_empty() && req.peer.values.any(|own: &Own| own.authenticated)
    {
        return Some(Affinity::Authentication);
    }
    settings.proxy_protocol.map(|_| Affinity::Address)
}

/// Whether a response requires authentication that works over HTTP/1.1 only.
pub(crate) fn refuses(req: &Request, status: StatusCode, fields: &HeaderMap) -> bool {
    status == StatusCode::UNAUTHORIZED && cannot_authenticate(req) && is_challenge(status, fields)
}

fn is_challenge(status: StatusCode, fields: &HeaderMap) -> bool {
    status == StatusCode::UNAUTHORIZED
        && fields.get_all(WWW_AUTHENTICATE).iter().any(is_connection_bound)
}

/// Whether the client's connection is multiplexed, so that it cannot be authenticated.
pub(crate) fn cannot_authenticate(req: &Request) -> bool {
    req.head.version >= Version::HTTP_2
}

fn is_connection_bound(value: &HeaderValue) -> bool {
    let scheme = value.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"NTLM") || scheme.eq_ignore_ascii_case(b"Negotiate")
}

/// Takes the client's connection to an upstream.
pub(crate) fn take(peer: &Peer, upstream: u64) -> Option<Box<Conn>> {
    while let Some(Own { mut conn, authenticated, .. }) =
        peer.values.take(|own: &Own| own.upstream == upstream)
    {
        let is_young = authenticated || conn.patience.since().elapsed() < UPSTREAM_IDLE;
        if is_young && conn.is_reusable(true) {
            return Some(conn);
        }
    }
    None
}

/// Binds a connection to the client's connection after an exchange.
pub(crate) fn give(peer: &Rc<Peer>, upstream: u64, mut conn: Box<Conn>, affinity: Affinity) {
    conn.patience.moved_at(Instant::now());
    peer.values.put(Own { upstream, conn, authenticated: affinity == Affinity::Authentication });
}

/// The upstream to which the client has an authenticated connection.
pub(crate) fn host(hosts: &[Upstream], peer: &Peer) -> Option<usize> {
    if peer.values.is_empty() {
        return None;
    }
    let owns = |id| peer.values.any(|own: &Own| own.authenticated && own.upstream == id);
    hosts.iter().position(|host| owns(host.state.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_told_from_others() {
        for (status, value, want) in [
            (401, "NTLM", true),
            (401, "Negotiate", true),
            (401, "ntlm TlRMTVNTUAAC", true),
            (401, "Basic realm=\"NTLM\"", false),
            (200, "NTLM", false),
        ] {
            let mut fields = HeaderMap::new();
            fields.append(WWW_AUTHENTICATE, HeaderValue::from_static("Digest x"));
            fields.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_challenge(status, &fields), want, "{status} {value}");
        }
    }
}
