//! What rustls is given for one listener: the union of its sites' settings.

use std::sync::{Arc, LazyLock};

use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ProducesTickets, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::acme::Challenge;
use super::acme::Keeper;
use super::acme::challenges::ALPN;
use super::clients::{AnyCertificate, Clients, Hosts};
use super::resolver::Resolver;
use super::{Certificates, Policy};

/// What one TLS listener needs: the configurations for TCP and for QUIC over one resolver.
#[derive(Debug)]
pub struct TlsListener {
    pub tcp: Arc<ServerConfig>,
    /// `None` where no site allows TLS 1.3, which QUIC needs (RFC 9001 section 4.2).
    pub quic: Option<Arc<ServerConfig>>,
    pub(crate) resolver: Arc<Resolver>,
    /// Which sites want client certificates, and their configurations.
    pub(super) clients: Hosts,
    pub(super) closed: Vec<(Arc<Clients>, Arc<ServerConfig>)>,
}

/// The post-quantum hybrid comes first; rustls alone would put it last.
static GROUPS: [&dyn SupportedKxGroup; 4] =
    [kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

/// One for the whole process, so that sessions resume after a reload.
static TICKETS: LazyLock<Result<Arc<dyn ProducesTickets>, String>> =
    LazyLock::new(|| aws_lc_rs::Ticketer::new().map_err(|error| error.to_string()));

/// Finds every site's certificates and builds the listener. `sites` are (host, policy), in the
/// Caddyfile's order; the error names the host. A site without a `tls` line gets a self-signed
/// certificate; one with `tls off` is passed over.
pub fn build_listener(
    sites: &[(String, Policy)],
    http2: bool,
    keeper: &Arc<Keeper>,
) -> Result<TlsListener, String> {
    let is_on =
        |(_, policy): &&(String, Policy)| !matches!(policy.certificates, Some(Certificates::Off));
    let policies: Vec<&Policy> = sites.iter().filter(is_on).map(|(_, policy)| policy).collect();
    if policies.is_empty() {
        return Err("no site of this listener uses TLS".to_owned());
    }
    let provider = Arc::new(provider(&policies));
    let resolver = Arc::new(Resolver::load(sites, &provider, keeper)?);
    let versions = versions(&policies);
    let mut alpn = alpn(&policies, http2);
    if resolver.is_managed() && keeper.settings().challenges.contains(&Challenge::TlsAlpn) {
        alpn.push(ALPN.to_vec());
    }
    let mut clients = Hosts::default();
    sites.iter().for_each(|(host, policy)| clients.insert(host, policy.clients.clone()));
    let base = Base { provider, resolver, open: WebPkiClientVerifier::no_client_auth() };
    let tcp = config(&base, &versions, alpn.clone())?;
    let quic = if versions.contains(&&TLS13) {
        let open = if clients.is_empty() { base.open.clone() } else { AnyCertificate::or_none() };
        let base = Base { open, ..base.clone() };
        Some(config(&base, &[&TLS13], vec![b"h3".to_vec()])?)
    } else {
        None
    };
    let mut closed = Vec::new();
    for asked in policies.iter().filter_map(|policy| policy.clients.as_ref()) {
        let base = Base { open: asked.verifier(), ..base.clone() };
        closed.push((asked.clone(), config(&base, &versions, alpn.clone())?));
    }
    Ok(TlsListener { tcp, quic, resolver: base.resolver, clients, closed })
}

/// What the configurations of one listener have in common, and how clients are asked.
#[derive(Clone)]
struct Base {
    provider: Arc<CryptoProvider>,
    resolver: Arc<Resolver>,
    open: Arc<dyn ClientCertVerifier>,
}

fn config(
    base: &Base,
    versions: &[&'static SupportedProtocolVersion],
    alpn: Vec<Vec<u8>>,
) -> Result<Arc<ServerConfig>, String> {
    let mut config = ServerConfig::builder_with_provider(base.provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| format!("these TLS settings do not go together: {error}"))?
        .with_client_cert_verifier(base.open.clone())
        .with_cert_resolver(base.resolver.clone());
    config.alpn_protocols = alpn;
    config.ticketer = TICKETS.clone()?;
    config.ignore_client_order = true;
    // Early data can be replayed (RFC 8446 section 8).
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// `ciphers` is about TLS 1.2, as in v1: the three suites of TLS 1.3 are always there.
fn provider(policies: &[&Policy]) -> CryptoProvider {
    let defaults = aws_lc_rs::default_provider();
    let (modern, classic): (Vec<SupportedCipherSuite>, Vec<_>) =
        defaults.cipher_suites.iter().copied().partition(|suite| suite.tls13().is_some());
    let mut suites = modern;
    let mut groups: Vec<&'static dyn SupportedKxGroup> = Vec::new();
    for policy in policies {
        let asked = if policy.suites.is_empty() { &classic } else { &policy.suites };
        for suite in asked {
            if !suites.contains(suite) {
                suites.push(*suite);
            }
        }
        let asked = if policy.groups.is_empty() { &GROUPS[..] } else { &policy.groups };
        for group in asked {
            if !groups.iter().any(|known| known.name() == group.name()) {
                groups.push(*group);
            }
        }
    }
    CryptoProvider { cipher_suites: suites, kx_groups: groups, ..defaults }
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
        let asked = if policy.alpn.is_empty() { &defaults[..] } else { &policy.alpn };
        for name in asked {
            if !names.contains(name) && (http2 || name != b"h2") {
                names.push(name.clone());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests;
