//! A token that a client presents: its signature, and the time in which it is valid.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::key::Key;

/// The claims of a token.
pub type Claims = Map<String, Value>;

/// Why a token is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it is not a signed token")]
    Malformed,
    #[error("no key verifies its signature")]
    Signature,
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    NotYet,
}

/// The claims of a token that one of the keys has signed and that is valid at `now`, in seconds
/// since 1970.
pub fn verify<'k>(
    token: &str,
    keys: impl Iterator<Item = &'k Key>,
    now: u64,
) -> Result<Claims, Refused> {
    let (message, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(Refused::Malformed)?;
    if payload.contains('.') {
        return Err(Refused::Malformed);
    }
    let header = object(header)?;
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let algorithm = text("alg").ok_or(Refused::Malformed)?;
    if header.contains_key("crit") {
        // What must be understood is not (RFC 7515 section 4.1.11).
        return Err(Refused::Malformed);
    }
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refused::Malformed)?;
    let may = |key: &&Key| match (text("kid"), &key.id) {
        (Some(wanted), Some(id)) => wanted == id,
        _ => true,
    };
    let is_signed =
        keys.into_iter().filter(may).any(|k| k.verifies(algorithm, message.as_bytes(), &signature));
    if !is_signed {
        return Err(Refused::Signature);
    }
    let claims = object(payload)?;
    check_time(&claims, now)?;
    Ok(claims)
}

fn object(part: &str) -> Result<Claims, Refused> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Refused::Malformed)
}

/// `exp` and `nbf`, if there are any (RFC 7519 section 4.1).
fn check_time(claims: &Claims, now: u64) -> Result<(), Refused> {
    let now = now as f64;
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Refused::Malformed),
    };
    if time("exp")?.is_some_and(|until| now >= until) {
        return Err(Refused::Expired);
    }
    if time("nbf")?.is_some_and(|from| now < from) {
        return Err(Refused::NotYet);
    }
    Ok(())
}
