//! The authorization scheme Signature with HMAC-SHA-256, as the plugin has it: the client signs a
//! time and a token.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};

use crate::http::Fault;

/// The keys by their names.
#[derive(Debug, Default)]
pub(super) struct Keys {
    by_name: HashMap<String, hmac::Key>,
    /// Stands for a key that is not there, so that a request takes as long.
    other: Option<hmac::Key>,
}

impl Keys {
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Adds a key that is written as `NAME=BASE64`.
    pub(super) fn add(&mut self, word: &str) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("must be NAME=KEY with the key in Base64, {why}"));
        let Some((name, key)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return wrong("and a word has no name");
        };
        match STANDARD.decode(key) {
            Ok(key) if !key.is_empty() => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
                self.other.get_or_insert_with(|| key.clone());
                self.by_name.insert(name.to_owned(), key);
                Ok(())
            }
            Ok(_) => wrong(&format!("and '{name}' has none")),
            Err(_) => wrong(&format!("which that of '{name}' is not")),
        }
    }

    /// Whether a request is signed by one of the keys, at most `tolerance` seconds from now.
    pub(super) fn check(&self, headers: &HeaderMap, tolerance: u64) -> Result<(), Refused> {
        let field = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let signature = Signature::read(field.ok_or(Refused::Unknown)?)?;
        let mut text = Vec::new();
        for name in &signature.fields {
            let name = HeaderName::try_from(*name).map_err(|_| Refused::Malformed)?;
            let value = headers.get(&name).filter(|value| !value.is_empty());
            text.extend_from_slice(value.ok_or(Refused::Malformed)?.as_bytes());
        }
        let time = signature.time(headers).ok_or(Refused::Malformed)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if now.abs_diff(time) > tolerance {
            return Err(Refused::Denied);
        }
        let named = self.by_name.get(signature.key);
        let key = named.or(self.other.as_ref()).ok_or(Refused::Denied)?;
        let is_signed = hmac::verify(key, &text, &signature.tag).is_ok();
        if is_signed && named.is_some() { Ok(()) } else { Err(Refused::Denied) }
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("upload: the request is not signed")]
    Unknown,
    #[error("upload: the signature is not complete")]
    Malformed,
    #[error("upload: the signature is not valid, or not at this time")]
    Denied,
}

impl Refused {
    pub(super) fn fault(self) -> Fault {
        let status = match self {
            Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Denied => StatusCode::FORBIDDEN,
        };
        let mut fault = Fault::caused(status, self);
        if self == Self::Unknown {
            fault.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Signature"));
        }
        fault
    }
}

/// The field Authorization.
struct Signature<'a> {
    key: &'a str,
    /// The fields that are signed, the time first.
    fields: Vec<&'a str>,
    tag: Vec<u8>,
}

impl<'a> Signature<'a> {
    fn read(text: &'a str) -> Result<Self, Refused> {
        let mut rest = text.strip_prefix("Signature").ok_or(Refused::Unknown)?;
        let (mut key, mut fields, mut tag) = ("", "timestamp token", None);
        while let Some((name, quoted)) = rest.split_once(['=', ':']) {
            let quoted = quoted.trim_start();
            let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''));
            let quote = quote.ok_or(Refused::Malformed)?;
            let (value, behind) = quoted[1..].split_once(quote).ok_or(Refused::Malformed)?;
            let name = name.trim_matches([' ', '\t', ',']);
            match name.to_ascii_lowercase().as_str() {
                "keyid" => key = value,
                "algorithm" if value != "hmac-sha256" => return Err(Refused::Unknown),
                "headers" if !value.is_empty() => fields = value,
                "signature" => tag = STANDARD.decode(value).ok(),
                _ => {}
            }
            rest = behind;
        }
        let fields: Vec<_> = fields.split(' ').collect();
        match fields.as_slice() {
            ["timestamp" | "date", "token", ..] => {}
            _ => return Err(Refused::Unknown),
        }
        let tag = tag.filter(|tag| !tag.is_empty()).ok_or(Refused::Malformed)?;
        Ok(Self { key, fields, tag })
    }

    /// The time that is signed, in seconds since 1970.
    fn time(&self, headers: &HeaderMap) -> Option<u64> {
        let value = headers.get(self.fields[0])?.to_str().ok()?;
        if self.fields[0] == "timestamp" {
            return value.parse().ok();
        }
        let date = httpdate::parse_http_date(value).ok()?;
        date.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: &[u8], age: u64, authorization: &str) -> HeaderMap {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let time = (now - age).to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let tag = hmac::sign(&key, format!("{time}abc").as_bytes());
        let field = authorization.replace("TAG", &STANDARD.encode(tag));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, field.parse().unwrap());
        headers.insert("timestamp", time.parse().unwrap());
        headers.insert("token", "abc".parse().unwrap());
        headers
    }

    #[test]
    fn who_is_let_in() {
        let mut keys = Keys::default();
        keys.add("mark=Z2VoZWlt").unwrap();
        keys.add("yui=eXVp").unwrap();
        const WHOLE: &str = "Signature keyId=\"mark\",algorithm=\"hmac-sha256\",\
                             headers=\"timestamp token\",signature=\"TAG\"";
        for (key, age, field, expected) in [
            (&b"geheim"[..], 0, WHOLE, Ok(())),
            (b"geheim", 3, "Signature keyId='mark', signature='TAG'", Ok(())),
            (b"yui", 0, "Signature keyId=\"yui\",signature=\"TAG\"", Ok(())),
            (b"geheim", 60, WHOLE, Err(Refused::Denied)),
            (b"yui", 0, WHOLE, Err(Refused::Denied)),
            (b"geheim", 0, "Signature keyId=\"eve\",signature=\"TAG\"", Err(Refused::Denied)),
            (b"geheim", 0, "Signature keyId=\"mark\"", Err(Refused::Malformed)),
            (b"geheim", 0, "Signature keyId=mark,signature=TAG", Err(Refused::Malformed)),
            (
                b"geheim",
                0,
                "Signature keyId=\"mark\",headers=\"timestamp token x-a\",signature=\"TAG\"",
                Err(Refused::Malformed),
            ),
            (
                b"geheim",
                0,
                "Signature keyId=\"mark\",headers=\"token\",signature=\"TAG\"",
                Err(Refused::Unknown),
            ),
            (
                b"geheim",
                0,
                "Signature keyId=\"mark\",algorithm=\"none\",signature=\"TAG\"",
                Err(Refused::Unknown),
            ),
            (b"geheim", 0, "Basic bWFyazpnZWhlaW0=", Err(Refused::Unknown)),
        ] {
            assert_eq!(keys.check(&request(key, age, field), 4), expected, "{field}");
        }
        assert_eq!(keys.check(&HeaderMap::new(), 4), Err(Refused::Unknown));
    }

    #[test]
    fn keys_as_they_are_written() {
        let mut keys = Keys::default();
        for word in ["mark", "=eXVp", "mark=", "mark=?"] {
            assert!(keys.add(word).is_err(), "{word}");
        }
        assert!(keys.is_empty() && keys.add("a=b2xpdmlh").is_ok() && !keys.is_empty());
    }
}
