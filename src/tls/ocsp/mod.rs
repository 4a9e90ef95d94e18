//! OCSP stapling (RFC 6066 section 8) for certificates with a responder URL. A staple is renewed
//! after half its validity, kept in the storage, and not used once it has expired.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod message;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use rustls::sign::CertifiedKey;

use super::https_client::Client;
use super::pem::{Loaded, unix_now};
use super::resolver::Resolver;
use super::storage::Storage;
use crate::hex::hex;
use crate::limits::OCSP_TIMEOUT;
use message::Window;

/// The interval of checks for due staples.
const EVERY: Duration = Duration::from_secs(30);
/// The same while what other machines have is on its way here.
const SOON: Duration = Duration::from_secs(1);
/// Seconds between requests to a failing responder.
const AGAIN: i64 = 600;

/// The staple of a certificate.
#[derive(Debug, Default)]
struct State {
    staple: Option<Vec<u8>>,
    until: i64,
    /// Unix second of the next request.
    next: i64,
}

/// Keeps the staples of these listeners fresh until all of them are dropped.
pub(super) async fn keep(resolvers: Vec<Weak<Resolver>>, store: Arc<dyn Storage>) {
    let mut states: HashMap<Vec<u8>, State> = HashMap::new();
    loop {
        let alive: Vec<_> = resolvers.iter().filter_map(Weak::upgrade).collect();
        if alive.is_empty() {
            return;
        }
        // Another machine may have what is due.
        let is_settled = store.is_settled();
        let shown: Vec<_> = alive.iter().flat_map(|one| one.certificates()).collect();
        for loaded in shown {
            let Some(leaf) = loaded.key.cert.first().filter(|_| loaded.responder.is_some()) else {
                continue;
            };
            let state = states
                .entry(leaf.to_vec())
                .or_insert_with(|| stored(&loaded, &*store).unwrap_or_default());
            if is_settled && state.next <= unix_now() {
                renew(&loaded, state, &*store).await;
            }
            let staple = state.staple.clone().filter(|_| state.until > unix_now());
            if loaded.key.ocsp != staple {
                let key = CertifiedKey { ocsp: staple, ..CertifiedKey::clone(&loaded.key) };
                let key = Arc::new(key);
                alive.iter().for_each(|one| one.staple(&key));
            }
        }
        tokio::time::sleep(if is_settled { EVERY } else { SOON }).await;
    }
}

async fn renew(loaded: &Loaded, state: &mut State, store: &dyn Storage) {
    let name = loaded.names.first().map_or("a certificate", String::as_str);
    // Another process or machine may have asked.
    if let Some(kept) = stored(loaded, store).filter(|kept| kept.next > unix_now()) {
        *state = kept;
        return;
    }
    match fetch(loaded).await {
        Ok((staple, window)) => {
            if let Err(error) = store.write(&entry(loaded), &staple) {
                log::warn!("{error}");
            }
            *state = State::of(staple, window);
        }
        Err(error) => {
            log::warn!("{name}: no OCSP staple: {error}");
            state.next = unix_now() + AGAIN;
        }
    }
}

async fn fetch(loaded: &Loaded) -> Result<(Vec<u8>, Window), String> {
    let [leaf, issuer, ..] = &loaded.key.cert[..] else {
        return Err("the chain does not contain the certificate of the issuer".to_owned());
    };
    let url = loaded.responder.as_deref().unwrap_or_default();
    let request = Request::post(url)
        .header(header::CONTENT_TYPE, "application/ocsp-request")
        .header(header::ACCEPT, "application/ocsp-response")
        .body(Full::new(Bytes::from(message::request(leaf, issuer)?)))
        .map_err(|error| format!("{url}: {error}"))?;
    let answer = Client::new(OCSP_TIMEOUT, Arc::default()).fetch(request).await?;
    let window = message::judge(&answer, leaf).map_err(|error| format!("{url}: {error}"))?;
    if window.until <= unix_now() {
        return Err(format!("{url}: the response has expired"));
    }
    Ok((answer.to_vec(), window))
}

/// The Unix second at which a staple is over.
pub(super) fn end(staple: &[u8]) -> Option<i64> {
    message::read(staple, None)?.ok().map(|window| window.until)
}

impl State {
    fn of(staple: Vec<u8>, window: Window) -> Self {
        let half = window.from + (window.until - window.from) / 2;
        // Bounds the request rate if the responder sends old responses.
        let next = half.max(unix_now() + AGAIN);
        Self { staple: Some(staple), until: window.until, next }
    }
}

fn stored(loaded: &Loaded, store: &dyn Storage) -> Option<State> {
    let staple = store.read(&entry(loaded)).ok()??;
    let window = message::judge(&staple, loaded.key.cert.first()?).ok()?;
    let half = window.from + (window.until - window.from) / 2;
    (window.until > unix_now()).then(|| State { next: half, ..State::of(staple, window) })
}

/// `ocsp/NAME-HASH`, as in v1.
fn entry(loaded: &Loaded) -> String {
    let name = loaded.names.first().map_or("unnamed", String::as_str).replace(['*', '/'], "_");
    let hash = digest(&SHA256, loaded.key.cert.first().map_or(&[], |leaf| leaf.as_ref()));
    format!("ocsp/{name}-{}", hex(&hash.as_ref()[..8]))
}
