//! What a site's `tls` lines ask for, in types.

use std::sync::Arc;

use rustls::crypto::SupportedKxGroup;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::clients::Clients;
use super::dns::Dns;
use super::files::Files;
use super::key_type::KeyType;
use super::names::qualifies;
use super::wanted::{Eab, OnDemandLimits};

/// Where a site's certificate comes from.
#[derive(Debug, Clone)]
pub enum Certificates {
    /// No TLS.
    Off,
    SelfSigned,
    /// The operator's own.
    Files(Arc<Files>),
    /// From an ACME CA.
    Managed,
}

/// One site's TLS settings; an empty list is the default.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// `None`: no `tls` line.
    pub certificates: Option<Certificates>,
    pub versions: Vec<&'static SupportedProtocolVersion>,
    pub suites: Vec<SupportedCipherSuite>,
    pub groups: Vec<&'static dyn SupportedKxGroup>,
    pub alpn: Vec<Vec<u8>>,
    pub key_type: KeyType,
    /// Certificates of further `tls CERT KEY` lines and of `load`.
    pub more: Vec<Arc<Files>>,
    /// Client certificates.
    pub clients: Option<Arc<Clients>>,
    pub managed: ManagedPolicy,
}

/// What is asked of a CA, where one is asked.
#[derive(Debug, Clone, Default)]
pub struct ManagedPolicy {
    /// Of the account; `tls EMAIL`.
    pub email: Option<String>,
    /// The directory's URL; `ca`.
    pub ca: Option<String>,
    pub eab: Option<Eab>,
    pub profile: Option<String>,
    pub must_staple: bool,
    pub dns: Option<Dns>,
    /// `*.example.com` in place of `www.example.com`.
    pub wildcard: bool,
    pub on_demand: Option<OnDemandLimits>,
}

impl ManagedPolicy {
    /// The name to ask the CA for, where `host` is one that it could issue for.
    pub fn subject(&self, host: &str) -> Option<String> {
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
            (&plain, "127.0.0.1", None),
            (&plain, "::1", None),
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
