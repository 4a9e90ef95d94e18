//! Proofs that a request comes from who knows the secret, compared in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;

use crate::hex::hex;

/// Whether a text is the secret itself. Its length does not show.
pub(super) fn is_secret(text: &[u8], secret: &str) -> bool {
    let sum = |text: &[u8]| digest(&SHA256, text);
    let (theirs, ours) = (sum(text), sum(secret.as_bytes()));
    verify_slices_are_equal(theirs.as_ref(), ours.as_ref()).is_ok()
}

/// Whether a field such as `sha256=HEX` has the HMAC of a body: with SHA-256, or SHA-1, by which
/// older services sign. Without a name it is SHA-256.
pub(super) fn signs(field: &str, body: &[u8], secret: &str) -> bool {
    let (algorithm, digits) = match field.split_once('=') {
        Some(("sha256", digits)) => (hmac::HMAC_SHA256, digits),
        Some(("sha1", digits)) => (hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, digits),
        Some(_) => return false,
        None => (hmac::HMAC_SHA256, field),
    };
    let key = hmac::Key::new(algorithm, secret.as_bytes());
    bytes(digits).is_some_and(|tag| hmac::verify(&key, body, &tag).is_ok())
}

/// Whether a text is the SHA-256 of a repository's name and the secret, in hexadecimal, as Travis
/// CI sends it.
pub(super) fn is_sum(text: &[u8], name: &[u8], secret: &str) -> bool {
    let sum = digest(&SHA256, &[name, secret.as_bytes()].concat());
    verify_slices_are_equal(text, hex(sum.as_ref()).as_bytes()).is_ok()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation, and the sums of openssl.
    #[test]
    fn signatures() {
        let (secret, body) = ("It's a Secret to Everybody", b"Hello, World!");
        let sha256 = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let sha1 = "01dc10d0c83e72ed246219cdd91669667fe2ca59";
        for (field, is_right) in [
            (format!("sha256={sha256}"), true),
            (sha256.to_owned(), true),
            (format!("sha256={}", sha256.to_uppercase()), true),
            (format!("sha1={sha1}"), true),
            (format!("sha1={sha256}"), false),
            (format!("md5={sha256}"), false),
            (format!("sha256={}", &sha256[2..]), false),
            (format!("sha256={}", &sha256[1..]), false),
            ("sha256=".to_owned(), false),
            ("sha256=zz".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(signs(&field, body, secret), is_right, "{field}");
        }
        assert!(!signs(&format!("sha256={sha256}"), b"Hello, World?", secret));
        assert!(is_secret(b"a", "a") && !is_secret(b"a", "b") && !is_secret(b"", "a"));
        let sum = b"59243779869e7576d488cd95bd422993d337ac2aa57f1b7d9703af2c1b3c8a3f";
        assert!(is_sum(sum, b"a/b", "c") && !is_sum(sum, b"a/b", "d") && !is_sum(b"", b"a/b", "c"));
    }
}
