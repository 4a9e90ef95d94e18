//! OCSP stapling (RFC 6066 section 8) for certificates with a responder URL. A staple is renewed
//! after half its validity, kept in the storage, and not used once it has expired.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod message;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use rustls::sign::CertifiedKey;

use super::https_client::Client;
use super::pem::{Loaded, unix_now};
use super::resolver::Resolver;
use super::storage::{Held, Storage};
use crate::hex::hex;
use crate::limits::OCSP_TIMEOUT;
use message::Window;

/// The interval of checks for due staples.
const EVERY: Duration = Duration::from_secs(30);
/// The same while what other machines have is on its way here.
const SOON: Duration = Duration::from_secs(1);
/// The lock of who asks, under which staples are written.
const LOCK: &str = "ocsp";
/// The time between looks at it, and how long all certificates that are due wait for it.
const STEP: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(30);
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
        let shown = alive.iter().flat_map(|one| one.certificates());
        let shown: Vec<_> = shown.filter(|one| one.responder.is_some()).collect();
        // What is stored is shown before anybody is asked.
        for loaded in &shown {
            let first = || stored(loaded, &*store).unwrap_or_default();
            show(&alive, loaded, states.entry(leaf(loaded)).or_insert_with(first));
        }
        let mut patience = PATIENCE;
        for loaded in shown.iter().filter(|_| is_settled) {
            let Some(state) = states.get_mut(&leaf(loaded)) else { continue };
            if state.next <= unix_now() {
                let in_turn = renew(loaded, state, &*store, patience).await;
                patience = if in_turn { patience } else { Duration::ZERO };
                show(&alive, loaded, state);
            }
        }
        tokio::time::sleep(if is_settled { EVERY } else { SOON }).await;
    }
}

fn leaf(loaded: &Loaded) -> Vec<u8> {
    loaded.key.cert.first().map(|leaf| leaf.to_vec()).unwrap_or_default()
}

/// Lets handshakes have the staple, while it is valid.
fn show(resolvers: &[Arc<Resolver>], loaded: &Loaded, state: &State) {
    let staple = state.staple.clone().filter(|_| state.until > unix_now());
    if loaded.key.ocsp != staple {
        let key = CertifiedKey { ocsp: staple, ..CertifiedKey::clone(&loaded.key) };
        let key = Arc::new(key);
        resolvers.iter().for_each(|one| one.staple(&key));
    }
}

/// One asks at a time, as the others then have the staple. False if they had the lock for all of
/// this time, so that this was done without it.
async fn renew(
    loaded: &Loaded,
    state: &mut State,
    store: &dyn Storage,
    patience: Duration,
) -> bool {
    let name = loaded.names.first().map_or("a certificate", String::as_str);
    let fresh = || stored(loaded, store).filter(|kept| kept.next > unix_now());
    if let Some(kept) = fresh() {
        *state = kept;
        return true;
    }
    let begun = Instant::now();
    let mut in_turn = true;
    let _lock: Option<Box<dyn Held>> = loop {
        let tried = store.try_lock(LOCK);
        // Another process or machine may have asked meanwhile.
        if let Some(kept) = fresh() {
            *state = kept;
            return true;
        }
        match tried {
            Ok(None) if begun.elapsed() >= patience => {
                in_turn = false;
                break None;
            }
            Ok(None) => {}
            Ok(held) => break held,
            // As without a folder that can be written to: this process alone uses what it gets.
            Err(error) => {
                log::warn!("{error}");
                break None;
            }
        }
        tokio::time::sleep(STEP).await;
    };
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
    in_turn
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

#[cfg(test)]
mod tests {
    use super::*;

    use crate::tls::Folder;
    use crate::tls::pem::{Pem, pair};

    #[tokio::test]
    async fn one_process_asks_at_a_time() {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let pem = |text| Pem { text, place: "" };
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let loaded = pair(&pem(chain.as_bytes()), &pem(key.as_bytes()), &provider).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().to_owned());
        let other = store.try_lock(LOCK).unwrap();
        let mut state = State::default();
        let waiting = renew(&loaded, &mut state, &store, PATIENCE);
        assert!(tokio::time::timeout(2 * STEP, waiting).await.is_err());
        assert_eq!(state.next, 0);
        // The chain lacks the issuer.
        assert!(!renew(&loaded, &mut state, &store, 2 * STEP).await);
        assert!(state.next > unix_now(), "nobody waits for ever");
        drop(other);
        let mut state = State::default();
        assert!(renew(&loaded, &mut state, &store, PATIENCE).await);
        assert!(state.next > unix_now());
        assert!(store.try_lock(LOCK).unwrap().is_some());
    }
}
