//! OCSP requests and responses (RFC 6960), in DER. Only the fields for stapling are parsed; the
//! signature is verified by the client.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY as SHA1, digest};
use chrono::NaiveDateTime;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const TIME: u8 = 0x18;
/// The tag `[0]`, constructed and primitive.
const CONTEXT_0: u8 = 0xa0;
const GOOD: u8 = 0x80;
/// AlgorithmIdentifier of SHA-1, the hash of issuer names and keys.
const SHA1_NAME: &[u8] = &[0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00];

/// The validity of a response, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: i64,
    pub(super) until: i64,
}

/// Builds the request for a certificate.
pub(super) fn request(
    leaf: &CertificateDer<'_>,
    issuer: &CertificateDer<'_>,
) -> Result<Vec<u8>, String> {
    let broken =
        |error: x509_parser::nom::Err<_>| format!("invalid certificate in the chain: {error}");
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(broken)?;
    let (_, issuer) = X509Certificate::from_der(issuer).map_err(broken)?;
    let name = digest(&SHA1, issuer.subject().as_raw());
    let key = digest(&SHA1, &issuer.public_key().subject_public_key.data);
    let id = [
        SHA1_NAME.to_vec(),
        wrap(OCTETS, name.as_ref()),
        wrap(OCTETS, key.as_ref()),
        wrap(INTEGER, leaf.raw_serial()),
    ];
    let id = wrap(SEQUENCE, &id.concat());
    // Request, list of requests, request without extensions, and the whole, unsigned.
    Ok((0..4).fold(id, |inner, _| wrap(SEQUENCE, &inner)))
}

/// Checks that the response reports this certificate as good; returns its validity.
pub(super) fn judge(answer: &[u8], leaf: &CertificateDer<'_>) -> Result<Window, String> {
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
    let read = read(answer, Some(leaf.raw_serial()));
    read.unwrap_or_else(|| Err("the response is not OCSP".to_owned()))
}

/// The validity of a response for this serial number, or for the first one that it is for.
pub(super) fn read(answer: &[u8], serial: Option<&[u8]>) -> Option<Result<Window, String>> {
    let mut whole = Der(Der(answer).take(SEQUENCE)?);
    match whole.take(ENUMERATED)? {
        [0] => {}
        [6] => {
            return Some(Err("the responder is not responsible for this certificate".to_owned()));
        }
        status => return Some(Err(format!("the responder failed (status {status:?})"))),
    }
    let mut typed = Der(Der(whole.take(CONTEXT_0)?).take(SEQUENCE)?);
    typed.any()?;
    let mut basic = Der(Der(typed.take(OCTETS)?).take(SEQUENCE)?);
    let mut data = Der(basic.take(SEQUENCE)?);
    // The version and the responder precede the time and the list.
    while data.any()?.0 != TIME {}
    let mut list = Der(data.take(SEQUENCE)?);
    while let Some(single) = list.take(SEQUENCE) {
        let mut single = Der(single);
        let mut id = Der(single.take(SEQUENCE)?);
        let (_, _, _) = (id.any()?, id.any()?, id.any()?);
        let number = id.take(INTEGER)?;
        let ours = serial.is_none_or(|serial| number == serial);
        let (status, _) = single.any()?;
        let from = time(single.take(TIME)?)?;
        if !ours {
            continue;
        }
        if status != GOOD {
            return Some(Err("the certificate is revoked, or unknown to its CA".to_owned()));
        }
        // Without nextUpdate it is used for a day.
        let until = single.take(CONTEXT_0).and_then(|next| time(Der(next).take(TIME)?));
        return Some(Ok(Window { from, until: until.unwrap_or(from + 24 * 3600) }));
    }
    Some(Err("the response is for another certificate".to_owned()))
}

fn time(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let at = NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%SZ").ok()?;
    Some(at.and_utc().timestamp())
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte != 0).unwrap_or(7)..];
    let mut out = vec![tag];
    if content.len() >= 128 {
        out.push(0x80 | significant.len() as u8);
    }
    out.extend(significant);
    out.extend(content);
    out
}

/// A DER parser: the rest of the input.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, if it has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        match self.any() {
            Some((found, content)) if found == tag => Some(content),
            _ => {
                self.0 = before;
                None
            }
        }
    }

    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if digits.len() > 4 {
                return None;
            }
            length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_go_both_ways() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let wrapped = wrap(OCTETS, &vec![7; length]);
            let mut der = Der(&wrapped);
            assert_eq!(der.take(SEQUENCE), None);
            assert_eq!(der.take(OCTETS).map(<[u8]>::len), Some(length));
            assert!(der.any().is_none());
        }
    }

    #[test]
    fn what_is_not_an_answer_is_none() {
        let whole = wrap(SEQUENCE, &[ENUMERATED, 1, 0]);
        for bytes in [&b""[..], b"<html>", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &whole] {
            assert!(read(bytes, Some(&[1])).is_none(), "{bytes:?}");
        }
        let busy = wrap(SEQUENCE, &[ENUMERATED, 1, 3]);
        assert!(read(&busy, Some(&[1])).unwrap().unwrap_err().contains("status [3]"));
    }
}
