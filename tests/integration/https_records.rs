//! HTTPS records of sites: what the log says of them, and what is published, by BIND behind
//! an `/etc/resolv.conf` of the server's own.

use std::time::Duration;

use crate::harness::{Bind, Caddy, Resolver, SECRET, Setup, certificate, wait_for};

const PATIENCE: Duration = Duration::from_secs(40);
const ZONE: &str = "example.com";

fn zone(serial: u32, records: &str) -> String {
    format!("$TTL 1\n@ SOA ns a {serial} 60 60 600 1\n@ NS ns\nns A 127.0.0.1\n{records}\n")
}

fn bind(records: &str) -> Bind {
    let options = "update-policy { grant acme-key zonesub HTTPS TXT; };";
    Bind::serve(ZONE, &zone(1, records), options)
}

/// Sites behind a resolver, with the usual port for browsers.
fn setup(resolver: &Resolver, text: &str) -> Setup {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let [cert, key] = [cert, key].map(|path| std::fs::read(path).unwrap());
    Setup::new(text)
        .file("cert.pem", cert)
        .file("key.pem", key)
        .file("resolv.conf", format!("nameserver {}\noptions timeout:3 attempts:2\n", resolver.ip))
        .world("mount --bind @DIR@/resolv.conf /etc/resolv.conf")
}

fn wait_log(caddy: &Caddy, line: &str) {
    wait_for(line, PATIENCE, || caddy.log().contains(line).then_some(()));
}

fn site(name: &str, options: &str) -> String {
    format!(
        "https://{name}:@PORT@ {{\n root .\n tls @DIR@/cert.pem @DIR@/key.pem {{\n{options}\n}}\n}}\n"
    )
}

#[test]
fn the_log_has_the_line_that_the_zone_lacks() {
    // BIND does not read a zone again that takes updates.
    let records = zone(
        1,
        "www A 127.0.0.1\nmail CNAME edge\nedge A 127.0.0.1\n\
         old A 127.0.0.1\nold HTTPS 1 . alpn=\"h2\" ipv4hint=192.0.2.1\n\
         good A 127.0.0.1\ngood HTTPS 1 . alpn=\"h3,h2\"\n\
         far A 127.0.0.1\nfar HTTPS 0 edge",
    );
    let bind = Bind::serve(ZONE, &records, "");
    let resolver = bind.resolver();
    let names = ["www", "mail", "old", "good", "far", "none"];
    let text: String = names.iter().map(|name| site(&format!("{name}.{ZONE}"), "")).collect();
    let caddy = setup(&resolver, &text).arg("-alt-svc-port=443").start();
    for line in [
        "www.example.com: browsers use HTTP/3 from the second visit only, as DNS has no HTTPS \
         record; add to the zone: www.example.com. 300 IN HTTPS 1 . alpn=\"h3,h2\"",
        "The name is a CNAME of edge.example.com, beside which no HTTPS record can stand; add to \
         the zone of that name: edge.example.com. 300 IN HTTPS 1 . alpn=\"h3,h2\"",
        "as its HTTPS record has no h3; change it to: old.example.com. 300 IN HTTPS 1 . \
         alpn=\"h3,h2\" ipv4hint=192.0.2.1",
        "Its HTTPS record leads to edge.example.com, which has none with HTTP/3; add to the zone \
         of that name: edge.example.com. 300 IN HTTPS 1 . alpn=\"h3,h2\"",
        "none.example.com: DNS has no address for this name, so it needs no HTTPS record",
    ] {
        wait_log(&caddy, line);
    }
    assert!(!caddy.log().contains("good.example.com: "), "{}", caddy.log());
    // What was said is not said again, and that it is over is said once.
    let records = "www A 127.0.0.1\nwww HTTPS 1 . alpn=\"h3,h2\"\nold A 127.0.0.1\n\
                   old HTTPS 1 . alpn=\"h2\" ipv4hint=192.0.2.1";
    bind.change(&zone(2, records), "example.com/IN: loaded serial 2");
    let questions = || resolver.asked().iter().filter(|one| *one == "old.example.com/65").count();
    let before = questions();
    caddy.reload();
    wait_log(&caddy, "www.example.com: DNS has an HTTPS record with HTTP/3");
    wait_for("the questions", PATIENCE, || (questions() > before).then_some(()));
    let log = caddy.log();
    assert_eq!(log.matches("old.example.com: browsers").count(), 1, "{log}");
}

#[test]
fn another_port_has_a_record_of_its_own() {
    let bind = bind("www A 127.0.0.1");
    let caddy = setup(&bind.resolver(), &site("www.example.com", "")).start();
    let port = caddy.port();
    wait_log(
        &caddy,
        &format!("_{port}._https.www.example.com. 300 IN HTTPS 1 www.example.com. alpn=\"h3,h2\""),
    );
}

#[test]
fn of_sites_that_are_not_public_nothing_is_asked() {
    let bind = bind("www A 127.0.0.1");
    let resolver = bind.resolver();
    let private =
        ["localhost", "site.test", "nas.home.arpa", "single"].map(|name| site(name, "")).concat();
    let text = [
        site("www.example.com", ""),
        site("off.example.com", "https_record off"),
        // One site of a host speaks for the host.
        site("off.example.com", "").replace("@PORT@", "@PORT@/below"),
        site("bound.example.com", "").replace("root .", "root .\n bind 127.0.0.1"),
        private,
    ]
    .concat();
    let caddy = setup(&resolver, &text).arg("-alt-svc-port=443").start();
    wait_log(&caddy, "www.example.com: browsers");
    let asked = resolver.asked();
    let others: Vec<_> = asked.iter().filter(|one| !one.starts_with("www.example.com/")).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn name_servers_that_do_not_answer_are_told_of_once() {
    let mut bind = bind("");
    let resolver = bind.resolver();
    bind.stop();
    let text = [site("one.example.com", ""), site("two.example.com", "")].concat();
    let caddy = setup(&resolver, &text).arg("-alt-svc-port=443").start();
    wait_log(
        &caddy,
        "DNS cannot be asked for the HTTPS record, which is repeated every 60 minutes",
    );
    wait_for("both questions", PATIENCE, || {
        let asked = resolver.asked();
        ["one", "two"]
            .iter()
            .all(|name| asked.contains(&format!("{name}.example.com/65")))
            .then_some(())
    });
    caddy.reload();
    let before = resolver.asked().len();
    wait_for("more questions", PATIENCE, || (resolver.asked().len() > before).then_some(()));
    assert_eq!(caddy.log().matches("DNS cannot be asked").count(), 1, "{}", caddy.log());
}

/// Sites that publish by BIND's key.
fn publisher(bind: &Bind, resolver: &Resolver, text: &str) -> Setup {
    setup(resolver, text)
        .arg("-alt-svc-port=443")
        .env("RFC2136_NAMESERVER", &format!("127.0.0.1:{}", bind.port))
        .env("RFC2136_TSIG_KEY", "acme-key.")
        .env("RFC2136_TSIG_SECRET", SECRET)
}

const BY_UPDATE: &str = "dns rfc2136\nhttps_record publish";

#[test]
fn a_record_is_published_changed_and_removed_by_dynamic_update() {
    let bind = bind(
        "@ A 127.0.0.1\nwww A 127.0.0.1\n* A 127.0.0.1\nmail CNAME edge\nedge A 127.0.0.1\n\
         own A 127.0.0.1\nown HTTPS 1 . alpn=\"h2\" ipv4hint=192.0.2.1",
    );
    let resolver = bind.resolver();
    let names = ["example.com", "*.example.com", "own.example.com", "mail.example.com"];
    let text: String = names.iter().map(|name| site(name, BY_UPDATE)).collect();
    let run = |args: &[&str], said: &str| {
        let setup =
            args.iter().fold(publisher(&bind, &resolver, &text), |setup, arg| setup.arg(arg));
        let caddy = setup.start();
        ["example.com", "*.example.com"].iter().for_each(|name| {
            wait_log(&caddy, &format!(" {name}: {}", said.replace("@", name)));
        });
        caddy
    };
    let caddy = run(&[], "HTTPS record published: @. 300 IN HTTPS 1 . alpn=\"h3,h2\"");
    let all = || ["example.com", "any.example.com"].map(|name| bind.dig(name, "HTTPS"));
    assert_eq!(all(), ["1 . alpn=\"h3,h2\""; 2]);
    // What others made is reported, and stays.
    wait_log(&caddy, "own.example.com. 300 IN HTTPS 1 . alpn=\"h3,h2\" ipv4hint=192.0.2.1");
    wait_log(&caddy, "mail.example.com: browsers use HTTP/3 from the second visit only. The name");
    let kept = || {
        assert_eq!(bind.dig("own.example.com", "HTTPS"), "1 . alpn=\"h2\" ipv4hint=192.0.2.1");
        assert_eq!(bind.dig("edge.example.com", "HTTPS"), "");
        assert_eq!(bind.dig("mail.example.com", "CNAME"), "edge.example.com.");
    };
    kept();
    drop(caddy);
    drop(run(&["-http2=false"], "HTTPS record published: @. 300 IN HTTPS 1 . alpn=\"h3\""));
    assert_eq!(all(), ["1 . alpn=\"h3\""; 2]);
    drop(run(&["-quic=false"], "HTTPS record of @ removed, as HTTP/3 is off"));
    assert_eq!(all(), [""; 2]);
    kept();
}

#[test]
fn another_port_is_published_with_its_host() {
    let bind = bind("www A 127.0.0.1");
    let caddy = setup(&bind.resolver(), &site("www.example.com", BY_UPDATE))
        .env("RFC2136_NAMESERVER", &format!("127.0.0.1:{}", bind.port))
        .env("RFC2136_TSIG_KEY", "acme-key.")
        .env("RFC2136_TSIG_SECRET", SECRET)
        .start();
    wait_log(&caddy, "HTTPS record published");
    let name = format!("_{}._https.www.example.com", caddy.port());
    assert_eq!(bind.dig(&name, "HTTPS"), "1 www.example.com. alpn=\"h3,h2\"");
}

#[test]
fn a_refused_update_is_said_with_the_line() {
    let options = "update-policy { grant acme-key zonesub TXT; };";
    let bind = Bind::serve(ZONE, &zone(1, "www A 127.0.0.1"), options);
    let caddy = publisher(&bind, &bind.resolver(), &site("www.example.com", BY_UPDATE)).start();
    wait_log(&caddy, "www.example.com: cannot publish the HTTPS record: dns rfc2136 127.0.0.1:");
    let line = "REFUSED: the key may not update this name; add to the zone: www.example.com. 300 \
                IN HTTPS 1 . alpn=\"h3,h2\"";
    wait_log(&caddy, line);
}

#[test]
fn the_zone_is_believed_and_not_an_old_answer() {
    let bind = bind("www A 127.0.0.1\nwww HTTPS 2 . alpn=\"h2\"");
    let stale = Bind::serve(ZONE, &zone(1, "www A 127.0.0.1"), "");
    let text = site("www.example.com", BY_UPDATE);
    let caddy = publisher(&bind, &stale.resolver(), &text).start();
    wait_log(&caddy, "the zone has other HTTPS records than DNS shows; it stays as it is");
    assert_eq!(bind.dig("www.example.com", "HTTPS"), "2 . alpn=\"h2\"");
}

const PROGRAM: &str = r#"#!/bin/sh
case $2 in
add) change="add $3 $4 $5 $6" ;;
delete) change="delete $3 $4 $5" ;;
*) echo "no such word: $2" >&2; exit 2 ;;
esac
printf 'server 127.0.0.1 %s\nkey hmac-sha256:acme-key @SECRET@\nupdate %s\nsend\n' "$1" "$change" | nsupdate
"#;

#[test]
fn a_program_publishes_changes_and_removes_it() {
    let bind = bind("www A 127.0.0.1");
    let resolver = bind.resolver();
    let options = format!("dns exec sh @DIR@/update {}\nhttps_record publish", bind.port);
    let text = site("www.example.com", &options);
    let run = |args: &[&str], said: &str| {
        let setup = setup(&resolver, &text)
            .arg("-alt-svc-port=443")
            .file("update", PROGRAM.replace("@SECRET@", SECRET));
        let caddy = args.iter().fold(setup, |setup, arg| setup.arg(arg)).start();
        wait_log(&caddy, said);
        bind.dig("www.example.com", "HTTPS")
    };
    assert_eq!(run(&[], "HTTPS record published"), "1 . alpn=\"h3,h2\"");
    assert_eq!(run(&["-http2=false"], "HTTPS record published"), "1 . alpn=\"h3\"");
    assert_eq!(run(&["-quic=false"], "as HTTP/3 is off"), "");
}

#[test]
fn a_word_without_effect_is_a_warning_and_a_check_asks_nothing() {
    let bind = bind("");
    let resolver = bind.resolver();
    let text =
        [site("localhost", "https_record check"), site("www.example.com", "https_record check")]
            .concat();
    let done = setup(&resolver, &text).arg("-validate").output();
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{said}");
    let why = "https_record has no effect: its name is not one of the public DNS";
    assert!(said.contains("Caddyfile:1:1 - ") && said.contains(why), "{said}");
    assert_eq!(said.matches("https_record").count(), 1, "{said}");
    assert!(resolver.asked().is_empty(), "{:?}", resolver.asked());
}
