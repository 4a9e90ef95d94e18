//! Certificate choice by the name a client asks for (SNI, RFC 6066 section 3).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::self_signed::SelfSigned;
use super::store::{self, Loaded};
use super::{Certificates, Policy};

/// The certificates of one listener.
#[derive(Debug)]
pub(super) struct Resolver {
    /// By name; `*` stands for one label.
    names: HashMap<String, Source>,
    /// For names of no site: the certificate of the site for every host.
    any: Option<Source>,
    /// For clients that name nothing.
    unnamed: Option<Source>,
}

#[derive(Debug, Clone)]
enum Source {
    Fixed(Arc<CertifiedKey>),
    Made(Arc<SelfSigned>),
}

impl Source {
    fn certified(&self) -> Arc<CertifiedKey> {
        match self {
            Self::Fixed(key) => key.clone(),
            Self::Made(made) => made.certified(),
        }
    }
}

impl Resolver {
    /// Loads what the sites name. A site's own host beats the names in another's certificate.
    pub(super) fn load(
        sites: &[(String, Policy)],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut resolver = Self { names: HashMap::new(), any: None, unnamed: None };
        let mut spare = Vec::new();
        let mut rank = 0;
        for (host, policy) in sites {
            let host = host.to_ascii_lowercase();
            let mut found = site_sources(&host, policy, provider)?;
            let Some(best) = found
                .iter()
                .find(|(_, names)| names.iter().any(|name| covers(name, &host)))
                .or(found.first())
                .map(|(source, _)| source.clone())
            else {
                continue;
            };
            // A client that goes to an address sends no name: that site is the likelier one.
            let wanted = if host.parse::<IpAddr>().is_ok() {
                3
            } else if host.is_empty() {
                2
            } else {
                1
            };
            if wanted > rank {
                rank = wanted;
                resolver.unnamed = Some(best.clone());
            }
            if host.is_empty() {
                resolver.any.get_or_insert(best);
            } else {
                resolver.names.entry(host).or_insert(best);
            }
            spare.append(&mut found);
        }
        for (source, names) in spare {
            for name in names {
                resolver.names.entry(name).or_insert_with(|| source.clone());
            }
        }
        Ok(resolver)
    }

    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = name else {
            return self.unnamed.as_ref().map(Source::certified);
        };
        let source = match self.names.get(name) {
            Some(source) => Some(source),
            None => self.wildcard(&name.to_ascii_lowercase()),
        };
        source.or(self.any.as_ref()).map(Source::certified)
    }

    /// The name as such, then with `*` for its first label, its first two, and so on.
    fn wildcard(&self, name: &str) -> Option<&Source> {
        let labels: Vec<_> = name.trim_end_matches('.').split('.').collect();
        (0..labels.len()).find_map(|stars| {
            let mut pattern = labels.clone();
            pattern[..stars].fill("*");
            self.names.get(&pattern.join("."))
        })
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

/// Reads certificates from files without keeping them, to say early what is wrong with them.
pub fn check(host: &str, certificates: &Certificates) -> Result<(), String> {
    if !matches!(certificates, Certificates::Files { .. } | Certificates::Directory(_)) {
        return Ok(());
    }
    let policy = Policy { certificates: Some(certificates.clone()), ..Policy::default() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    site_sources(host, &policy, &provider).map(drop)
}

/// A site's certificates with their names.
fn site_sources(
    host: &str,
    policy: &Policy,
    provider: &Arc<CryptoProvider>,
) -> Result<Vec<(Source, Vec<String>)>, String> {
    let first = policy.certificates.as_ref().or(match policy.more.is_empty() {
        true => Some(&Certificates::SelfSigned),
        false => None,
    });
    let fixed = |loaded: Loaded| (Source::Fixed(loaded.key), loaded.names);
    let failed =
        |error: String| format!("Unable to load certificate and key files for '{host}': {error}");
    let mut found = Vec::new();
    for certificates in first.into_iter().chain(&policy.more) {
        match certificates {
            Certificates::Off => {}
            // The seam for ACME: until a CA is asked, such a site gets a certificate of its own.
            Certificates::SelfSigned | Certificates::Managed { .. } => {
                let made = SelfSigned::for_host(host, policy.key_type, provider)?;
                found.push((Source::Made(made), Vec::new()));
            }
            Certificates::Files { cert, key } => {
                found.push(fixed(store::load_pair(cert, key, provider).map_err(failed)?));
            }
            Certificates::Directory(dir) => {
                let loaded = store::load_directory(dir, provider).map_err(failed)?;
                found.extend(loaded.into_iter().map(fixed));
            }
        }
    }
    Ok(found)
}

/// Whether a certificate's name is good for `host`.
fn covers(name: &str, host: &str) -> bool {
    name == host
        || name.strip_prefix("*.").is_some_and(|parent| {
            host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
        })
}
