//! The system's certificate authorities: read anew at each reload, failures included.

use std::fs;

use crate::harness::{Setup, certificate, curl};

#[test]
fn an_error_in_the_authorities_heals_at_the_next_reload() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let upstream = Setup::new(
        "https://localhost:@PORT@ {\n tls @CERT@ @KEY@ {\n alpn http/1.1\n}\n status 203 /\n}\n",
    )
    .set("CERT", &cert)
    .set("KEY", key)
    .start();
    let other = "http://:@PORT@, http://:@PORT2@ {\n status 201 /\n}\n";
    let text = "http://:@PORT@, http://:@PORT2@ {\n proxy / https://localhost:@UPSTREAM@ {\nkeepalive 0\n}\n}\n";
    let setup = Setup::new(other).set("UPSTREAM", upstream.port());
    let authorities = setup.dir().join("authorities.pem");
    let caddy = setup
        .env("SSL_CERT_FILE", &authorities.display().to_string())
        .env("SSL_CERT_DIR", "/nonexistent")
        .start();
    // There is no such file yet, and then one that holds nothing.
    caddy.rewrite(text);
    caddy.hup("[ERROR] SIGHUP: ");
    assert_eq!(curl(&[], &caddy.plain("/")).status, 201);
    fs::write(&authorities, "nothing").unwrap();
    caddy.hup("[ERROR] SIGHUP: ");
    assert!(caddy.log().contains("no certificate authorities found"), "{}", caddy.log());
    fs::copy(&cert, &authorities).unwrap();
    caddy.reload();
    assert_eq!(curl(&[], &caddy.plain("/")).status, 203);
    // Another authority takes its place: the upstream is trusted no more.
    let strange = tempfile::tempdir().unwrap();
    fs::copy(certificate(strange.path(), "10").0, &authorities).unwrap();
    caddy.reload();
    assert_eq!(curl(&[], &caddy.plain("/")).status, 502);
}

#[test]
fn authorities_that_cannot_be_read_beside_others_are_told() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, _, _) = certificate(keys.path(), "10");
    let text = "http://:@PORT@ {\n proxy / https://localhost:1\n}\n";
    let setup = Setup::new(text);
    // Named as OpenSSL's folders have them.
    let folder = setup.dir().join("authorities");
    fs::create_dir(&folder).unwrap();
    fs::copy(&cert, folder.join("0a1b2c3d.0")).unwrap();
    let caddy = setup
        .env("SSL_CERT_FILE", "/nonexistent.pem")
        .env("SSL_CERT_DIR", &folder.display().to_string())
        .start();
    let told = "[WARNING] some certificate authorities cannot be read: ";
    let log = caddy.log_with(told);
    let line = log.lines().find(|line| line.contains(told)).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("/nonexistent.pem"), "{line}");
}
