//! `{tls_client_…}`: the fields of the client certificate.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use super::escape::escape;
use super::read::put;
use crate::hex::hex;

pub(super) fn pem(out: &mut String, der: &[u8]) {
    out.push_str(&encoded(der));
}

pub(super) fn escaped_pem(out: &mut String, der: &[u8]) {
    escape(&encoded(der), out);
}

/// SHA-256, in hexadecimal.
pub(super) fn fingerprint(out: &mut String, der: &[u8]) {
    out.push_str(&hex(digest(&SHA256, der).as_ref()));
}

pub(super) fn issuer(out: &mut String, der: &[u8]) {
    parsed(der, |certificate| put(out, certificate.issuer()));
}

pub(super) fn subject(out: &mut String, der: &[u8]) {
    parsed(der, |certificate| put(out, certificate.subject()));
}

pub(super) fn serial(out: &mut String, der: &[u8]) {
    parsed(der, |certificate| put(out, format_args!("{:x}", certificate.serial)));
}

pub(super) fn not_before(out: &mut String, der: &[u8]) {
    parsed(der, |certificate| put(out, date(certificate.validity().not_before)));
}

pub(super) fn not_after(out: &mut String, der: &[u8]) {
    parsed(der, |certificate| put(out, date(certificate.validity().not_after)));
}

/// Whole days until it expires.
pub(super) fn days_left(out: &mut String, der: &[u8]) {
    parsed(der, |certificate| {
        let left = certificate.validity().not_after.timestamp() - Utc::now().timestamp();
        put(out, left / (24 * 3600));
    });
}

/// Appends nothing if the certificate cannot be parsed.
fn parsed(der: &[u8], append: impl FnOnce(&X509Certificate<'_>)) {
    if let Ok((_, certificate)) = X509Certificate::from_der(der) {
        append(&certificate);
    }
}

fn encoded(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// In the format of v1: `Jan 02 15:04:05 2006 UTC`.
fn date(time: ASN1Time) -> String {
    DateTime::<Utc>::from_timestamp(time.timestamp(), 0)
        .map(|time| time.format("%b %d %H:%M:%S %Y UTC").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(read: fn(&mut String, &[u8]), der: &[u8]) -> String {
        let mut out = String::new();
        read(&mut out, der);
        out
    }

    #[test]
    fn what_a_certificate_says() {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "kim");
        params.serial_number = Some(0x1f2e.into());
        params.not_before = rcgen::date_time_ymd(2020, 2, 3);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let der = certificate.der();
        assert_eq!(text(serial, der), "1f2e");
        assert!(text(subject, der).contains("CN=kim"), "{}", text(subject, der));
        assert!(text(issuer, der).contains("CN=kim"), "{}", text(issuer, der));
        assert_eq!(text(not_before, der), "Feb 03 00:00:00 2020 UTC");
        assert_eq!(text(not_after, der), "Jan 01 00:00:00 2021 UTC");
        assert_eq!(text(pem, der), certificate.pem().replace("\r\n", "\n"));
        assert!(text(escaped_pem, der).starts_with("-----BEGIN+CERTIFICATE-----%0A"));
        assert_eq!(text(fingerprint, der).len(), 64);
        assert!(text(days_left, der).starts_with('-'));
        assert_eq!(text(subject, b"rubbish"), "");
    }
}
