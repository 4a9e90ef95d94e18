//! DNS-01 by providers with an HTTP API: stand-ins of three of them, with pebble and BIND.

use aws_lc_rs::{digest, hmac};
use serde_json::{Value, json};

use crate::acme::{DAY, PATIENCE, setup, wait_trusted};
use crate::harness::{Asked, Bind, Caddy, DnsApi, Pebble, Resolver, SECRET, Setup, wait_for};

const TOKEN: &str = "token-of-the-test-0123456789";

/// BIND, a resolver in front of it, and the providers that change it.
struct Zone {
    bind: Bind,
    resolver: Resolver,
    api: DnsApi,
}

impl Zone {
    fn start() -> Self {
        let records = "$TTL 60\n@ SOA ns.dns.example. a.dns.example. 1 60 60 600 60\n\
                       @ NS ns.dns.example.\n@ A 127.0.0.1\n* A 127.0.0.1\nns A 127.0.0.1\n\
                       _acme-challenge.alias CNAME _acme-challenge.moved\n\
                       *.wild CNAME elsewhere\nelsewhere A 127.0.0.1\n";
        let options = "update-policy { grant acme-key zonesub ANY; };";
        let bind = Bind::serve("dns.example", records, options);
        let resolver = bind.resolver();
        // Its name server is where its questions are answered.
        bind.update(&format!(
            "update delete ns.dns.example. A\nupdate add ns.dns.example. 60 A {}",
            resolver.ip
        ));
        let api = DnsApi::start(bind.port);
        Self { bind, resolver, api }
    }

    /// A server and its CA.
    fn serve(&self, text: &str, variables: &[(&str, &str)]) -> (Caddy, Pebble) {
        let text = text.replace("tls {", "tls {\neab key-1 @EAB@");
        let setup =
            variables.iter().fold(self.world(&text), |setup, (name, value)| setup.env(name, value));
        let port = |marker: &str| setup.fill(marker).parse().unwrap();
        let dns = Some(self.bind.port);
        let pebble = Pebble::start_with(port("@PORT2@"), port("@PORT@"), DAY, dns);
        let cas = std::fs::read_to_string(pebble.trust()).unwrap() + &self.api.ca;
        let setup = setup.file("cas.pem", cas).arg(&format!("-ca={}", pebble.url()));
        (setup.start(), pebble)
    }

    fn world(&self, text: &str) -> Setup {
        let resolv = format!("nameserver {}\noptions timeout:3 attempts:2\n", self.resolver.ip);
        let setup = setup(text).set("EAB", crate::harness::EAB_KEY).file("resolv.conf", resolv);
        let cas = setup.dir().join("cas.pem").display().to_string();
        setup
            .world("mount --bind @DIR@/resolv.conf /etc/resolv.conf")
            .env("SSL_CERT_FILE", &cas)
            .env("HTTPS_PROXY", &self.api.proxy())
    }

    /// The requests of this method.
    fn asked(&self, method: &str) -> Vec<Asked> {
        self.api.asked().into_iter().filter(|asked| asked.method == method).collect()
    }

    /// All that was set is gone again.
    fn wait_clean(&self, name: &str) {
        wait_for("the removal", PATIENCE, || (self.api.records() == 0).then_some(()));
        let left = self.bind.dig(&format!("_acme-challenge.{name}"), "TXT");
        assert!(!left.contains('"'), "{left}");
    }
}

fn block(name: &str, provider: &str) -> String {
    format!("{name} {{\ntls {{\ndns {provider}\n}}\nstatus 200 /\n}}\n")
}

/// Nothing that the server writes has a credential.
fn assert_hidden(caddy: &Caddy, secrets: &[&str]) {
    for secret in secrets {
        assert!(!caddy.log().contains(secret), "{}", caddy.log());
    }
}

#[test]
fn cloudflare_by_token_proves_a_wildcard() {
    let zone = Zone::start();
    let text = block("*.dns.example", "cloudflare")
        .replace("status 200 /", "status 200 /\non startup sh -c 'env > environment'");
    let variables = [("CF_DNS_API_TOKEN", TOKEN), ("AWS_SECRET_ACCESS_KEY", "of-a-command")];
    let (caddy, pebble) = zone.serve(&text, &variables);
    wait_trusted(&caddy, &pebble.root(), "any.dns.example");
    zone.wait_clean("dns.example");
    let all = zone.api.asked();
    assert!(all.iter().all(|asked| asked.host == "api.cloudflare.com"));
    assert!(all.iter().all(|asked| asked.header("authorization") == format!("Bearer {TOKEN}")));
    let posted = &zone.asked("POST")[0];
    assert_eq!(posted.target, "/client/v4/zones/zone-1/dns_records");
    let body: Value = serde_json::from_str(&posted.body).unwrap();
    assert_eq!(body["name"], "_acme-challenge.dns.example");
    assert_eq!((&body["type"], &body["ttl"]), (&json!("TXT"), &json!(120)));
    assert_eq!(zone.asked("DELETE")[0].target, "/client/v4/zones/zone-1/dns_records/1");
    assert_hidden(&caddy, &[TOKEN]);
    // Its own key no command gets; another provider's is for the command.
    let environment = caddy.read("environment");
    assert!(environment.contains("AWS_SECRET_ACCESS_KEY=of-a-command"), "{environment}");
    assert!(!environment.contains("CF_DNS_API_TOKEN"), "{environment}");
}

#[test]
fn cloudflare_by_the_key_of_an_account_follows_a_cname() {
    let zone = Zone::start();
    let variables = [("CLOUDFLARE_EMAIL", "me@dns.example"), ("CLOUDFLARE_API_KEY", TOKEN)];
    let (caddy, pebble) = zone.serve(&block("alias.dns.example", "cloudflare"), &variables);
    wait_trusted(&caddy, &pebble.root(), "alias.dns.example");
    zone.wait_clean("moved.dns.example");
    for asked in zone.api.asked() {
        assert_eq!(asked.header("x-auth-email"), "me@dns.example");
        assert_eq!((asked.header("x-auth-key"), asked.header("authorization")), (TOKEN, ""));
    }
    let body: Value = serde_json::from_str(&zone.asked("POST")[0].body).unwrap();
    assert_eq!(body["name"], "_acme-challenge.moved.dns.example");
    assert_hidden(&caddy, &[TOKEN, "me@dns.example"]);
}

#[test]
fn digitalocean_with_a_token_from_a_file_sets_beside_a_wildcard() {
    let zone = Zone::start();
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("token").display().to_string();
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let variables = [("DO_AUTH_TOKEN_FILE", &*file)];
    let (caddy, pebble) = zone.serve(&block("a.wild.dns.example", "digitalocean"), &variables);
    wait_trusted(&caddy, &pebble.root(), "a.wild.dns.example");
    zone.wait_clean("a.wild.dns.example");
    let all = zone.api.asked();
    assert!(all.iter().all(|asked| asked.host == "api.digitalocean.com"));
    assert!(all.iter().all(|asked| asked.header("authorization") == format!("Bearer {TOKEN}")));
    let posted = &zone.asked("POST")[0];
    assert_eq!(posted.target, "/v2/domains/dns.example/records");
    let body: Value = serde_json::from_str(&posted.body).unwrap();
    assert_eq!((&body["type"], &body["ttl"]), (&json!("TXT"), &json!(120)));
    assert_eq!(body["name"], "_acme-challenge.a.wild");
    assert_eq!(zone.asked("DELETE")[0].target, "/v2/domains/dns.example/records/1");
    assert_hidden(&caddy, &[TOKEN]);
}

#[test]
fn route53_signs_its_requests() {
    let zone = Zone::start();
    let variables = [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", TOKEN)];
    let variables = [variables[0], variables[1], ("AWS_REGION", "eu-central-1")];
    let (caddy, pebble) = zone.serve(&block("three.dns.example", "route53"), &variables);
    wait_trusted(&caddy, &pebble.root(), "three.dns.example");
    zone.wait_clean("three.dns.example");
    for asked in zone.api.asked() {
        assert_eq!(asked.host, "route53.amazonaws.com");
        assert_eq!(asked.header("authorization"), signature(&asked), "{asked:?}");
    }
    let changes = zone.asked("POST");
    assert_eq!(changes.len(), 2, "{changes:?}");
    for (change, action) in changes.iter().zip(["UPSERT", "DELETE"]) {
        assert_eq!(change.target, "/2013-04-01/hostedzone/Z1/rrset");
        assert!(change.body.contains(&format!("<Action>{action}</Action>")), "{}", change.body);
        assert!(change.body.contains("<Name>_acme-challenge.three.dns.example.</Name>"));
    }
    assert_hidden(&caddy, &[TOKEN]);
}

/// What the header of a request must be (AWS Signature Version 4).
fn signature(asked: &Asked) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let sha = |text: &str| hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    let mac = |key: &[u8], text: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    };
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let names = ["content-type", "host", "x-amz-date"];
    let lines: String =
        names.iter().map(|name| format!("{name}:{}\n", asked.header(name))).collect();
    let names = names.join(";");
    let (method, body) = (&asked.method, sha(&asked.body));
    let request = sha(&format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body}"));
    let time = asked.header("x-amz-date");
    let scope = [&time[..8], "us-east-1", "route53", "aws4_request"];
    let key = scope.iter().fold(format!("AWS4{TOKEN}").into_bytes(), |key, text| mac(&key, text));
    let scope = scope.join("/");
    let signed = mac(&key, &format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request}"));
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIATEST/{scope}, SignedHeaders={names}, Signature={}",
        hex(&signed)
    )
}

#[test]
fn a_refusal_is_told_without_the_key() {
    let zone = Zone::start();
    zone.api.refuse(400, &format!("{{\"errors\": [{{\"message\": \"no token {TOKEN}\"}}]}}"));
    let variables = [("CLOUDFLARE_DNS_API_TOKEN", TOKEN)];
    let (caddy, _pebble) = zone.serve(&block("four.dns.example", "cloudflare"), &variables);
    let words = "dns cloudflare: API error: BadRequest";
    wait_for(words, PATIENCE, || caddy.log().contains(words).then_some(()));
    assert!(caddy.log().contains("no token [...]"), "{}", caddy.log());
    assert_hidden(&caddy, &[TOKEN]);
}

#[test]
fn a_record_that_does_not_appear_is_removed_again() {
    let zone = Zone::start();
    zone.api.be_lazy();
    let variables = [("DO_AUTH_TOKEN", TOKEN), ("DO_PROPAGATION_TIMEOUT", "3")];
    let (caddy, pebble) = zone.serve(&block("five.dns.example", "digitalocean"), &variables);
    let why = format!("ns.dns.example. ({}) did not have", zone.resolver.ip);
    let why = format!("{why} _acme-challenge.five.dns.example. within 3s");
    wait_for(&why, PATIENCE, || caddy.log().contains(&why).then_some(()));
    assert!(caddy.log().contains("set DO_PROPAGATION_TIMEOUT to more seconds"));
    wait_for("the removal", PATIENCE, || (zone.api.records() == 0).then_some(()));
    assert_eq!(zone.asked("DELETE")[0].target, "/v2/domains/dns.example/records/1");
    assert!(!pebble.log().contains("challenge validation"), "the CA was not to be asked");
}

#[test]
fn validate_shows_no_key_and_asks_nobody() {
    let zone = Zone::start();
    let text = block("six.dns.example", "digitalocean") + &block("seven.dns.example", "ovh");
    let setup = zone.world(&text.replace("tls {", "tls {\n")).arg("-validate");
    let setup = setup.env("DO_AUTH_TOKEN", TOKEN).env("OVH_APPLICATION_SECRET", SECRET);
    let done = setup.output();
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(said.contains("dns ovh: OVH_ENDPOINT is not set"), "{said}");
    assert!(!said.contains(TOKEN) && !said.contains(SECRET), "{said}");
    assert!(zone.api.asked().is_empty());
}
