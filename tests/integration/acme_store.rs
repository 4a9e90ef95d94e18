//! The folder of certificates: shared by processes, private, repaired, and as Caddy 0.9 to 1.0
//! left it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Ca, Caddy, Setup, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);
const SITE: &str = "a.example\nstatus 200 /\n";

fn setup(ca: &Ca, text: &str) -> Setup {
    Setup::new(text)
        .arg("-http-port=@PORT2@")
        .arg("-https-port=@PORT@")
        .arg(&format!("-ca={}", ca.url()))
        .env("CADDYPATH", "store")
}

fn wait_log(caddy: &Caddy, words: &str) {
    wait_for(words, PATIENCE, || caddy.log().contains(words).then_some(()));
}

/// A certificate for `a.example` that is good until this year, and its key, as PEM.
fn made(until: i32) -> [String; 2] {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    [params.self_signed(&key).unwrap().pem(), key.serialize_pem()]
}

#[test]
fn two_processes_share_a_folder() {
    let ca = Ca::start();
    ca.delay(Duration::from_millis(100));
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let path = folder.path().display().to_string();
        setup(&ca, SITE).arg("-agree").env("CADDYPATH", &path).start()
    };
    let both = [start(), start()];
    let name = format!("acme/{}/sites/a.example/a.example.crt", ca.addr);
    wait_for("the certificate", PATIENCE, || folder.path().join(&name).exists().then_some(()));
    wait_for("both to show it", PATIENCE, || {
        both.iter().all(|caddy| shows(caddy, &folder.path().join(&name))).then_some(())
    });
    assert_eq!(ca.orders().len(), 1);
}

/// Whether the certificate in the file is the one that is served.
fn shows(caddy: &Caddy, file: &Path) -> bool {
    let script = "shown=$(openssl s_client -connect 127.0.0.1:$1 -servername a.example \
        </dev/null 2>/dev/null | openssl x509) && [ \"$shown\" = \"$(openssl x509 -in \"$2\")\" ]";
    let port = caddy.port().to_string();
    let done = Command::new("sh").args(["-c", script, "sh", &port]).arg(file).status();
    done.unwrap().success()
}

/// The modes of everything below, as `mode name`.
fn modes(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let meta = entry.metadata().unwrap();
        let name = entry.file_name().into_string().unwrap();
        found.push(format!("{:o} {name}", meta.permissions().mode() & 0o7777));
        if meta.is_dir() {
            modes(&entry.path(), found);
        }
    }
}

#[test]
fn nobody_else_can_read_it_whatever_the_umask() {
    let ca = Ca::start();
    let caddy = setup(&ca, SITE).arg("-agree").umask(0).start();
    wait_log(&caddy, "a.example: certificate obtained");
    let mut found = Vec::new();
    modes(&caddy.path("store"), &mut found);
    assert!(found.contains(&"600 a.example.key".to_owned()), "{found:?}");
    let open: Vec<_> =
        found.iter().filter(|one| !one.starts_with("600 ") && !one.starts_with("700 ")).collect();
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn damaged_files_are_named_and_not_trusted() {
    let ca = Ca::start();
    let site = format!("store/acme/{}/sites/a.example/a.example", ca.addr);
    let mut setup = setup(&ca, SITE).arg("-agree");
    for kind in ["crt", "key", "order", "retry", "arrived"] {
        setup = setup.file(&format!("{site}.{kind}"), "half a fi");
    }
    let user = format!("store/acme/{}/users/default/default", ca.addr);
    let caddy =
        setup.file(&format!("{user}.key"), "junk").file(&format!("{user}.json"), "{").start();
    wait_log(&caddy, "a.example: certificate obtained");
    for kind in ["crt", "key", "order", "retry", "arrived"] {
        let place = format!("{site}.{kind}");
        assert!(caddy.log().contains(&format!("{place}: damaged (")), "{kind}");
        assert!(caddy.log().contains(&format!("moved to {place}.damaged-1")), "{kind}");
        assert_eq!(caddy.read(&format!("{place}.damaged-1")), "half a fi");
    }
    assert_eq!(caddy.read(&format!("{user}.key.damaged-1")), "junk");
}

/// A folder of v1: a certificate that is good until this year, and an account with a P-384 key.
fn v1(ca: &Ca, until: i32) -> Setup {
    let [cert, key] = made(until);
    let command = ["ecparam", "-genkey", "-noout", "-name", "secp384r1"];
    let account = Command::new("openssl").args(command).output().unwrap().stdout;
    let base = format!("store/acme/{}", ca.addr);
    let facts =
        format!(r#"{{"Email": "me@mail.example", "Registration": {{"uri": "{}x"}}}}"#, ca.url());
    setup(ca, SITE)
        .file(&format!("{base}/sites/a.example/a.example.crt"), cert)
        .file(&format!("{base}/sites/a.example/a.example.key"), key)
        .file(&format!("{base}/sites/a.example/a.example.json"), r#"{"domain": "a.example"}"#)
        .file(&format!("{base}/users/me@mail.example/me.key"), account)
        .file(&format!("{base}/users/me@mail.example/me.json"), facts)
}

#[test]
fn the_folder_of_v1_is_picked_up() {
    let ca = Ca::start();
    let caddy = v1(&ca, 4000).start();
    let cert = caddy.path(&format!("store/acme/{}/sites/a.example/a.example.crt", ca.addr));
    assert!(shows(&caddy, &cert));
    caddy.reload();
    drop(caddy);
    assert!(ca.orders().is_empty());
    // Agreed to long ago; only the account is made anew, with its address.
    let caddy = v1(&ca, 2021).start();
    wait_log(&caddy, "a.example: certificate renewed");
    assert!(caddy.log().contains("me.key: not an account with a P-256 key"), "{}", caddy.log());
    let contact = serde_json::json!(["mailto:me@mail.example"]);
    assert!(ca.accounts().iter().any(|account| account["contact"] == contact));
}

/// As after two machines of a fleet that registered one account each, without knowing of the other.
#[test]
fn the_url_of_another_account_is_not_used_with_this_key() {
    let setup = crate::acme::setup(SITE);
    let pebble = crate::acme::pebble(&setup, crate::acme::DAY);
    let mut caddy = crate::acme::with(setup, &pebble).start();
    crate::acme::wait_trusted(&caddy, &pebble.root(), "a.example");
    caddy.kill();
    let account = |kind: &str| {
        caddy.path(&format!("store/acme/127.0.0.1:{}/users/default/default.{kind}", pebble.port))
    };
    let before = std::fs::read_to_string(account("json")).unwrap();
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(account("key"), &other).unwrap();
    let chain = crate::acme::entry(&caddy, &pebble, "a.example", "crt");
    std::fs::remove_file(&chain).unwrap();
    let (key, json) = (account("key"), account("json"));
    caddy.start_again();
    wait_log(&caddy, "of another key; asking the CA for the account");
    crate::acme::wait_trusted(&caddy, &pebble.root(), "a.example");
    assert_eq!(std::fs::read_to_string(key).unwrap(), other);
    assert_ne!(std::fs::read_to_string(json).unwrap(), before);
}
