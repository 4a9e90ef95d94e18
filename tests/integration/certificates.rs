//! Certificates that cannot serve are refused, with the line that names them.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::harness::Setup;

/// A certificate for `localhost` valid in these years, and its key, as PEM.
fn pair(from: i32, until: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn setup(cert: &str, key: &str) -> Setup {
    Setup::new("localhost:@PORT@\ntls cert.pem key.pem\n")
        .file("cert.pem", cert)
        .file("key.pem", key)
}

#[test]
fn each_wrong_pair_is_named() {
    let (cert, key) = pair(2020, 4000);
    let (_, other_key) = pair(2020, 4000);
    let (expired, expired_key) = pair(2000, 2001);
    let (early, early_key) = pair(3999, 4000);
    for (cert, key, want) in [
        (expired.as_str(), expired_key.as_str(), "expired on 2001-01-01"),
        (&early, &early_key, "is not valid before 3999-01-01"),
        (&cert, &other_key, "does not belong to the first certificate"),
        ("garbage", &key, "no certificate in"),
        (&cert, "garbage", "no usable private key in"),
    ] {
        for args in [&["-validate"][..], &[]] {
            let setup = args.iter().fold(setup(cert, key), |setup, arg| setup.arg(arg));
            let done = setup.output();
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(done.status.code(), Some(1), "{want}: {said}");
            assert!(said.contains("Caddyfile:2 - "), "{said}");
            assert!(said.contains(want) && said.contains(".pem'"), "{want}: {said}");
        }
    }
}

#[test]
fn a_reload_with_a_wrong_pair_leaves_the_old_one_serving() {
    let (cert, key) = pair(2020, 4000);
    let caddy = setup(&cert, &key).start();
    let serves = || crate::harness::curl(&["--http2"], &caddy.url("/none")).status;
    assert_eq!(serves(), 404);
    let (expired, expired_key) = pair(2000, 2001);
    let (_, other_key) = pair(2020, 4000);
    for (cert, key, want) in
        [(&expired, &expired_key, "expired on 2001"), (&cert, &other_key, "does not belong")]
    {
        std::fs::write(caddy.path("cert.pem"), cert).unwrap();
        std::fs::write(caddy.path("key.pem"), key).unwrap();
        caddy.hup(want);
        assert_eq!(serves(), 404, "{want}");
    }
}
