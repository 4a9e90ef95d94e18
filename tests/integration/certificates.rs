//! Certificates that cannot serve are refused, with the line that names them; those whose dates are
//! wrong are served, with a warning.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::harness::{NOT_CONFIGURED, Setup};

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
    for (cert, key, want) in [
        (cert.as_str(), other_key.as_str(), "does not belong to the first certificate"),
        ("garbage", &key, "no certificate in"),
        (&cert, "garbage", "no usable private key in"),
    ] {
        for args in [&["-validate"][..], &[]] {
            let setup = args.iter().fold(setup(cert, key), |setup, arg| setup.arg(arg));
            let done = setup.output();
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(done.status.code(), Some(NOT_CONFIGURED), "{want}: {said}");
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
    let (_, other_key) = pair(2020, 4000);
    std::fs::write(caddy.path("key.pem"), other_key).unwrap();
    caddy.hup("does not belong");
    assert_eq!(serves(), 404);
}

/// The same for a certificate that is valid from and until these days from today on.
fn around(from: i64, until: i64) -> (String, String) {
    let day = |days: i64| (chrono::Utc::now() + chrono::TimeDelta::days(days)).timestamp();
    let at = |days| {
        let since = std::time::Duration::from_secs(day(days).unsigned_abs());
        date_time_ymd(1970, 1, 1) + since
    };
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (at(from), at(until));
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn wrong_dates_are_warned_of_and_served() {
    for ((cert, key), want) in [
        (pair(2000, 2001), "the certificate expired on 2001-01-01"),
        (pair(3999, 4000), "the certificate is not valid before 3999-01-01"),
        (around(-76, 13), "the certificate expires on "),
    ] {
        let done = setup(&cert, &key).arg("-validate").output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && said.contains(want), "{want}: {said}");
        assert!(said.contains("[WARNING] Caddyfile:2:14 - 'cert.pem': "), "{said}");
        let caddy = setup(&cert, &key).start();
        assert!(caddy.log_with(want).contains(want), "{}", caddy.log());
        assert_eq!(crate::harness::curl(&["--http2"], &caddy.url("/none")).status, 404, "{want}");
    }
    for (cert, key) in [around(-70, 20), around(-3, 5)] {
        let done = setup(&cert, &key).arg("-validate").output();
        assert_eq!(String::from_utf8_lossy(&done.stderr), "", "far from its end");
    }
}
