//! Real handshakes in memory against the configurations made here.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConnection};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::tls::Files;
use crate::tls::Folder;
use crate::tls::acme::{Challenge, Keeper, Settings};

/// A client that takes any certificate.
#[derive(Debug)]
struct Trusting(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_schemes()
    }
}

fn client() -> Arc<ClientConfig> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = GROUPS.to_vec();
    let verifier = Arc::new(Trusting(provider.signature_verification_algorithms));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Runs a handshake; a name that is an address sends no SNI.
fn handshake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.clone(), name)?;
    let mut server = ServerConnection::new(server.clone())?;
    for _ in 0..6 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

/// The first DNS name or address of the certificate shown to a client that asks for `name`.
fn shown(server: &Arc<ServerConfig>, name: &str) -> Option<String> {
    let (client, _) = handshake(&client(), server, name).ok()?;
    let (_, leaf) = X509Certificate::from_der(&client.peer_certificates()?[0]).ok()?;
    let san = leaf.subject_alternative_name().ok()??;
    san.value.general_names.first().map(ToString::to_string)
}

fn keeper() -> Arc<Keeper> {
    let settings = Settings {
        ca: "https://ca.example/dir".to_owned(),
        email: String::new(),
        agreed: false,
        timeout: std::time::Duration::from_secs(1),
        challenges: vec![Challenge::TlsAlpn],
    };
    Keeper::new(Folder::new("/nonexistent".into()), settings)
}

fn sites(hosts: &[&str]) -> Vec<(String, Policy)> {
    let policy = Policy { certificates: Some(Certificates::SelfSigned), ..Policy::default() };
    hosts.iter().map(|host| ((*host).to_owned(), policy.clone())).collect()
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    let named = build_listener(&sites(&["a.example", "*.b.example"]), true, &keeper()).unwrap().tcp;
    let open = build_listener(&sites(&["a.example", ""]), true, &keeper()).unwrap().tcp;
    let address = build_listener(&sites(&["a.example", "127.0.0.1"]), true, &keeper()).unwrap().tcp;
    for (server, client, expected) in [
        (&named, "a.example", Some("DNSName(a.example)")),
        (&named, "A.Example", Some("DNSName(a.example)")),
        (&named, "x.b.example", Some("DNSName(*.b.example)")),
        (&named, "x.y.b.example", None),
        (&named, "c.example", None),
        (&named, "127.0.0.1", Some("DNSName(a.example)")),
        (&open, "c.example", Some("DNSName(localhost)")),
        (&address, "127.0.0.1", Some("IPAddress(7F:00:00:01)")),
    ] {
        let got = shown(server, client);
        let same = match (&got, expected) {
            (Some(got), Some(expected)) => {
                got == expected || (expected.starts_with("IP") && got.starts_with("IP"))
            }
            (None, None) => true,
            _ => false,
        };
        assert!(same, "{client}: {got:?}, not {expected:?}");
    }
}

#[test]
fn names_inside_a_file_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
    let pair = rcgen::generate_simple_self_signed(vec!["a.example".into(), "www.a.example".into()])
        .unwrap();
    std::fs::write(&cert, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let files = Files::pair(&cert.display().to_string(), &key.display().to_string()).unwrap();
    let certificates = Some(Certificates::Files(Arc::new(files)));
    let policy = Policy { certificates, ..Policy::default() };
    let server = build_listener(&[("a.example".to_owned(), policy)], true, &keeper()).unwrap().tcp;
    assert_eq!(shown(&server, "www.a.example").as_deref(), Some("DNSName(a.example)"));
    assert_eq!(shown(&server, "ftp.a.example"), None);
}

#[test]
fn sessions_resume_after_a_reload() {
    let client = client();
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let server = build_listener(&sites(&["resume.example"]), true, &keeper()).unwrap().tcp;
        let (done, _) = handshake(&client, &server, "resume.example").unwrap();
        assert_eq!(done.handshake_kind(), Some(expected));
        assert_eq!(done.alpn_protocol(), Some(b"h2".as_slice()));
    }
}

#[test]
fn each_site_has_its_own_settings() {
    let mut old = sites(&["old.example"]);
    old[0].1.versions = vec![&TLS12];
    old[0].1.suites = vec![aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let listener = build_listener(&old, false, &keeper()).unwrap();
    assert!(listener.quic.is_none());
    let (done, _) = handshake(&client(), &listener.tcp, "old.example").unwrap();
    assert_eq!(done.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    assert_eq!(done.alpn_protocol(), Some(b"http/1.1".as_slice()));
    old.extend(sites(&["new.example"]));
    let listener = build_listener(&old, true, &keeper()).unwrap();
    assert_eq!(listener.quic.as_ref().unwrap().alpn_protocols, [b"h3".to_vec()]);
    let (done, _) = handshake_with(&listener, "new.example").unwrap();
    assert_eq!(done.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    let group = done.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    let (done, _) = handshake_with(&listener, "old.example").unwrap();
    assert_eq!(done.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
}

/// As over TCP, where the name chooses the configuration.
fn handshake_with(
    listener: &TlsListener,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    handshake(&client(), listener.by_host.find(name).unwrap(), name)
}

#[test]
fn a_ticket_opens_no_site_that_asks_for_certificates() {
    use crate::tls::clients::{Clients, Mode};
    let closed = |mode| {
        let mut sites = sites(&["a.example"]);
        sites[0].1.clients = Some(Arc::new(Clients::load(mode, &[]).unwrap()));
        build_listener(&sites, true, &keeper()).unwrap()
    };
    let listener = closed(Mode::Require);
    let mut h3 = ClientConfig::clone(&client());
    h3.alpn_protocols = vec![b"h3".to_vec()];
    let mut tcp = h3.clone();
    tcp.alpn_protocols = client().alpn_protocols.clone();
    // Each leaves a ticket with the client: an open site, one that may ask, and QUIC.
    let open = build_listener(&sites(&["a.example"]), true, &keeper()).unwrap().tcp;
    let asking = closed(Mode::Request).by_host.find("a.example").unwrap().clone();
    let quic = listener.quic.clone().unwrap();
    for (first, server) in [(&tcp, open), (&tcp, asking), (&h3, quic)] {
        handshake(&Arc::new(first.clone()), &server, "a.example").unwrap();
        let config = listener.by_host.find("a.example").unwrap();
        assert!(handshake(&Arc::new(tcp.clone()), config, "a.example").is_err());
    }
}

#[test]
fn a_site_without_a_ca_is_served_all_the_same() {
    let mut managed = sites(&["a.example"]);
    managed[0].1.certificates = Some(Certificates::Managed);
    let listener = build_listener(&managed, true, &keeper()).unwrap();
    assert!(handshake(&client(), &listener.tcp, "a.example").is_ok());
    managed[0].1.certificates = Some(Certificates::Off);
    assert!(build_listener(&managed, true, &keeper()).is_err());
}

#[test]
fn files_that_change_are_shown_without_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("both.pem").display().to_string();
    let write = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let pair = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(&path, format!("{}{}", pair.cert.pem(), pair.signing_key.serialize_pem()))
            .unwrap();
    };
    write(&["a.example"]);
    let files = Arc::new(Files::pair(&path, &path).unwrap());
    let certificates = Some(Certificates::Files(files.clone()));
    let policy = Policy { certificates, ..Policy::default() };
    let listener = build_listener(&[("a.example".to_owned(), policy)], true, &keeper()).unwrap();
    assert_eq!(shown(&listener.tcp, "new.example"), None);
    write(&["a.example", "new.example"]);
    assert_eq!(files.refresh(), Ok(true));
    listener.resolver.rebuild();
    assert_eq!(shown(&listener.tcp, "new.example").as_deref(), Some("DNSName(a.example)"));
}

#[test]
fn a_validation_gets_nothing_but_its_own_certificate() {
    let mut managed = sites(&["a.example"]);
    managed[0].1.certificates = Some(Certificates::Managed);
    let server = build_listener(&managed, true, &keeper()).unwrap().tcp;
    let mut config = ClientConfig::clone(&client());
    config.alpn_protocols = vec![ALPN.to_vec()];
    assert!(handshake(&Arc::new(config.clone()), &server, "a.example").is_err());
    config.alpn_protocols.insert(0, b"h2".to_vec());
    let (done, _) = handshake(&Arc::new(config), &server, "a.example").unwrap();
    assert_eq!(done.alpn_protocol(), Some(b"h2".as_slice()));
}
