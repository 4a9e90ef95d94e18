//! The TLS policy of a site, from its `tls` directives.

use std::sync::Arc;

use rustls::crypto::SupportedKxGroup;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::certificate_spec::{Eab, OnDemandLimits};
use super::clients::Clients;
use super::dns::Dns;
use super::files::Files;
use super::key_type::KeyType;
use super::names::{address, qualifies};

/// The source of a site's certificate.
#[derive(Debug, Clone)]
pub enum Certificates {
    /// No TLS.
    Off,
    SelfSigned,
    /// From files.
    Files(Arc<Files>),
    /// From an ACME CA.
    Managed,
}

/// What is done about a site's HTTPS record in DNS (RFC 9460).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpsRecord {
    Off,
    /// The log says what is missing.
    Check,
    /// It is published by the DNS provider.
    Publish,
}

/// The TLS settings of a site; an empty list means the default.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// `None`: no `tls` directive.
    pub certificates: Option<Certificates>,
    pub versions: Vec<&'static SupportedProtocolVersion>,
    pub suites: Vec<SupportedCipherSuite>,
    pub groups: Vec<&'static dyn SupportedKxGroup>,
    pub alpn: Vec<Vec<u8>>,
    pub key_type: KeyType,
    /// Certificates of further `tls CERT KEY` directives and of `load`.
    pub more: Vec<Arc<Files>>,
    /// Client certificates.
    pub clients: Option<Arc<Clients>>,
    pub managed: ManagedPolicy,
    /// `https_record`, where it is written.
    pub https_record: Option<HttpsRecord>,
}

/// The settings for certificates from a CA.
#[derive(Debug, Clone, Default)]
pub struct ManagedPolicy {
    /// `tls EMAIL`: the address of the account.
    pub email: Option<String>,
    /// `ca`: the URL of the directory.
    pub ca: Option<String>,
    pub eab: Option<Eab>,
    pub profile: Option<String>,
    pub must_staple: bool,
    pub dns: Option<Dns>,
    /// Request `*.example.com` instead of `www.example.com`.
    pub wildcard: bool,
    pub on_demand: Option<OnDemandLimits>,
}

impl ManagedPolicy {
    /// The name or address to request for `host`; `None` if no CA can issue for it.
    pub fn subject(&self, host: &str) -> Option<String> {
        if let Some(address) = address(host) {
            return Some(address.to_string());
        }
        if let Some(parent) = host.strip_prefix("*.") {
            return (self.dns.is_some() && qualifies(parent)).then(|| host.to_owned());
        }
        if !qualifies(host) {
            return None;
        }
        match host.split_once('.') {
            Some((_, parent)) if self.wildcard && parent.contains('.') => {
                Some(format!("*.{parent}"))
            }
            _ => Some(host.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_names_a_ca_is_asked_for() {
        let dns = Some(Dns::Exec(vec!["x".to_owned()]));
        let plain = ManagedPolicy::default();
        let wild = ManagedPolicy { wildcard: true, dns: dns.clone(), ..plain.clone() };
        let with_dns = ManagedPolicy { dns, ..plain.clone() };
        for (policy, host, expected) in [
            (&plain, "a.example", Some("a.example")),
            (&plain, "", None),
            (&plain, "localhost", None),
            (&plain, "203.0.113.7", Some("203.0.113.7")),
            (&plain, "2001:DB8::1", Some("2001:db8::1")),
            (&plain, "0.0.0.0", None),
            (&wild, "203.0.113.7", Some("203.0.113.7")),
            (&plain, ".example", None),
            (&plain, "example.", None),
            (&plain, "*.a.example", None),
            (&with_dns, "*.a.example", Some("*.a.example")),
            (&with_dns, "a.example", Some("a.example")),
            (&wild, "www.a.example", Some("*.a.example")),
            (&wild, "a.example", Some("a.example")),
        ] {
            assert_eq!(policy.subject(host).as_deref(), expected, "{host}");
        }
    }
}
