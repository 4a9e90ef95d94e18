//! Certificates from a real ACME server (pebble): obtained, renewed, revoked, and what happens
//! when the CA or we are killed half-way.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{BINARY, Bind, Caddy, EAB_KEY, Pebble, SECRET, Setup, curl, h3_tls, wait_for};

pub const PATIENCE: Duration = Duration::from_secs(40);
pub const DAY: u64 = 24 * 3600;

/// A server whose CA is `pebble`.
pub fn setup(text: &str) -> Setup {
    Setup::new(text)
        .arg("-agree")
        .arg("-http-port=@PORT2@")
        .arg("-https-port=@PORT@")
        .env("CADDYPATH", "store")
}

pub fn with(setup: Setup, pebble: &Pebble) -> Setup {
    setup.arg(&format!("-ca={}", pebble.url())).env("SSL_CERT_FILE", &pebble.trust())
}

pub fn pebble(setup: &Setup, lifetime: u64) -> Pebble {
    let port = |marker: &str| setup.fill(marker).parse().unwrap();
    Pebble::start(port("@PORT2@"), port("@PORT@"), lifetime)
}

/// Asks for `https://NAME/` trusting only the CA's root.
pub fn trusted(caddy: &Caddy, root: &Path, name: &str) -> bool {
    let root = root.display().to_string();
    let resolve = format!("{name}:{}:127.0.0.1", caddy.port());
    let url = format!("https://{name}:{}/", caddy.port());
    let options = ["--no-insecure", "--cacert", &root, "--resolve", &resolve];
    curl(&options, &url).status == 200
}

fn wait_log(caddy: &Caddy, words: &str) {
    wait_for(words, PATIENCE, || caddy.log().contains(words).then_some(()));
}

pub fn wait_trusted(caddy: &Caddy, root: &Path, name: &str) {
    wait_for(&format!("a certificate for {name}"), PATIENCE, || {
        trusted(caddy, root, name).then_some(())
    });
}

pub fn entry(caddy: &Caddy, pebble: &Pebble, name: &str, kind: &str) -> std::path::PathBuf {
    caddy.path(&format!("store/acme/127.0.0.1:{}/sites/{name}/{name}.{kind}", pebble.port))
}

#[test]
fn a_certificate_by_each_challenge() {
    for turned_off in ["-disable-tls-alpn-challenge", "-disable-http-challenge"] {
        let setup = setup("one.example\nstatus 200 /\n").arg(turned_off);
        let pebble = pebble(&setup, DAY);
        let caddy = with(setup, &pebble).arg("-email=me@mail.example").start();
        wait_trusted(&caddy, &pebble.root(), "one.example");
        let resolve = format!("one.example:{}:127.0.0.1", caddy.port2());
        let redirect =
            curl(&["--resolve", &resolve], &format!("http://one.example:{}/x?y", caddy.port2()));
        assert_eq!(redirect.status, 301);
        let expected = format!("https://one.example:{}/x?y", caddy.port());
        assert_eq!(redirect.header("location"), expected);
        let account = format!("store/acme/127.0.0.1:{}/users/me@mail.example/me.json", pebble.port);
        assert!(caddy.read(&account).contains("\"Email\":\"me@mail.example\""));
        assert!(!entry(&caddy, &pebble, "one.example", "order").exists());
        wait_log(&caddy, "one.example: certificate obtained");
    }
}

/// What the store holds, each file read whole; every certificate fits its key.
fn check_store(dir: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files += check_store(&path);
            continue;
        }
        // A server that runs removes and renames entries meanwhile.
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            text => text.unwrap(),
        };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.contains("damaged"), "{name}");
        let whole = match path.extension().unwrap_or_default().to_str().unwrap() {
            "crt" | "key" | "arrived" => text.trim_end().ends_with("-----"),
            "json" | "order" | "retry" => serde_json::from_str::<serde_json::Value>(&text).is_ok(),
            // Being written, and locks.
            "new" | "lock" => true,
            other => panic!("what is {name} ({other})?"),
        };
        assert!(whole, "{name}: {text}");
        files += 1;
    }
    files
}

fn serial(caddy: &Caddy, name: &str) -> String {
    let script = "openssl s_client -connect 127.0.0.1:$1 -servername $2 </dev/null 2>/dev/null |
        openssl x509 -noout -serial";
    let port = caddy.port().to_string();
    let done = Command::new("sh").args(["-c", script, "sh", &port, name]).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_short_lived_certificate_is_renewed_while_clients_come() {
    let setup = setup("short.example\nstatus 200 /\n");
    let pebble = pebble(&setup, 30);
    let caddy = with(setup, &pebble).start();
    let root = pebble.root();
    wait_trusted(&caddy, &root, "short.example");
    let mut serials = BTreeSet::from([serial(&caddy, "short.example")]);
    let end = Instant::now() + Duration::from_secs(75);
    while serials.len() < 3 {
        assert!(Instant::now() < end, "{serials:?}");
        assert!(trusted(&caddy, &root, "short.example"), "a client was turned away");
        serials.insert(serial(&caddy, "short.example"));
        std::thread::sleep(Duration::from_millis(200));
    }
    wait_log(&caddy, "short.example: certificate renewed");
}

#[test]
fn twenty_names_at_once_and_none_asked_for_again() {
    let names: Vec<String> = (1..=20).map(|n| format!("n{n}.example")).collect();
    let setup = setup(&format!("{} {{\nstatus 200 /\n}}\n", names.join(", ")));
    let pebble = pebble(&setup, DAY);
    let mut caddy = with(setup, &pebble).start();
    let root = pebble.root();
    names.iter().for_each(|name| wait_trusted(&caddy, &root, name));
    let before: Vec<_> = names.iter().map(|name| serial(&caddy, name)).collect();
    caddy.reload();
    caddy.kill();
    caddy.start_again();
    let after: Vec<_> = names.iter().map(|name| serial(&caddy, name)).collect();
    assert_eq!(before, after);
    assert_eq!(orders(&pebble), 20);
    check_store(&caddy.path("store"));
}

/// Orders that the CA has taken.
pub fn orders(pebble: &Pebble) -> usize {
    pebble.log().matches("Added order").count()
}

#[test]
fn a_ca_that_dies_stops_nobody_and_is_asked_again() {
    let setup = setup("old.example {\nstatus 200 /\n}\n");
    let mut pebble = pebble(&setup, DAY);
    let mut caddy = with(setup, &pebble).start();
    let root = pebble.root();
    wait_trusted(&caddy, &root, "old.example");
    pebble.kill();
    caddy.kill();
    caddy.start_again();
    assert!(trusted(&caddy, &root, "old.example"), "a valid certificate needs no CA");
    caddy.rewrite("old.example, new.example {\nstatus 200 /\n}\n");
    caddy.reload();
    assert!(trusted(&caddy, &root, "old.example"));
    wait_for("the failure to be told", PATIENCE, || {
        caddy.log().contains("new.example: no new certificate: ").then_some(())
    });
    let resolve = format!("new.example:{}:127.0.0.1", caddy.port());
    let url = format!("https://new.example:{}/", caddy.port());
    assert_eq!(curl(&["--resolve", &resolve], &url).status, 200, "self-signed until then");
    // It comes back with nothing of what it knew: no account, another root.
    pebble.run();
    wait_trusted(&caddy, &pebble.root(), "new.example");
    assert!(trusted(&caddy, &root, "old.example"));
    let retry = entry(&caddy, &pebble, "new.example", "retry");
    wait_for("the end of the failure", PATIENCE, || (!retry.exists()).then_some(()));
    check_store(&caddy.path("store"));
}

#[test]
fn a_ca_that_dies_in_the_middle_is_gone_on_with() {
    let names: Vec<String> = (1..=20).map(|n| format!("n{n}.example")).collect();
    let setup = setup(&format!("{} {{\nstatus 200 /\n}}\n", names.join(", ")));
    let mut pebble = pebble(&setup, DAY);
    let caddy = with(setup, &pebble).start();
    let there = |pebble: &Pebble| {
        names.iter().filter(|name| entry(&caddy, pebble, name, "crt").exists()).count()
    };
    wait_for("the first certificate", PATIENCE, || (there(&pebble) > 0).then_some(()));
    pebble.kill();
    let before = there(&pebble);
    assert!(before < names.len(), "the CA was too quick");
    check_store(&caddy.path("store"));
    // It comes back with nothing of what it knew: no account, no order, another root.
    pebble.run();
    wait_for("all certificates", PATIENCE, || (there(&pebble) == names.len()).then_some(()));
    assert!(orders(&pebble) <= names.len() - before + 1, "{before} were there");
    check_store(&caddy.path("store"));
}

#[test]
fn killed_at_any_point_it_goes_on_where_it_was() {
    let names = ["k1.example", "k2.example", "k3.example", "k4.example"];
    let setup = setup(&format!("{} {{\nstatus 200 /\n}}\n", names.join(", ")));
    let pebble = pebble(&setup, DAY);
    let mut caddy = with(setup, &pebble).start();
    let key = format!("store/acme/127.0.0.1:{}/users/default/default.key", pebble.port);
    let mut account = String::new();
    for round in 0..10u64 {
        std::thread::sleep(Duration::from_millis(30 + (round * 83) % 600));
        caddy.kill();
        check_store(&caddy.path("store"));
        let now = caddy.read(&key);
        assert!(account.is_empty() || now == account, "the account was lost");
        account = now;
        caddy.start_again();
    }
    let root = pebble.root();
    names.iter().for_each(|name| wait_trusted(&caddy, &root, name));
    let taken = orders(&pebble);
    assert!(taken <= names.len() + 10, "{taken} orders for 4 names and 10 kills");
    assert_eq!(pebble.log().matches("There are now 1 accounts").count(), 1, "one account");
    check_store(&caddy.path("store"));
}

#[test]
fn stopped_at_any_point_it_goes_on_after_the_next_start() {
    let setup = setup("t1.example, t2.example {\nstatus 200 /\n}\n");
    let pebble = pebble(&setup, DAY);
    let mut caddy = with(setup, &pebble).start();
    for round in 0..5 {
        std::thread::sleep(Duration::from_millis(20 + round * 90));
        caddy.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(caddy.wait(), Some(0));
        caddy.start_again();
    }
    let root = pebble.root();
    // A validation that found the ports closed would cost twenty minutes.
    ["t1.example", "t2.example"].iter().for_each(|name| wait_trusted(&caddy, &root, name));
    assert!(!caddy.log().contains("http-01 failed"), "{}", caddy.log());
}

#[test]
fn a_certificate_can_be_revoked() {
    let setup = setup("gone.example\nstatus 200 /\n");
    let pebble = pebble(&setup, DAY);
    let mut caddy = with(setup, &pebble).start();
    wait_trusted(&caddy, &pebble.root(), "gone.example");
    caddy.kill();
    let revoke = |name: &str| {
        Command::new(BINARY)
            .current_dir(caddy.path("."))
            .env("CADDYPATH", "store")
            .env("SSL_CERT_FILE", pebble.trust())
            .args(["-ca", &pebble.url(), "-revoke", name])
            .output()
            .unwrap()
    };
    let done = revoke("gone.example");
    let said = String::from_utf8_lossy(&done.stdout);
    assert_eq!(said, "Revoked certificate for gone.example\n");
    assert!(!entry(&caddy, &pebble, "gone.example", "crt").exists());
    assert!(entry(&caddy, &pebble, "gone.example", "key").exists());
    let again = revoke("gone.example");
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("no certificate to revoke"));
}

#[test]
fn without_agreement_no_ca_is_asked() {
    let setup = Setup::new("quiet.example:@PORT@\nstatus 200 /\n")
        .arg("-ca=https://127.0.0.1:1/dir")
        .env("CADDYPATH", "store");
    let caddy = setup.start();
    wait_for("the refusal", PATIENCE, || {
        caddy.log().contains("not been accepted. Read them and start with -agree").then_some(())
    });
    let resolve = format!("quiet.example:{}:127.0.0.1", caddy.port());
    let url = format!("https://quiet.example:{}/", caddy.port());
    assert_eq!(curl(&["--resolve", &resolve], &url).status, 200);
}

#[test]
fn a_managed_site_on_another_port_is_redirected_to_it() {
    let setup =
        setup("odd.example:@PORT3@ {\nstatus 200 /\n}\nhttps://:@PORT@ {\ntls self_signed\n}\n");
    let pebble = pebble(&setup, DAY);
    let caddy = with(setup, &pebble).start();
    let (http, odd) = (caddy.port2(), caddy.third("").rsplit(':').next().unwrap().to_owned());
    let resolve = format!("odd.example:{http}:127.0.0.1");
    let redirect = curl(&["--resolve", &resolve], &format!("http://odd.example:{http}/p"));
    assert_eq!(redirect.header("location"), format!("https://odd.example:{odd}/p"));
    // HTTP-01 is answered there too, so that the certificate comes.
    wait_for("the certificate", PATIENCE, || {
        entry(&caddy, &pebble, "odd.example", "crt").exists().then_some(())
    });
}

#[test]
fn browsers_trust_it_over_http3() {
    let setup = setup("www.site.example {\nroot www\n}\n").file("www/index.html", PAGE);
    let pebble = pebble(&setup, DAY);
    let caddy = with(setup, &pebble).start();
    let root = pebble.root();
    wait_trusted(&caddy, &root, "www.site.example");
    let (port, root) = (caddy.port(), root.display().to_string());
    let job = json!({"port": port, "sni": "www.site.example", "ca": root});
    assert_eq!(h3_tls(job)[0]["status"], 200);
    let stranger = json!({"port": port, "sni": "www.site.example", "ca": pebble.trust()});
    assert_eq!(h3_tls(stranger)[0]["status"], 0);
    let home = tempfile::tempdir().unwrap();
    let dom = chromium(home.path(), &root, "www.site.example", port);
    assert!(dom.contains("protocol=h3"), "{dom}");
}

const PAGE: &str = "<!doctype html><title>t</title><p id=p>none</p><script>
const entry = performance.getEntriesByType('navigation')[0];
document.getElementById('p').textContent = 'protocol=' + entry.nextHopProtocol;
</script>";

/// The page as Chromium shows it whose only further authority is `root`.
fn chromium(home: &Path, root: &str, name: &str, port: u16) -> String {
    let db = format!("sql:{}/.pki/nssdb", home.display());
    std::fs::create_dir_all(home.join(".pki/nssdb")).unwrap();
    for args in [&["-N", "--empty-password"][..], &["-A", "-t", "C,,", "-n", "t", "-i", root]] {
        let done = Command::new("certutil").args(["-d", &db]).args(args).status().unwrap();
        assert!(done.success());
    }
    let done = Command::new("timeout")
        .env("HOME", home)
        .args(["60", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--enable-quic", "--virtual-time-budget=5000"])
        .arg(format!("--origin-to-force-quic-on={name}:{port}"))
        .arg(format!("--host-resolver-rules=MAP {name} 127.0.0.1"))
        .arg(format!("--user-data-dir={}/profile", home.display()))
        .args(["--dump-dom", &format!("https://{name}:{port}/")])
        .output()
        .expect("chromium");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn wildcards_by_dynamic_update_and_by_a_program_with_a_bound_account() {
    let bind = Bind::start();
    let script = "#!/bin/sh\nverb=add; [ \"$2\" = present ] || verb=delete\n\
                  printf 'server 127.0.0.1 %s\\nkey hmac-sha256:acme-key @SECRET@\\nupdate %s %s 5 TXT \"%s\"\\nsend\\n' \
                  $1 $verb $3 $4 | nsupdate\n";
    let text = "*.dns.example {\ntls {\neab key-1 @EAB@\ndns rfc2136\n}\nstatus 200 /\n}\n\
                www.one.dns.example {\ntls {\neab key-1 @EAB@\nwildcard\ndns exec sh @DIR@/update @DNS@\n}\nstatus 200 /\n}\n";
    let setup = setup(text)
        .set("DNS", bind.port)
        .set("EAB", EAB_KEY)
        .file("update", script.replace("@SECRET@", SECRET))
        .env("RFC2136_NAMESERVER", &format!("127.0.0.1:{}", bind.port))
        .env("RFC2136_TSIG_KEY", "acme-key.")
        .env("RFC2136_TSIG_SECRET", SECRET)
        .env("RFC2136_PROPAGATION_TIMEOUT", "0s");
    let port = |marker: &str| setup.fill(marker).parse().unwrap();
    let pebble = Pebble::start_with(port("@PORT2@"), port("@PORT@"), DAY, Some(bind.port));
    let mut caddy = with(setup, &pebble).start();
    let root = pebble.root();
    wait_trusted(&caddy, &root, "any.dns.example");
    wait_trusted(&caddy, &root, "www.one.dns.example");
    let key = "sites/wildcard_.one.dns.example/wildcard_.one.dns.example.key";
    assert!(caddy.path(&format!("store/acme/127.0.0.1:{}/{key}", pebble.port)).exists());
    let log = bind.log();
    assert_eq!(log.matches("adding an RR at").count(), 2, "{log}");
    assert_eq!(log.matches("deleting an RR at").count(), 2, "{log}");
    // A crash before the account was written down: it is found by its key.
    let account = format!("store/acme/127.0.0.1:{}/users/default/default.json", pebble.port);
    let before = caddy.read(&account);
    caddy.kill();
    std::fs::remove_file(caddy.path(&account)).unwrap();
    caddy.start_again();
    wait_for("the account", PATIENCE, || (caddy.read(&account) == before).then_some(()));
}

#[test]
fn a_new_certificate_runs_its_command() {
    let setup = setup(
        "told.example {\n status 200 /\n on certrenew sh -c 'echo $CADDY_CERTIFICATE >> new'\n}\n",
    );
    let pebble = pebble(&setup, DAY);
    let caddy = with(setup, &pebble).start();
    wait_for("the command", PATIENCE, || (caddy.read("new") == "told.example\n").then_some(()));
}
