//! Selects the certificate by SNI (RFC 6066 section 3).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate_spec::CertificateSpec;
use super::challenges;
use super::files::Files;
use super::names::{covers, patterns};
use super::pem::Loaded;
use super::policy::{Certificates, Policy};
use super::report::CertificateState;
use super::self_signed::SelfSigned;
use super::source::{CertificateSource, Issuer};

/// The certificates of one listener.
#[derive(Debug)]
pub(crate) struct Resolver {
    sites: Vec<Site>,
    /// Built from the sites, and rebuilt when files change.
    table: ArcSwap<Table>,
}

/// A host and the sources of its certificates.
#[derive(Debug)]
struct Site {
    host: String,
    origins: Vec<Origin>,
}

#[derive(Debug)]
enum Origin {
    Files(Arc<Files>),
    SelfSigned(Arc<SelfSigned>),
    /// From a CA.
    Issued(Arc<dyn CertificateSource>),
}

#[derive(Debug, Default)]
struct Table {
    /// By name; `*` stands for one label.
    names: HashMap<String, Source>,
    /// For other names: the certificate of the catch-all site.
    any: Option<Source>,
    /// For clients without SNI.
    unnamed: Option<Source>,
}

#[derive(Debug, Clone)]
enum Source {
    Fixed(Arc<CertifiedKey>),
    SelfSigned(Arc<SelfSigned>),
    Issued(Arc<dyn CertificateSource>),
}

impl Source {
    fn certified(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        match self {
            Self::Fixed(key) => Some(key.clone()),
            Self::SelfSigned(made) => Some(made.certified()),
            Self::Issued(source) => source.certified(name),
        }
    }
}

impl Resolver {
    /// Opens the sources of the sites. The host of a site takes precedence over the names in the
    /// certificate of another.
    pub(super) fn load(
        sites: &[(String, Policy)],
        provider: &Arc<CryptoProvider>,
        issuer: &dyn Issuer,
    ) -> Result<Self, String> {
        let open = |(host, policy): &(String, Policy)| {
            let host = host.to_ascii_lowercase();
            let origins = origins(&host, policy, provider, issuer)?;
            Ok(Site { host, origins })
        };
        let sites: Vec<_> = sites.iter().map(open).collect::<Result<_, String>>()?;
        let table = ArcSwap::from_pointee(Table::of(&sites));
        Ok(Self { sites, table })
    }

    /// The certificates to obtain and renew in the background.
    pub(super) fn spec(&self) -> impl Iterator<Item = &CertificateSpec> {
        self.issued().filter_map(|source| source.spec())
    }

    fn issued(&self) -> impl Iterator<Item = &Arc<dyn CertificateSource>> {
        self.origins().filter_map(|origin| match origin {
            Origin::Issued(source) => Some(source),
            _ => None,
        })
    }

    pub(super) fn files(&self) -> impl Iterator<Item = Arc<Files>> {
        self.origins().filter_map(|origin| match origin {
            Origin::Files(files) => Some(files.clone()),
            _ => None,
        })
    }

    /// The certificates in use, without self-signed ones.
    pub(super) fn certificates(&self) -> Vec<Loaded> {
        let of = |origin: &Origin| match origin {
            Origin::Files(files) => files.loaded(),
            Origin::Issued(source) => {
                source.current().iter().map(|one| one.as_ref().clone()).collect()
            }
            Origin::SelfSigned(_) => Vec::new(),
        };
        self.origins().flat_map(of).collect()
    }

    /// As [`Self::certificates`], with those of names that are only known by a handshake and those
    /// that could not be obtained.
    pub(super) fn report(&self) -> Vec<CertificateState> {
        let of = |origin: &Origin| match origin {
            Origin::Files(files) => files.loaded().iter().map(CertificateState::of).collect(),
            Origin::Issued(source) => source.report(),
            Origin::SelfSigned(_) => Vec::new(),
        };
        self.origins().flat_map(of).collect()
    }

    /// Replaces the key of the same certificate by one with another staple.
    pub(super) fn staple(&self, key: &Arc<CertifiedKey>) {
        self.issued().for_each(|source| source.staple(key));
        if self.files().filter(|files| files.staple(key)).count() > 0 {
            self.rebuild();
        }
    }

    /// Rebuilds the table from the current certificates.
    pub(super) fn rebuild(&self) {
        self.table.store(Arc::new(Table::of(&self.sites)));
    }

    /// Whether a CA may validate by TLS-ALPN-01 here.
    pub(super) fn is_managed(&self) -> bool {
        self.issued().next().is_some()
    }

    /// Waits for the on-demand certificate of a name.
    pub(super) async fn prepare(&self, name: &str) {
        let name = name.to_ascii_lowercase();
        let source = match self.table.load().find(&name) {
            Some(Source::Issued(source)) => source.clone(),
            _ => return,
        };
        if let Some(ready) = source.prepare(name) {
            ready.await;
        }
    }

    /// Whether a certificate is available for a name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.choose(Some(name)).is_some()
    }

    fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.sites.iter().flat_map(|site| &site.origins)
    }

    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        let source = match name {
            Some(name) => table.find(name),
            None => table.unnamed.as_ref(),
        };
        source?.certified(name)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        if challenges::is_validation(&hello) {
            return challenges::alpn_certificate(name?);
        }
        self.choose(name)
    }
}

/// The resolver for connections to one address: a client without SNI gets the certificate of the
/// site of that address.
#[derive(Debug)]
pub(super) struct ByAddress {
    resolver: Arc<Resolver>,
    host: String,
}

impl ByAddress {
    pub(super) fn new(resolver: &Arc<Resolver>, host: &str) -> Self {
        Self { resolver: resolver.clone(), host: host.to_owned() }
    }
}

impl ResolvesServerCert for ByAddress {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.server_name().is_none() && !challenges::is_validation(&hello) {
            return self.resolver.choose(Some(&self.host));
        }
        self.resolver.resolve(hello)
    }
}

impl Table {
    fn of(sites: &[Site]) -> Self {
        let mut table = Self::default();
        let mut spare = Vec::new();
        let mut rank = 0;
        for Site { host, origins } in sites {
            let found: Vec<_> = origins.iter().flat_map(sources).collect();
            let best = found
                .iter()
                .find(|(_, names)| names.iter().any(|name| covers(name, host)))
                .or(found.first());
            let Some((best, _)) = best.cloned() else { continue };
            // A client without SNI has probably connected to a site by its IP address.
            let kind = if host.parse::<IpAddr>().is_ok() {
                3
            } else if host.is_empty() {
                2
            } else {
                1
            };
            if kind > rank {
                rank = kind;
                table.unnamed = Some(best.clone());
            }
            if host.is_empty() {
                table.any.get_or_insert(best);
            } else {
                table.names.entry(host.clone()).or_insert(best);
            }
            spare.extend(found);
        }
        for (source, names) in spare {
            for name in names {
                table.names.entry(name).or_insert_with(|| source.clone());
            }
        }
        table
    }

    fn find(&self, name: &str) -> Option<&Source> {
        let exact = self.names.get(name);
        exact
            .or_else(|| patterns(name).find_map(|pattern| self.names.get(&pattern)))
            .or(self.any.as_ref())
    }
}

/// The certificates of an origin with their names.
fn sources(origin: &Origin) -> Vec<(Source, Vec<String>)> {
    match origin {
        Origin::Files(files) => {
            let fixed = |one: Loaded| (Source::Fixed(one.key), one.names);
            files.loaded().into_iter().map(fixed).collect()
        }
        Origin::SelfSigned(made) => vec![(Source::SelfSigned(made.clone()), Vec::new())],
        Origin::Issued(source) => vec![(Source::Issued(source.clone()), Vec::new())],
    }
}

/// The sources of a site's certificates.
fn origins(
    host: &str,
    policy: &Policy,
    provider: &Arc<CryptoProvider>,
    issuer: &dyn Issuer,
) -> Result<Vec<Origin>, String> {
    let mut found = Vec::new();
    match &policy.certificates {
        Some(Certificates::Off) => return Ok(found),
        Some(Certificates::Files(files)) => found.push(Origin::Files(files.clone())),
        Some(Certificates::Managed) => found.push(Origin::Issued(issuer.source(host, policy)?)),
        None if !policy.more.is_empty() => {}
        Some(Certificates::SelfSigned) | None => {
            found.push(Origin::SelfSigned(SelfSigned::for_host(host, policy.key_type, provider)?));
        }
    }
    found.extend(policy.more.iter().cloned().map(Origin::Files));
    Ok(found)
}
