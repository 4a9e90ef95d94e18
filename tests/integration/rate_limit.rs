//! `ratelimit` over all protocols and workers, through a reload, and beside nginx's.

use std::process::Command;

use serde_json::json;

use crate::harness::{Answer, Caddy, Nginx, Origin, Setup, by_all, curl, h3, h3_one};

fn start(lines: &str) -> Caddy {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n root www\n realip 127.0.0.1 ::1\n\
                basicauth /in kim secret\n@LINES@\n}\n";
    let setup = Setup::new(site).set("LINES", lines).file("www/a", "a").file("www/in/a", "in");
    setup.start()
}

/// A request of a client that the proxy names.
fn ask(caddy: &Caddy, protocol: &str, path: &str, client: &str) -> Answer {
    let fields = json!([["x-forwarded-for", client]]);
    match protocol {
        "h3" => h3_one(caddy.port(), json!({"path": path, "headers": fields})),
        version => curl(&[version, "-H", &format!("X-Forwarded-For: {client}")], &caddy.url(path)),
    }
}

#[test]
fn a_client_has_one_quota_over_all_protocols() {
    let caddy = start(" ratelimit 3/hour");
    let protocols = ["--http1.1", "--http2", "h3"];
    for (protocol, (left, most)) in protocols.iter().zip([(2, 1200), (1, 2400), (0, 1200)]) {
        let answer = ask(&caddy, protocol, "/a", "192.0.2.1");
        assert_eq!(answer.status, 200, "{protocol}");
        assert_eq!(answer.header("ratelimit-policy"), "\"/\";q=3;w=3600", "{protocol}");
        // Seconds may pass between the requests.
        let head = format!("\"/\";r={left};t=");
        let time = answer.header("ratelimit").strip_prefix(&head).unwrap_or_default();
        let time: u64 = time.parse().unwrap_or_else(|_| panic!("{protocol}: {answer:?}"));
        assert!((most - 20..=most).contains(&time), "{protocol}: {time}");
    }
    for protocol in protocols {
        let answer = ask(&caddy, protocol, "/a", "192.0.2.1");
        assert_eq!(answer.status, 429, "{protocol}");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1100..=1200).contains(&wait), "{protocol}: {wait}");
        assert_eq!(answer.header("ratelimit"), format!("\"/\";r=0;t={wait}"), "{protocol}");
        assert_eq!(answer.header("x-ratelimit-retryafter"), format!("{wait}s"), "{protocol}");
        assert!(!answer.text().starts_with('a'), "{protocol}");
    }
    assert_eq!(ask(&caddy, "h3", "/a", "192.0.2.2").status, 200);
    // One subscriber of IPv6.
    for (last, status) in [(1, 200), (2, 200), (3, 200), (4, 429)] {
        let client = format!("2001:db8::{last}:1");
        assert_eq!(ask(&caddy, "h3", "/a", &client).status, status, "{client}");
    }
}

#[test]
fn many_connections_get_exactly_the_quota() {
    let caddy = start(" ratelimit / 1 100 hour");
    let url = caddy.url("/a?[1-75]");
    let clients: Vec<_> = ["--http1.1", "--http2", "--http1.1", "--http2"]
        .iter()
        .map(|version| {
            let mut curl = Command::new("curl");
            curl.args(["-s", "-k", "--noproxy", "*", "-Z", "--parallel-max", "25", version]);
            curl.args(["-H", "X-Forwarded-For: 192.0.2.1", "-o", "/dev/null"]);
            curl.args(["-w", "%{http_code}\n", &url]).stdout(std::process::Stdio::piped());
            curl.spawn().unwrap()
        })
        .collect();
    let fields = json!([["x-forwarded-for", "192.0.2.1"]]);
    let requests = vec![json!({"path": "/a", "headers": fields}); 50];
    let answers = h3(caddy.port(), json!({"requests": requests}));
    let mut codes: Vec<_> = answers["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| answer["status"].to_string())
        .collect();
    for client in clients {
        let said = client.wait_with_output().unwrap();
        codes.extend(String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned));
    }
    let count = |code: &str| codes.iter().filter(|one| *one == code).count();
    assert_eq!((count("200"), count("429")), (100, 250), "{codes:?}");
}

#[test]
fn a_reload_forgets_no_client() {
    let caddy = start(" ratelimit 1/hour");
    assert_eq!(ask(&caddy, "--http2", "/a", "192.0.2.1").status, 200);
    caddy.reload();
    assert_eq!(ask(&caddy, "--http2", "/a", "192.0.2.1").status, 429);
    assert_eq!(ask(&caddy, "--http2", "/a", "192.0.2.2").status, 200);
}

/// The user is known behind `basicauth`, and a wrong password counts by address.
#[test]
fn users_and_failed_passwords_have_limits() {
    let caddy = start(
        " ratelimit /in 2/hour {\n key user\n}\n ratelimit * 1 3 hour {\n /in\n status 401\n}",
    );
    let ask = |password: &str, client: &str| {
        let field = format!("X-Forwarded-For: {client}");
        curl(&["-u", &format!("kim:{password}"), "-H", &field], &caddy.url("/in/a")).status
    };
    for (password, client, status) in [
        ("secret", "192.0.2.1", 200),
        ("secret", "192.0.2.2", 200),
        ("secret", "192.0.2.3", 429),
        ("wrong", "192.0.2.4", 401),
        ("wrong", "192.0.2.4", 401),
        ("wrong", "192.0.2.4", 401),
        ("wrong", "192.0.2.4", 429),
        ("secret", "192.0.2.4", 429),
        ("wrong", "192.0.2.5", 401),
    ] {
        assert_eq!(ask(password, client), status, "{password} {client}");
    }
}

/// nginx lets as many in at once: its burst does not count the first.
#[test]
fn nginx_lets_as_many_in() {
    let origin = Origin::start();
    let caddy = Setup::new(
        "http://localhost:@PORT@, http://localhost:@PORT2@ {\n ratelimit * / 1 6 minute\n\
         proxy / @ORIGIN@\n}\n",
    )
    .set("ORIGIN", origin.addr)
    .start();
    let nginx = Nginx::limiting(1, 5);
    let statuses = |url: &str| (0..9).map(|_| curl(&[], url).status).collect::<Vec<_>>();
    let (ours, theirs) =
        (statuses(&caddy.plain("/")), statuses(&format!("http://{}/", nginx.addr)));
    assert_eq!(ours, theirs);
    assert_eq!(origin.requests().len(), 6, "the others did not reach it");
}

#[test]
fn errors_have_their_page() {
    let caddy = Setup::new(
        "https://localhost:@PORT@ {\n tls self_signed\n root www\n ratelimit / 1 3 hour\n\
         errors {\n 429 slow.html\n}\n}\n",
    )
    .file("www/slow.html", "<p>slow down")
    .file("www/a", "a")
    .start();
    for (protocol, answer) in by_all(&caddy, "/a") {
        assert_eq!(answer.status, 200, "{protocol}");
    }
    for (protocol, answer) in by_all(&caddy, "/a") {
        assert_eq!((answer.status, answer.text().as_str()), (429, "<p>slow down"), "{protocol}");
        assert_ne!(answer.header("retry-after"), "", "{protocol}");
    }
}
