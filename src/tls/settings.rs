//! What rustls is given for one listener: the union of its sites' settings.

use std::sync::{Arc, LazyLock};

use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::ProducesTickets;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::resolver::Resolver;
use super::{Certificates, Policy};

/// What one TLS listener needs: the configurations for TCP and for QUIC over one resolver.
#[derive(Debug)]
pub struct TlsListener {
    pub tcp: Arc<ServerConfig>,
    /// `None` where no site allows TLS 1.3, which QUIC needs (RFC 9001 section 4.2).
    pub quic: Option<Arc<ServerConfig>>,
}

/// The post-quantum hybrid comes first; rustls alone would put it last.
static GROUPS: [&dyn SupportedKxGroup; 4] =
    [kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

/// One for the whole process, so that sessions resume after a reload.
static TICKETS: LazyLock<Result<Arc<dyn ProducesTickets>, String>> =
    LazyLock::new(|| aws_lc_rs::Ticketer::new().map_err(|error| error.to_string()));

/// Loads every site's certificates and builds the listener. `sites` are (host, policy), in the
/// Caddyfile's order; the error names the host and the file. A site without a `tls` line gets a
/// self-signed certificate; one with `tls off` is passed over.
pub fn build_listener(sites: &[(String, Policy)], http2: bool) -> Result<TlsListener, String> {
    let policies: Vec<&Policy> = sites
        .iter()
        .map(|(_, policy)| policy)
        .filter(|policy| policy.certificates != Some(Certificates::Off))
        .collect();
    if policies.is_empty() {
        return Err("no site of this listener uses TLS".to_owned());
    }
    let provider = Arc::new(provider(&policies));
    let resolver = Arc::new(Resolver::load(sites, &provider)?);
    let versions = versions(&policies);
    let alpn = alpn(&policies, http2);
    let tcp = config(&provider, &resolver, &versions, alpn)?;
    let quic = if versions.contains(&&TLS13) {
        Some(config(&provider, &resolver, &[&TLS13], vec![b"h3".to_vec()])?)
    } else {
        None
    };
    Ok(TlsListener { tcp, quic })
}

fn config(
    provider: &Arc<CryptoProvider>,
    resolver: &Arc<Resolver>,
    versions: &[&'static SupportedProtocolVersion],
    alpn: Vec<Vec<u8>>,
) -> Result<Arc<ServerConfig>, String> {
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| format!("these TLS settings do not go together: {error}"))?
        .with_no_client_auth()
        .with_cert_resolver(resolver.clone());
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
