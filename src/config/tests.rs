//! Which sites are served over TLS, by which certificate, and what redirects to them.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::congestion::Congestion;
use crate::http::sink::tests::AnySink;
use crate::report::Process;
use crate::tls::Folder;
use crate::tls::acme::{Challenge, Keeper};

fn settings() -> Settings {
    let acme = crate::tls::acme::Settings {
        ca: "https://ca.example/dir".to_owned(),
        email: String::new(),
        agreed: false,
        timeout: Duration::from_secs(1),
        challenges: vec![Challenge::Http, Challenge::TlsAlpn],
    };
    Settings {
        host: String::new(),
        port: "2015".to_owned(),
        http_port: 80,
        https_port: 443,
        alt_svc_port: None,
        root: None,
        quic: true,
        congestion: Congestion::default(),
        tcp_congestion: None,
        http2: true,
        sinks: Arc::new(AnySink),
        process: Process::default(),
        fleet: None,
        experiments: Arc::default(),
        keeper: Keeper::new(Folder::new("/nonexistent".into()), acme),
    }
}

fn source(text: &str) -> Source {
    Source { name: "Caddyfile".to_owned(), text: text.to_owned(), dir: "/".into(), path: None }
}

/// How the only site of this text is served, and on which port.
fn served(text: &str) -> (&'static str, u16) {
    let source = source(text);
    let parsed = caddyfile::parse("F", text, &source.dir, &directive_names()).unwrap();
    let (block, key) = (&parsed.blocks[0], &parsed.blocks[0].keys[0]);
    let draft = draft(block, key, &Common::default(), &settings()).unwrap();
    let how = match draft.site.tls.certificates {
        Some(Certificates::Managed) => "managed",
        Some(Certificates::SelfSigned) => "self-signed",
        Some(Certificates::Off) => "off",
        _ => "other",
    };
    (how, draft.port)
}

#[test]
fn which_sites_have_which_certificate() {
    for (text, expected) in [
        (":2015", ("off", 2015)),
        ("localhost", ("off", 2015)),
        ("127.0.0.1", ("off", 2015)),
        ("example.com", ("managed", 443)),
        ("example.com\ntls off", ("off", 2015)),
        ("example.com\ntls me@mail.example", ("managed", 443)),
        ("example.com\ntls self_signed", ("self-signed", 443)),
        ("http://example.com", ("off", 80)),
        ("example.com:80", ("off", 80)),
        ("example.com:80\ntls self_signed", ("off", 80)),
        ("example.com:1234", ("managed", 1234)),
        ("https://example.com", ("managed", 443)),
        ("https://localhost", ("self-signed", 443)),
        ("localhost:443", ("self-signed", 443)),
        ("https://192.0.2.7:8443", ("self-signed", 8443)),
        ("*.example.com", ("off", 2015)),
    ] {
        assert_eq!(served(text), expected, "{text}");
    }
}

#[test]
fn what_redirects_to_https() {
    let text = "example.com {\n}\nsub1.example.com:80 {\n}\nsub1.example.com {\n}\n\
        sub2.example.com:5000 {\n}\nsub3.example.com:443 {\n}\nsub3.example.com:5001 {\n}\n";
    let loaded = load(&source(text), &settings()).unwrap();
    let mut plain: Vec<_> =
        loaded.lines().into_iter().filter(|line| line.starts_with("http://")).collect();
    plain.sort_unstable();
    let names = ["example.com", "sub1.example.com", "sub2.example.com", "sub3.example.com"];
    assert_eq!(plain, names.map(|name| format!("http://{name}")));
}

#[test]
fn commands_of_a_block_run_once() {
    let text = "http://a, http://b {\non startup true\n}\nhttp://c\n{\non startup true\n}\n";
    assert_eq!(load(&source(text), &settings()).unwrap().snapshot.hooks.len(), 2);
}

#[test]
fn every_warning_has_its_place() {
    for (lines, place, part) in [
        ("root /nonexistent/x", "2:6", "Root path does not exist"),
        ("log a.log {combined}", "2:11", "log / a.log {combined}"),
        ("log / a.log {status} {method}", "2:22", "what follows it is ignored"),
        ("gzip {\nlevel 12\n}", "3:7", "level 12 is not from 1 to 9"),
        ("header / {\nA b\nContent-Length 3\nC d\n}", "4:16", "follow from the content"),
        ("errors {\n404 a.html\n}", "3:5", "Unable to open error page"),
        ("push /", "2:6", "no resource is named"),
        ("tls self_signed", "2:5", "TLS disabled for"),
        ("fastcgi / 127.0.0.1:9 php {\nroot /nonexistent/x\n}", "4:1", "there is no directory"),
        ("proxy / 127.0.0.1:9 {\nkeepalive 2\nkeepalive 3\n}", "4:1", "twice"),
        ("timeouts {\nread 1s\nread 2s\n}", "4:1", "read"),
        ("maxrequestbody 1\nmaxrequestbody 2", "3:16", "two limits"),
        ("import none/*", "2:8", "No files matching"),
    ] {
        let text = format!("http://a.test:80 {{\n{lines}\n}}\n");
        let warnings = load(&source(&text), &settings()).map(|loaded| loaded.warnings);
        let warnings = warnings.unwrap_or_else(|error| panic!("{lines}: {error}"));
        let [warning] = warnings.as_slice() else { panic!("{lines}: {warnings:?}") };
        let warning = warning.to_string();
        assert!(warning.starts_with(&format!("Caddyfile:{place} - ")), "{lines}: {warning}");
        assert!(warning.contains(part), "{lines}: {warning}");
    }
}

#[test]
fn names_that_match_no_request_are_warnings() {
    let text = "http://a.test, http://a*.b.test {\nstatus 200 /\n}\nhttp://*.*.test {\n}\n";
    let warnings = load(&source(text), &settings()).unwrap().warnings;
    let [warning] = &*warnings else { panic!("{warnings:?}") };
    let warning = warning.to_string();
    assert!(warning.starts_with("Caddyfile:1:16 - ") && warning.contains("*.b.test"), "{warning}");
}

#[test]
fn the_shortest_timeout_that_a_site_says() {
    let minute = Some(60);
    for (one, other, idle, silence, write_idle) in [
        ("", "", Some(75), minute, minute),
        ("", "timeouts 5m", Some(300), minute, minute),
        ("timeouts 75s", "timeouts 5m", Some(75), minute, minute),
        ("timeouts none", "", None, None, None),
        ("timeouts none", "timeouts none", None, None, None),
        ("timeouts none", "timeouts 10s", Some(10), minute, minute),
        ("timeouts {\nread none\n}", "", Some(75), None, minute),
        ("timeouts {\nwrite none\n}", "", Some(75), minute, None),
        ("timeouts {\nwrite none\n}", "timeouts {\nwrite 5m\n}", Some(75), minute, minute),
        ("timeouts {\nidle none\n}", "", None, minute, minute),
    ] {
        let text = format!("http://a {{\n{one}\n}}\nhttp://b {{\n{other}\n}}\n");
        let loaded = load(&source(&text), &settings()).unwrap();
        let timeouts = loaded.snapshot.listeners[0].settings.timeouts.over_defaults();
        let seen = [timeouts.idle, timeouts.silence, timeouts.write_idle];
        let want = [idle, silence, write_idle].map(|limit| limit.map(Duration::from_secs));
        assert_eq!(seen, want, "{one} and {other}");
    }
}

/// The addresses of the listeners for the operator, or the error.
fn admin(text: &str) -> Result<Vec<String>, String> {
    let loaded = load(&source(text), &settings()).map_err(|error| error.to_string())?;
    assert!(loaded.sites.iter().all(|site| !site.contains("9180")), "{:?}", loaded.sites);
    let addrs = loaded.snapshot.listeners.iter().map(|listener| listener.addr.to_string());
    Ok(addrs.filter(|addr| !addr.ends_with(":80")).collect())
}

#[test]
fn sites_share_the_address_of_their_metrics() {
    for (of_a, of_b, expected) in [
        ("prometheus", "prometheus", &["127.0.0.1:9180"][..]),
        ("prometheus", "root /", &["127.0.0.1:9180"]),
        ("prometheus", "prometheus {\n path /m\n }", &["127.0.0.1:9180"]),
        ("prometheus", "prometheus [::1]:9180", &["127.0.0.1:9180", "[::1]:9180"]),
    ] {
        let text = format!("http://a.example {{\n {of_a}\n}}\nhttp://b.example {{\n {of_b}\n}}\n");
        assert_eq!(admin(&text).unwrap(), expected, "{text}");
    }
    // Whoever is not allowed by one of them would read it by the other.
    let text = "http://a.example {\n prometheus :9180 {\n  allow 10.0.0.1\n }\n}\n\
                http://b.example {\n prometheus :9180 {\n  allow 10.0.0.2\n }\n}\n";
    let error = admin(text).unwrap_err();
    assert!(error.contains("Caddyfile:7 - duplicate site address: metrics at"), "{error}");
}
