//! `policy cookie`: session affinity by a cookie. Its value is an HMAC-SHA-256 of the upstream's
//! name, so that it reveals nothing and cannot be forged for another upstream.

use std::sync::OnceLock;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use http::header::{HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::fleet::common::Common;
use crate::hex::hex;
use crate::http::cookies;
use crate::upstream::host::set::Set;
use crate::upstream::host::upstream::Upstream;

/// Bytes of the HMAC in the cookie.
const SIGNED: usize = 16;

/// The cookie of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Sticky {
    name: String,
    key: Key,
}

impl Sticky {
    /// Parses `[NAME [SECRET]]`. Without a secret the key is that of [`share`], or random: it
    /// survives reloads, but not a restart, and differs on other machines.
    pub(crate) fn parse(args: &[&str]) -> Result<Self, String> {
        let name = args.first().copied().unwrap_or("lb");
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(format!("'{name}' is not a cookie name"));
        }
        let key = match args.get(1) {
            Some(secret) => Key::new(HMAC_SHA256, secret.as_bytes()),
            None => own_key()?,
        };
        Ok(Self { name: name.to_owned(), key })
    }

    /// The cookie value of this upstream.
    pub(crate) fn tag(&self, upstream: &str) -> Box<str> {
        let signed = hmac::sign(&self.key, format!("{} {upstream}", self.name).as_bytes());
        hex(&signed.as_ref()[..SIGNED]).into()
    }

    /// The upstream that the request's cookie names.
    pub(crate) fn host(&self, set: &Set, fields: &HeaderMap) -> Option<usize> {
        cookies::values(fields, &self.name)
            .find_map(|value| set.iter().position(|host| is(host, value)))
    }

    /// Adds the cookie of `host` to a response, unless the request's `fields` already have it.
    /// `secure`: the client uses TLS.
    pub(crate) fn set_cookie(
        &self,
        host: &Upstream,
        fields: &HeaderMap,
        secure: bool,
        response: &mut HeaderMap,
    ) {
        if cookies::values(fields, &self.name).next().is_some_and(|value| is(host, value)) {
            return;
        }
        // Cross-site requests, such as from a frame or a login page, need the session too, and the
        // value is of no use to the other site.
        let attributes = if secure { "; Secure; SameSite=None" } else { "; SameSite=Lax" };
        let cookie = format!("{}={}; Path=/; HttpOnly{attributes}", self.name, host.tag);
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.append(SET_COOKIE, cookie);
        }
    }
}

/// The key of lines without a secret.
static OWN: OnceLock<Option<Key>> = OnceLock::new();

/// Lines without a secret have the same key on all machines of the fleet.
pub(crate) fn share(common: &Common) {
    OWN.get_or_init(|| Some(Key::new(HMAC_SHA256, &common.secret("policy cookie"))));
}

fn own_key() -> Result<Key, String> {
    let random = || {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Key::new(HMAC_SHA256, &bytes))
    };
    OWN.get_or_init(random).clone().ok_or_else(|| "cannot generate a random key".to_owned())
}

fn is(host: &Upstream, value: &[u8]) -> bool {
    verify_slices_are_equal(host.tag.as_bytes(), value).is_ok()
}
