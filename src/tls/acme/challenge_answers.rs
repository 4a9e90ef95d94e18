//! Answers to the challenges of an order on all machines that share the storage: the CA may ask any
//! of them. Each has the answer in memory before the CA is told to ask, so that a request for
//! another token costs none of them anything.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use crate::tls::challenges::Answer;
use crate::tls::storage::Storage;

const FOLDER: &str = "challenges/";
/// The time between looks at whether the answer is with the others, and how many: a server that
/// fails over is waited for.
const STEP: Duration = Duration::from_millis(50);
const STEPS: usize = 2000;
/// How long they take for it once it is with them.
const SPREAD: Duration = Duration::from_secs(1);

/// What answers a challenge.
#[derive(Debug, Clone, Copy)]
pub(super) enum ChallengeAnswer<'a> {
    Http { token: &'a str, answer: &'a str },
    Tls { digest: &'a [u8] },
}

/// An answer that other machines have, until it is dropped.
pub(super) struct SharedAnswer<'a> {
    store: &'a dyn Storage,
    entry: String,
}

impl ChallengeAnswer<'_> {
    /// Stores the answer and waits until the other machines have it. Without any there is nothing
    /// to do.
    pub(super) async fn share<'a>(
        self,
        store: &'a dyn Storage,
        name: &str,
    ) -> io::Result<Option<SharedAnswer<'a>>> {
        if !store.is_shared() {
            return Ok(None);
        }
        let (kind, content) = match self {
            Self::Http { token, answer } => ("http", json!({ "token": token, "answer": answer })),
            Self::Tls { digest } => ("tls", json!({ "name": name, "digest": digest })),
        };
        let entry = format!("{FOLDER}{kind}-{}", name.to_ascii_lowercase());
        store.write(&entry, content.to_string().as_bytes())?;
        for _ in 0..STEPS {
            if store.is_settled() {
                break;
            }
            tokio::time::sleep(STEP).await;
        }
        tokio::time::sleep(store.lag() + SPREAD).await;
        Ok(Some(SharedAnswer { store, entry }))
    }
}

impl Drop for SharedAnswer<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.store.remove(&self.entry) {
            log::warn!("{error}");
        }
    }
}

/// Whether an entry is the answer to a challenge.
pub(super) fn is_challenge_answer(entry: &str) -> bool {
    entry.starts_with(FOLDER)
}

/// Answers the challenge of another machine's order, by the content of its entry.
pub(super) fn answer(content: &[u8]) -> Option<Answer> {
    let kept: Value = serde_json::from_slice(content).ok()?;
    if let (Some(token), Some(answer)) = (kept["token"].as_str(), kept["answer"].as_str()) {
        return Some(Answer::http(token, answer));
    }
    let digest: Vec<u8> = serde_json::from_value(kept["digest"].clone()).ok()?;
    Answer::tls(kept["name"].as_str()?, &digest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::tls::challenges::{alpn_certificate, http_answer};

    #[test]
    fn what_another_machine_has_stored_is_answered() {
        let path = "/.well-known/acme-challenge/proof-1";
        let http = json!({ "token": "proof-1", "answer": "proof-1.thumb" });
        let kept = answer(http.to_string().as_bytes());
        assert_eq!(http_answer(path).as_deref(), Some("proof-1.thumb"));
        drop(kept);
        assert!(http_answer(path).is_none());
        let tls = json!({ "name": "proof.example", "digest": vec![7; 32] });
        let _kept = answer(tls.to_string().as_bytes()).unwrap();
        assert!(alpn_certificate("proof.example").is_some());
        for junk in [&b"{}"[..], b"", b"junk", br#"{"name": "a"}"#] {
            assert!(answer(junk).is_none(), "{junk:?}");
        }
        assert!(is_challenge_answer("challenges/tls-a") && !is_challenge_answer("ocsp/a"));
    }
}
