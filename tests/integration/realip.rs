//! Behind proxies: who the client is, in logs and to upstreams.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::{Caddy, Origin, Setup, curl, h3, wait_for};

/// A proxy that says who the client is, over TLS, with an access log.
fn behind(origin: &Origin, realip: &str) -> Caddy {
    let text = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n realip {realip}\n\
         log / access.log {{remote}}\n proxy / @ORIGIN@ {{\n header_upstream X-Client {{remote}}\n}}\n}}\n"
    );
    Setup::new(&text).set("ORIGIN", origin.addr).start()
}

#[test]
fn a_trusted_proxy_names_the_client_over_all_protocols() {
    let origin = Origin::start();
    let caddy = behind(&origin, "127.0.0.1 ::1");
    let field = "X-Forwarded-For: 6.6.6.6, 192.0.2.1";
    for protocol in ["--http1.1", "--http2"] {
        assert_eq!(curl(&[protocol, "-H", field], &caddy.url("/")).status, 200);
    }
    let fields = [["x-forwarded-for", "6.6.6.6, 192.0.2.1"]];
    h3(caddy.port(), json!({"requests": [{"path": "/", "headers": fields}]}));
    let requests = origin.requests();
    assert_eq!(requests.len(), 3);
    for seen in requests {
        assert_eq!(seen.header("x-client"), Some("192.0.2.1"));
        let way = seen.header("x-forwarded-for").unwrap();
        let sender = way.strip_prefix("6.6.6.6, 192.0.2.1, ");
        assert!(matches!(sender, Some("127.0.0.1" | "::1")), "{way}");
    }
    wait_for("the log", std::time::Duration::from_secs(30), || {
        (caddy.read("access.log") == "192.0.2.1\n".repeat(3)).then_some(())
    });
}

/// Behind one proxy all clients would be one; each is itself.
#[test]
fn clients_are_told_apart_where_their_address_chooses_the_upstream() {
    let origins = ["a", "b", "c"].map(Origin::named);
    let hosts = origins.each_ref().map(|origin| origin.addr.to_string());
    let site = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n realip 127.0.0.1 ::1\n\
         proxy / {} {{\n policy ip_hash\n}}\n}}\n",
        hosts.join(" ")
    );
    let caddy = Caddy::start(&site);
    let clients: Vec<_> = (1..=30).map(|last| format!("192.0.2.{last}")).collect();
    let ask = |client: &String| ["x-forwarded-for", client].map(str::to_owned);
    let jobs: Vec<_> = clients.iter().map(|client| json!({"headers": [ask(client)]})).collect();
    let mut homes = vec![];
    for _ in 0..2 {
        let result = h3(caddy.port(), json!({"requests": jobs}));
        for answer in result["answers"].as_array().unwrap() {
            let fields = answer["headers"].as_array().unwrap();
            let home = fields.iter().find(|field| field[0] == "x-origin").expect("X-Origin");
            homes.push(home[1].as_str().unwrap().to_owned());
        }
    }
    let distinct: BTreeSet<_> = homes.iter().collect();
    assert_eq!(distinct.len(), 3, "{homes:?}");
    assert_eq!(homes[..30], homes[30..], "each stays where it was");
    for (client, home) in clients.iter().zip(&homes) {
        let field = format!("X-Forwarded-For: {client}");
        let answer = curl(&["--http1.1", "-H", &field], &caddy.url("/"));
        assert_eq!(answer.header("x-origin"), home, "{client}");
    }
}

#[test]
fn nobody_else_is_believed() {
    let origin = Origin::start();
    let caddy = behind(&origin, "192.0.2.0/24");
    let lies = ["-4", "-H", "X-Forwarded-For: 6.6.6.6", "-H", "X-Real-IP: 6.6.6.6"];
    let more = ["-H", "Forwarded: for=6.6.6.6"];
    assert_eq!(curl(&[&lies[..], &more].concat(), &caddy.url("/")).status, 200);
    let seen = origin.last();
    assert_eq!(seen.header("x-client"), Some("127.0.0.1"));
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!((seen.header("x-real-ip"), seen.header("forwarded")), (None, None));
}

#[test]
fn strict_lets_only_proxies_in() {
    let origin = Origin::start();
    let caddy = behind(&origin, "192.0.2.0/24 {\n strict\n}");
    assert_eq!(curl(&[], &caddy.url("/")).status, 403);
    assert!(origin.requests().is_empty());
}

#[test]
fn other_fields_name_the_client_too() {
    for (header, value) in [
        ("Forwarded", "for=6.6.6.6, for=\"[2001:db8::7]:99\";proto=https"),
        ("CF-Connecting-IP", "2001:db8::7"),
    ] {
        let origin = Origin::start();
        let caddy = behind(&origin, &format!("private {{\n header {header}\n}}"));
        curl(&["-H", &format!("{header}: {value}")], &caddy.url("/"));
        assert_eq!(origin.last().header("x-client"), Some("2001:db8::7"), "{header}");
    }
}
