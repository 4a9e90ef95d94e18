//! `{tls_client_…}`: what the certificate that a client has shown says.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use super::escape::escape;

/// One thing that a certificate says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Pem,
    EscapedPem,
    /// SHA-256.
    Fingerprint,
    Issuer,
    Subject,
    Serial,
    Start,
    End,
    /// In whole days.
    Remain,
}

impl Field {
    /// Appends it; nothing where the certificate cannot be read.
    pub(super) fn write(self, der: &[u8], out: &mut String) {
        match self {
            Self::Pem => out.push_str(&pem(der)),
            Self::EscapedPem => escape(&pem(der), out),
            Self::Fingerprint => hex(digest(&SHA256, der).as_ref(), out),
            _ => {
                if let Ok((_, certificate)) = X509Certificate::from_der(der) {
                    self.write_parsed(&certificate, out);
                }
            }
        }
    }

    fn write_parsed(self, certificate: &X509Certificate<'_>, out: &mut String) {
        let validity = certificate.validity();
        let written = match self {
            Self::Issuer => write!(out, "{}", certificate.issuer()),
            Self::Subject => write!(out, "{}", certificate.subject()),
            Self::Serial => write!(out, "{:x}", certificate.serial),
            Self::Start => write!(out, "{}", date(validity.not_before)),
            Self::End => write!(out, "{}", date(validity.not_after)),
            Self::Remain => {
                let left = validity.not_after.timestamp() - Utc::now().timestamp();
                write!(out, "{}", left / (24 * 3600))
            }
            Self::Pem | Self::EscapedPem | Self::Fingerprint => Ok(()),
        };
        debug_assert!(written.is_ok(), "a String takes all");
    }
}

fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// As v1 wrote it: `Jan 02 15:04:05 2006 UTC`.
fn date(time: ASN1Time) -> String {
    DateTime::<Utc>::from_timestamp(time.timestamp(), 0)
        .map(|time| time.format("%b %d %H:%M:%S %Y UTC").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(field: Field, der: &[u8]) -> String {
        let mut out = String::new();
        field.write(der, &mut out);
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
        for (field, expected) in [
            (Field::Serial, "1f2e"),
            (Field::Subject, "CN=kim"),
            (Field::Issuer, "CN=kim"),
            (Field::Start, "Feb 03 00:00:00 2020 UTC"),
            (Field::End, "Jan 01 00:00:00 2021 UTC"),
        ] {
            assert!(said(field, der).contains(expected), "{field:?}: {}", said(field, der));
        }
        assert_eq!(said(Field::Pem, der), certificate.pem().replace("\r\n", "\n"));
        assert!(said(Field::EscapedPem, der).starts_with("-----BEGIN+CERTIFICATE-----%0A"));
        assert_eq!(said(Field::Fingerprint, der).len(), 64);
        assert!(said(Field::Remain, der).starts_with('-'));
        assert_eq!(said(Field::Subject, b"rubbish"), "");
    }
}
