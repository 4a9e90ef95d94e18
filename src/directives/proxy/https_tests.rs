//! Upstreams over TLS: whose certificates are accepted.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::rule::Rule;
use super::testing::{local, ok, request};
use super::tests::text;
use crate::upstream::exchange::trust::Trust;

/// An https origin with a certificate of its own; what it got for a server name is returned.
async fn tls_origin(dir: &std::path::Path) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let ca = dir.join("ca.pem");
    std::fs::write(&ca, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let name = stream.get_ref().1.server_name().unwrap_or("none").to_owned();
            if stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {
                stream.write_all(&ok(&name).0).await.unwrap();
            }
        }
    });
    (port, ca.display().to_string())
}

#[test]
fn https_upstreams_must_prove_who_they_are() {
    local(async {
        let dir = tempfile::tempdir().unwrap();
        let (port, ca) = tls_origin(dir.path()).await;
        for (trust, host, answer) in [
            (Trust::Anything, "localhost", Ok("localhost".to_owned())),
            (Trust::Anything, "127.0.0.1", Ok("none".to_owned())),
            (Trust::Files(vec![ca.clone()]), "localhost", Ok("localhost".to_owned())),
            (Trust::Files(vec![ca.clone()]), "127.0.0.1", Err(502)),
        ] {
            let mut rule = Rule::of("/", &[]);
            rule.trust_and_go(trust.clone(), &format!("https://{host}:{port}"));
            assert_eq!(text(&rule, request("GET", "/")).await, answer, "{trust:?} {host}");
        }
    });
}
