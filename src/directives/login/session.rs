//! The token of a user, and the cookie that holds it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::HeaderValue;
use serde_json::{Value, json};

use crate::http::{Request, cookies};
use crate::tokens::{Claims, Key, Signer, verify};

pub(super) struct Session {
    pub(super) signer: Signer,
    pub(super) lifetime: Duration,
    /// How often a token may be renewed.
    pub(super) refreshes: u64,
    pub(super) cookie: Cookie,
}

/// How the cookie is set.
pub(super) struct Cookie {
    pub(super) name: String,
    pub(super) domain: Option<String>,
    /// None: until the browser is closed.
    pub(super) lifetime: Option<Duration>,
    pub(super) http_only: bool,
    pub(super) secure: bool,
    pub(super) same_site: &'static str,
}

/// The claim that counts renewals.
const REFRESHES: &str = "refs";

impl Session {
    pub(super) fn key(&self) -> &Arc<Key> {
        self.signer.key()
    }

    /// The claims of the request's cookie, if its token is valid.
    pub(super) fn claims(&self, req: &Request) -> Option<Claims> {
        let token = cookies::first(&req.head.headers, &self.cookie.name)?;
        verify(&token, std::iter::once(&**self.key()), now()).ok()
    }

    /// The claims of a user who has logged in.
    pub(super) fn begin(&self, user: &str, origin: &str) -> Claims {
        let claims = json!({ "sub": user, "origin": origin, "exp": self.end() });
        claims.as_object().cloned().unwrap_or_default()
    }

    /// The same claims for longer, if they may be renewed.
    pub(super) fn renewed(&self, mut claims: Claims) -> Option<Claims> {
        let times = claims.get(REFRESHES).map_or(Some(0), Value::as_u64)?;
        if times >= self.refreshes {
            return None;
        }
        claims.insert(REFRESHES.to_owned(), json!(times + 1));
        claims.insert("exp".to_owned(), json!(self.end()));
        Some(claims)
    }

    fn end(&self) -> u64 {
        now() + self.lifetime.as_secs()
    }

    pub(super) fn token(&self, claims: &Claims) -> Result<String, String> {
        self.signer.sign(claims)
    }

    pub(super) fn cookie(&self, token: &str) -> Result<HeaderValue, String> {
        let age = self
            .cookie
            .lifetime
            .map_or(String::new(), |time| format!("; Max-Age={}", time.as_secs()));
        let line = format!("{}={token}{age}{}", self.cookie.name, self.cookie.attributes());
        HeaderValue::try_from(line).map_err(|error| error.to_string())
    }

    /// The line that removes the cookie.
    pub(super) fn removed(&self) -> HeaderValue {
        let line = format!("{}=; Max-Age=0{}", self.cookie.name, self.cookie.attributes());
        HeaderValue::try_from(line).unwrap_or(HeaderValue::from_static(""))
    }
}

impl Cookie {
    fn attributes(&self) -> String {
        let domain = self.domain.as_ref().map_or(String::new(), |name| format!("; Domain={name}"));
        let http_only = if self.http_only { "; HttpOnly" } else { "" };
        let secure = if self.secure { "; Secure" } else { "" };
        format!("; Path=/{domain}{http_only}{secure}; SameSite={}", self.same_site)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
