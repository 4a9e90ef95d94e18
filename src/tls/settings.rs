//! The rustls configurations of a listener: one per distinct set of site settings. Clients without
//! SNI, and QUIC, use the union of the settings.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::challenges::ALPN;
use super::clients::{AnyCertificate, Clients, Demand, Hosts};
use super::hosts::ByHost;
use super::policy::{Certificates, Policy};
use super::resolver::{ByAddress, Resolver};
use super::source::Issuer;
use super::tickets;

/// A TLS listener: its configurations for TCP and QUIC, with one resolver.
#[derive(Debug)]
pub struct TlsListener {
    /// For other names, and for all names if the sites do not differ.
    pub tcp: Arc<ServerConfig>,
    /// `None` if no site allows TLS 1.3, which QUIC requires (RFC 9001 section 4.2).
    pub quic: Option<Arc<ServerConfig>>,
    pub(crate) resolver: Arc<Resolver>,
    /// The client certificate requirements of the sites.
    pub(super) clients: Hosts,
    /// Empty if all sites use one configuration.
    pub(super) by_host: ByHost<Arc<ServerConfig>>,
    /// For clients without SNI: the site whose host is the local address, if there are other
    /// sites.
    pub(super) by_address: HashMap<IpAddr, AtAddress>,
}

/// The configurations for connections to an address.
#[derive(Debug)]
pub(super) struct AtAddress {
    pub(super) tcp: Arc<ServerConfig>,
    pub(super) quic: Option<Arc<ServerConfig>>,
}

/// The post-quantum hybrid first; the default of rustls puts it last.
static GROUPS: [&dyn SupportedKxGroup; 4] =
    [kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

/// Loads the certificates of the sites and builds the listener. `sites` are (host, policy), in the
/// order of the Caddyfile; the error names the host. A site without `tls` gets a self-signed
/// certificate; one with `tls off` is ignored.
pub fn build_listener(
    sites: &[(String, Policy)],
    http2: bool,
    issuer: &dyn Issuer,
) -> Result<TlsListener, String> {
    let by_host = group(sites);
    if by_host.is_empty() {
        return Err("no site of this listener uses TLS".to_owned());
    }
    let all: Vec<&Policy> = by_host.values().flatten().copied().collect();
    let mut union = Shape::of(&all, http2);
    let resolver = Arc::new(Resolver::load(sites, &Arc::new(union.provider()), issuer)?);
    let validates = resolver.is_managed() && issuer.validates_by_alpn();
    let mut clients = Hosts::default();
    let mut kinds: Vec<(Shape, Arc<ServerConfig>)> = Vec::new();
    let mut configs = ByHost::default();
    for (host, policies) in &by_host {
        let shape = Shape { validates, ..Shape::of(policies, http2) };
        clients.insert(host, shape.clients.clone());
        let at = match kinds.iter().position(|(known, _)| *known == shape) {
            Some(at) => at,
            None => {
                let config = shape.config(&resolver)?;
                kinds.push((shape, config));
                kinds.len() - 1
            }
        };
        configs.insert(host.clone(), kinds[at].1.clone());
    }
    union.clients = None;
    union.validates = validates;
    let tcp = union.config(&resolver)?;
    let quic = union.quic(&resolver, &clients)?;
    if kinds.len() == 1 && clients.is_empty() {
        configs = ByHost::default();
    }
    let at = |address: IpAddr, host: &String| {
        let unnamed = configs.find("").unwrap_or(&tcp);
        let show = |config: &Arc<ServerConfig>| {
            let mut config = config.as_ref().clone();
            config.cert_resolver = Arc::new(ByAddress::new(&resolver, host));
            Arc::new(config)
        };
        (address.to_canonical(), AtAddress { tcp: show(unnamed), quic: quic.as_ref().map(show) })
    };
    let addresses = by_host.keys().filter(|_| by_host.len() > 1);
    let addresses = addresses.filter_map(|host| Some(at(host.parse().ok()?, host)));
    let by_address = addresses.collect();
    Ok(TlsListener { tcp, quic, resolver, clients, by_host: configs, by_address })
}

/// The sites that use TLS, grouped by host: sites of one host differ in the path only, which is
/// unknown in the handshake.
fn group(sites: &[(String, Policy)]) -> BTreeMap<String, Vec<&Policy>> {
    let mut by_host: BTreeMap<String, Vec<&Policy>> = BTreeMap::new();
    for (host, policy) in sites {
        if !matches!(policy.certificates, Some(Certificates::Off)) {
            by_host.entry(host.to_ascii_lowercase()).or_default().push(policy);
        }
    }
    by_host
}

/// The settings in which configurations differ.
#[derive(Debug)]
struct Shape {
    versions: Vec<&'static SupportedProtocolVersion>,
    suites: Vec<SupportedCipherSuite>,
    groups: Vec<&'static dyn SupportedKxGroup>,
    alpn: Vec<Vec<u8>>,
    clients: Option<Arc<Clients>>,
    /// Supports TLS-ALPN-01 validations.
    validates: bool,
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        let names =
            |shape: &Self| shape.groups.iter().map(|group| group.name()).collect::<Vec<_>>();
        let demand = |shape: &Self| shape.clients.as_ref().map(|clients| clients.demand().clone());
        self.versions == other.versions
            && self.suites == other.suites
            && names(self) == names(other)
            && self.alpn == other.alpn
            && demand(self) == demand(other)
            && self.validates == other.validates
    }
}

impl Shape {
    /// The union of the settings of these sites.
    fn of(policies: &[&Policy], http2: bool) -> Self {
        Self {
            versions: versions(policies),
            suites: suites(policies),
            groups: groups(policies),
            alpn: alpn(policies, http2),
            clients: policies.iter().find_map(|policy| policy.clients.clone()),
            validates: false,
        }
    }

    fn provider(&self) -> CryptoProvider {
        CryptoProvider {
            cipher_suites: self.suites.clone(),
            kx_groups: self.groups.clone(),
            ..aws_lc_rs::default_provider()
        }
    }

    fn config(&self, resolver: &Arc<Resolver>) -> Result<Arc<ServerConfig>, String> {
        let verifier = match &self.clients {
            Some(clients) => clients.verifier(),
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let mut alpn = self.alpn.clone();
        alpn.extend(self.validates.then(|| ALPN.to_vec()));
        let demand = self.clients.as_ref().map(|clients| clients.demand());
        self.build(resolver, Transport { verifier, versions: &self.versions, alpn, demand })
    }

    /// One configuration for all sites of an endpoint; client certificates are verified later.
    fn quic(
        &self,
        resolver: &Arc<Resolver>,
        clients: &Hosts,
    ) -> Result<Option<Arc<ServerConfig>>, String> {
        if !self.versions.contains(&&TLS13) {
            return Ok(None);
        }
        let verifier = match clients.is_empty() {
            true => WebPkiClientVerifier::no_client_auth(),
            false => AnyCertificate::or_none(),
        };
        let alpn = vec![b"h3".to_vec()];
        self.build(resolver, Transport { verifier, versions: &[&TLS13], alpn, demand: None })
            .map(Some)
    }

    fn build(
        &self,
        resolver: &Arc<Resolver>,
        transport: Transport<'_>,
    ) -> Result<Arc<ServerConfig>, String> {
        let Transport { verifier, versions, alpn, demand } = transport;
        let mut config = ServerConfig::builder_with_provider(Arc::new(self.provider()))
            .with_protocol_versions(versions)
            .map_err(|error| format!("these TLS settings are incompatible: {error}"))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(resolver.clone());
        config.alpn_protocols = alpn;
        config.ticketer = tickets::ticketer(demand)?;
        config.ignore_client_order = true;
        // Early data can be replayed (RFC 8446 section 8).
        config.max_early_data_size = 0;
        Ok(Arc::new(config))
    }
}

/// The settings in which TCP and QUIC differ.
struct Transport<'a> {
    verifier: Arc<dyn ClientCertVerifier>,
    versions: &'a [&'static SupportedProtocolVersion],
    alpn: Vec<Vec<u8>>,
    /// The client certificate requirements, which select the ticket keys.
    demand: Option<&'a Demand>,
}

/// `ciphers` sets the suites of TLS 1.2, as in v1; the three of TLS 1.3 are always enabled. Go and
/// browsers prefer AES-128, which costs a quarter less than AES-256.
fn suites(policies: &[&Policy]) -> Vec<SupportedCipherSuite> {
    let (mut suites, classic): (Vec<SupportedCipherSuite>, Vec<_>) = aws_lc_rs::default_provider()
        .cipher_suites
        .into_iter()
        .partition(|suite| suite.tls13().is_some());
    suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    for policy in policies {
        let listed = if policy.suites.is_empty() { &classic } else { &policy.suites };
        for suite in listed {
            if !suites.contains(suite) {
                suites.push(*suite);
            }
        }
    }
    suites
}

fn groups(policies: &[&Policy]) -> Vec<&'static dyn SupportedKxGroup> {
    let mut groups: Vec<&'static dyn SupportedKxGroup> = Vec::new();
    for policy in policies {
        let listed = if policy.groups.is_empty() { &GROUPS[..] } else { &policy.groups };
        for group in listed {
            if !groups.iter().any(|known| known.name() == group.name()) {
                groups.push(*group);
            }
        }
    }
    groups
}

fn versions(policies: &[&Policy]) -> Vec<&'static SupportedProtocolVersion> {
    [&TLS13, &TLS12]
        .into_iter()
        .filter(|version| {
            policies.iter().any(|p| p.versions.is_empty() || p.versions.contains(version))
        })
        .collect()
}

fn alpn(policies: &[&Policy], http2: bool) -> Vec<Vec<u8>> {
    let defaults = [b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut names: Vec<Vec<u8>> = Vec::new();
    for policy in policies {
        let listed = if policy.alpn.is_empty() { &defaults[..] } else { &policy.alpn };
        for name in listed {
            if !names.contains(name) && (http2 || name != b"h2") {
                names.push(name.clone());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests;
