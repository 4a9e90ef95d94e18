//! What a password is compared with: in plain text, or in one of the forms of `htpasswd`.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::md5crypt;
use crate::limits::BCRYPT_COST;

/// One password, as well as it is known.
pub(super) enum Secret {
    /// SHA-256 of it: sums of one length tell nothing by the time that comparing them takes.
    Plain(Vec<u8>),
    /// SHA-1 of it and a salt.
    Sha1 {
        sum: Vec<u8>,
        salt: Vec<u8>,
    },
    Md5 {
        magic: &'static str,
        salt: String,
        sum: String,
    },
    Bcrypt(String),
}

impl Secret {
    pub(super) fn plain(password: &str) -> Self {
        Self::Plain(digest(&SHA256, password.as_bytes()).as_ref().to_vec())
    }

    /// The part of an `htpasswd` line behind the user. The error says what to do.
    pub(super) fn parse(hash: &str) -> Result<Self, String> {
        if let Some(text) = hash.strip_prefix("{SHA}") {
            return sha1(text, false);
        }
        if let Some(text) = hash.strip_prefix("{SSHA}") {
            return sha1(text, true);
        }
        for magic in ["$apr1$", "$1$"] {
            if let Some(rest) = hash.strip_prefix(magic) {
                let (salt, sum) = rest.split_once('$').ok_or("it is cut short")?;
                let salt = salt.chars().take(8).collect();
                return Ok(Self::Md5 { magic, salt, sum: sum.to_owned() });
            }
        }
        if hash.starts_with("$2") {
            let parts: bcrypt::HashParts =
                hash.parse().map_err(|error| format!("it is no bcrypt hash: {error}"))?;
            if parts.get_cost() > BCRYPT_COST {
                return Err(format!(
                    "its bcrypt cost {} is above {BCRYPT_COST}: anybody could keep the \
                     machine busy with wrong passwords. Make it anew with htpasswd -B -C 10",
                    parts.get_cost()
                ));
            }
            return Ok(Self::Bcrypt(hash.to_owned()));
        }
        let is_crypt = |b: u8| b.is_ascii_alphanumeric() || b"./".contains(&b);
        if hash.starts_with('$') || (hash.len() == 13 && hash.bytes().all(is_crypt)) {
            return Err("its form is not known here. Make it anew with htpasswd -B".to_owned());
        }
        Ok(Self::plain(hash))
    }

    /// Whether to compare costs so much that no worker may do it itself.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self, Self::Bcrypt(_) | Self::Md5 { .. })
    }

    pub(super) fn is(&self, password: &[u8]) -> bool {
        let equal = |a: &[u8], b: &[u8]| verify_slices_are_equal(a, b).is_ok();
        match self {
            Self::Plain(sum) => equal(digest(&SHA256, password).as_ref(), sum),
            Self::Sha1 { sum, salt } => {
                let salted = [password, salt].concat();
                equal(digest(&SHA1_FOR_LEGACY_USE_ONLY, &salted).as_ref(), sum)
            }
            Self::Md5 { magic, salt, sum } => {
                equal(md5crypt::sum(password, magic, salt).as_bytes(), sum.as_bytes())
            }
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
        }
    }
}

fn sha1(text: &str, salted: bool) -> Result<Secret, String> {
    const SUM: usize = 20;
    let mut sum = BASE64_STANDARD.decode(text).map_err(|_| "it is not base64")?;
    if sum.len() < SUM || (sum.len() > SUM) != salted {
        return Err("it has not the length of a SHA-1 sum".to_owned());
    }
    let salt = sum.split_off(SUM);
    Ok(Secret::Sha1 { sum, salt })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "a password that is longer than sixteen bytes";

    /// Made by htpasswd and by openssl passwd.
    const KNOWN: &[(&str, &str)] = &[
        ("", "$apr1$abcdefgh$L.PT565ESX4Tp2bqNs7Ie."),
        ("a", "$apr1$abcdefgh$G8IsPsylW5ROvIKsQMRG61"),
        (LONG, "$apr1$abcdefgh$AaK/FVm2z4lOI9DSq69901"),
        ("password", "$1$xy$GSi9DZ/itmn9/ge6aijPn/"),
        (LONG, "$1$xy$ORxZTankQyeO5GKO2DBcZ1"),
        ("secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
        ("secret", "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0"),
        ("secret", "$2y$04$eQtFPG46BP3hh..JAdKerORjfEsu7Nyuw3f3cknzrCp52ruZy7gae"),
        ("secret", "secret"),
    ];

    #[test]
    fn every_form() {
        for (password, hash) in KNOWN {
            let secret = Secret::parse(hash).unwrap();
            assert!(secret.is(password.as_bytes()), "{hash}");
            for wrong in ["b", "secret ", "passwore"] {
                assert!(!secret.is(wrong.as_bytes()), "{wrong} for {hash}");
            }
        }
    }

    #[test]
    fn what_is_refused() {
        for (hash, reason) in [
            ("$apr1$abcdefgh", "cut short"),
            ("{SHA}x", "not base64"),
            ("{SHA}c2VjcmV0", "length"),
            ("$2y$05$short", "no bcrypt hash"),
            ("$2y$15$abcdefghijklmnopqrstuuKIZ3l0ZFwLOXcNm9qFaPxVPF/6e8Nl2", "cost 15 is above 14"),
            ("$6$salt$sum", "not known here"),
            ("rqXexS6ZhobKA", "not known here"),
        ] {
            let error = Secret::parse(hash).err().unwrap_or_default();
            assert!(error.contains(reason), "{hash}: {error}");
        }
    }
}
