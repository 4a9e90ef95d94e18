//! TLS as clients see it: certificates of clients, resumption, files that change, and what a
//! scanner finds.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Caddy, Setup, certificate, curl, h3_tls, wait_for};

/// A CA and a client certificate of it, and one that nobody vouches for, as PEM files.
fn client_certificates(setup: Setup) -> Setup {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec!["client".to_owned()]).unwrap();
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let good = leaf.signed_by(&key, &issuer).unwrap();
    let stranger = leaf.self_signed(&key).unwrap();
    setup
        .file("ca.pem", ca.pem())
        .file("good.pem", good.pem())
        .file("stranger.pem", stranger.pem())
        .file("client.key", key.serialize_pem())
}

struct Asked<'a> {
    sni: &'a str,
    host: &'a str,
    cert: &'a str,
}

impl Asked<'_> {
    /// The statuses over HTTP/1.1, HTTP/2 and HTTP/3; 0 where the connection failed.
    fn statuses(&self, caddy: &Caddy) -> [u16; 3] {
        let port = caddy.port();
        let file = |name: &str| caddy.path(name).display().to_string();
        let (cert, key) = (file(self.cert), file("client.key"));
        let resolve = format!("{}:{port}:127.0.0.1", self.sni);
        let field = format!("Host: {}:{port}", self.host);
        let mut options = vec!["--resolve", &resolve, "-H", &field];
        let mut job = json!({
            "port": port, "sni": self.sni, "authority": format!("{}:{port}", self.host),
        });
        if !self.cert.is_empty() {
            options.extend(["--cert", &cert, "--key", &key]);
            job["cert"] = json!(cert);
            job["key"] = json!(key);
        }
        let url = format!("https://{}:{port}/", self.sni);
        let tcp = |version| curl(&[&options[..], &[version]].concat(), &url).status;
        let h3 = h3_tls(job)[0]["status"].as_u64().unwrap();
        [tcp("--http1.1"), tcp("--http2"), u16::try_from(h3).unwrap()]
    }
}

#[test]
fn client_certificates_are_asked_for_by_host() {
    let site = |name: &str, clients: &str| {
        format!("https://{name}:@PORT@ {{\ntls self_signed {{\n{clients}\n}}\nstatus 200 /\n}}\n")
    };
    let text = [
        site("closed.test", "clients @DIR@/ca.pem"),
        site("asking.test", "clients request"),
        site("choosy.test", "clients verify_if_given @DIR@/ca.pem"),
        site("any.test", "clients require"),
    ];
    let open = "https://open.test:@PORT@ {\ntls self_signed\nstatus 200 /\n}\n";
    let caddy = client_certificates(Setup::new(&(text.concat() + open))).start();
    for (name, none, good, stranger) in [
        ("open.test", 200, 200, 200),
        ("closed.test", 0, 200, 0),
        ("asking.test", 200, 200, 200),
        ("choosy.test", 200, 200, 0),
        ("any.test", 0, 200, 200),
    ] {
        for (cert, expected) in [("", none), ("good.pem", good), ("stranger.pem", stranger)] {
            let got = Asked { sni: name, host: name, cert }.statuses(&caddy);
            assert_eq!(got, [expected; 3], "{name} {cert}");
        }
    }
    for (sni, host) in [("open.test", "closed.test"), ("any.test", "closed.test")] {
        let got = Asked { sni, host, cert: "good.pem" }.statuses(&caddy);
        assert_eq!(got, [421; 3], "{host} over a connection for {sni}");
    }
}

#[test]
fn a_session_from_before_a_site_was_closed_lets_nobody_in() {
    let site = |clients: &str| {
        format!(
            "https://localhost:@PORT@ {{\ntls self_signed {{\nalpn h2 http/1.1\n{clients}\n}}\nstatus 200 /\n}}\n"
        )
    };
    let caddy = client_certificates(Setup::new(&site(""))).start();
    let [session, said] = ["session", "said"].map(|name| caddy.path(name).display().to_string());
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(s_client_kept(&caddy, version).contains("New, TLSv1."));
        caddy.rewrite(&site("clients @DIR@/ca.pem"));
        caddy.reload();
        let alert = format!("grep -aq ' alert ' {said}");
        let again = s_client_until(&caddy, &format!("{version} -sess_in {session}"), &alert);
        assert!(
            again.contains("alert certificate required")
                || again.contains("alert handshake failure"),
            "{again}"
        );
        caddy.rewrite(&site(""));
        caddy.reload();
    }
}

#[test]
fn each_site_has_its_own_protocols() {
    let text = "https://new.test:@PORT@ {\ntls self_signed {\nprotocols tls1.3\n}\n}\n\
                https://localhost:@PORT@ {\ntls self_signed\n}\n";
    let caddy = Caddy::start(text);
    assert!(s_client(&caddy, "-tls1_2").contains("New, TLSv1.2"));
    assert!(s_client(&caddy, "-tls1_2 -servername new.test").contains("alert protocol version"));
    assert!(s_client(&caddy, "-tls1_3 -servername new.test").contains("New, TLSv1.3"));
}

/// What `openssl s_client` says.
fn s_client(caddy: &Caddy, options: &str) -> String {
    s_client_until(caddy, options, "true")
}

/// The same, with its session in the file `session`.
fn s_client_kept(caddy: &Caddy, options: &str) -> String {
    let session = caddy.path("session").display().to_string();
    let _ = std::fs::remove_file(&session);
    s_client_until(caddy, &format!("{options} -sess_out {session}"), &format!("test -s {session}"))
}

/// The same; it leaves half a second behind its own handshake and the success of `until`, a line of
/// shell: tickets and alerts may come later.
fn s_client_until(caddy: &Caddy, options: &str, until: &str) -> String {
    let said = caddy.path("said").display().to_string();
    let script = format!(
        ": >{said}; (for _ in $(seq 200); do \
         grep -aq -e 'Verify return code' -e ' alert ' -e errno {said} && break; sleep 0.1; \
         done; for _ in $(seq 200); do {until} && break; sleep 0.1; done; sleep 0.5) | \
         openssl s_client -connect 127.0.0.1:{} -servername localhost {options} >{said} 2>&1; \
         cat {said}",
        caddy.port()
    );
    let done = Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn sessions_resume_over_tcp_and_quic_and_after_a_reload() {
    let caddy = Caddy::start("https://localhost:@PORT@ {\ntls self_signed\nstatus 200 /\n}\n");
    let session = caddy.path("session").display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let first = s_client_kept(&caddy, &format!("{version} -alpn h2"));
        assert!(first.contains("ALPN protocol: h2"), "{first}");
        assert!(first.contains("New, TLSv1."), "{first}");
        assert!(first.contains("Server Temp Key: X25519"), "{first}");
        caddy.reload();
        let again = s_client(&caddy, &format!("{version} -sess_in {session}"));
        assert!(again.contains("Reused, TLSv1."), "{again}");
        // What comes before the handshake is over can be replayed.
        assert!(
            !again.contains("Max Early Data: ") || again.contains("Max Early Data: 0"),
            "{again}"
        );
    }
    let job = json!({"port": caddy.port(), "sni": "localhost", "times": 2});
    let answers = h3_tls(job);
    assert_eq!(answers[0], json!({"status": 200, "resumed": false, "early": 0, "error": ""}));
    assert_eq!(answers[1], json!({"status": 200, "resumed": true, "early": 0, "error": ""}));
}

fn shown(caddy: &Caddy) -> String {
    let text = s_client(caddy, "-showcerts");
    let start = text.find("-----BEGIN").unwrap_or(0);
    text[start..].split("-----END").next().unwrap_or_default().to_owned()
}

#[test]
fn a_certificate_put_in_its_place_is_served_without_a_reload() {
    let site = "https://localhost:@PORT@ {\ntls @DIR@/cert.pem @DIR@/key.pem\nstatus 200 /\n}\n";
    let setup = Setup::new(site);
    certificate(setup.dir(), "10");
    let caddy = setup.start();
    let old = shown(&caddy);
    std::fs::write(caddy.path("cert.pem"), "half a certificate").unwrap();
    wait_for("the complaint", Duration::from_secs(20), || {
        caddy.log().contains("the previous certificate stays in use").then_some(())
    });
    assert_eq!(shown(&caddy), old);
    certificate(&caddy.path("."), "20");
    wait_for("the new certificate", Duration::from_secs(20), || {
        (shown(&caddy) != old).then_some(())
    });
}

#[test]
fn an_expired_certificate_in_a_folder_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 2, 3);
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let both = format!("{}{}", params.self_signed(&key).unwrap().pem(), key.serialize_pem());
    let path = dir.path().join("old.pem");
    std::fs::write(&path, both).unwrap();
    let dir = dir.path().display();
    let text = format!("https://localhost:@PORT@ {{\ntls {{\nload {dir}\n}}\nstatus 200 /\n}}\n");
    let caddy = Caddy::start(&text);
    assert_eq!(curl(&[], &caddy.url("/")).status, 200);
    let words = "the certificate expired on 2001-02-03";
    let log = caddy.log_with(words);
    assert!(log.contains(words), "{log}");
}

/// OpenSSL's OCSP responder for the CA of `make_certificate`; ends when dropped.
pub struct Responder(std::process::Child);

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A certificate that names a responder, and the responder.
pub fn with_responder(dir: &Path) -> Responder {
    crate::harness::make_certificate(dir);
    let script = "cd \"$1\" && exec 2>/dev/null
        printf '%s\\n' subjectAltName=DNS:localhost authorityInfoAccess=OCSP\\;URI:http://127.0.0.1:$2/ >ext &&
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 30 -extfile ext -out leaf.pem &&
        cat leaf.pem ca.pem >cert.pem &&
        serial=$(openssl x509 -in leaf.pem -noout -serial | cut -d= -f2) &&
        printf 'V\\t491231000000Z\\t\\t%s\\tunknown\\t/CN=localhost\\n' $serial >index";
    let port = crate::harness::free_port().to_string();
    let made = Command::new("sh").args(["-c", script, "sh"]).arg(dir).arg(&port).status();
    assert!(made.unwrap().success());
    let responder = Command::new("openssl")
        .current_dir(dir)
        .args(["ocsp", "-index", "index", "-port", &port, "-rsigner", "ca.pem"])
        .args(["-rkey", "ca.key", "-CA", "ca.pem", "-ndays", "1"])
        .stdout(std::fs::File::create(dir.join("said")).unwrap())
        .stderr(std::fs::File::create(dir.join("said")).unwrap())
        .spawn();
    let responder = Responder(responder.unwrap());
    // Not by connecting: it waits for ever for what such a client has to say.
    wait_for("the responder", Duration::from_secs(30), || {
        let said = std::fs::read_to_string(dir.join("said")).unwrap();
        said.contains("waiting for OCSP client").then_some(())
    });
    responder
}

pub fn wait_stapled(caddy: &Caddy) {
    wait_for("a staple", Duration::from_secs(30), || {
        s_client(caddy, "-status").contains("Cert Status: good").then_some(())
    });
}

#[test]
fn a_certificate_that_names_a_responder_is_stapled() {
    let setup = Setup::new(
        "https://localhost:@PORT@ {\ntls @DIR@/cert.pem @DIR@/key.pem\nstatus 200 /\n}\n",
    );
    let responder = with_responder(setup.dir());
    let mut caddy = setup.env("CADDYPATH", "store").start();
    wait_stapled(&caddy);
    drop(responder);
    caddy.kill();
    caddy.start_again();
    wait_stapled(&caddy);
}
