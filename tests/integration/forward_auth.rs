//! Words by which another server decides: `forward_auth`, `extauth`, `reauth`. It is a stand-in
//! that holds to the documented conventions of Authelia and oauth2-proxy, or nginx.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Answer, Caddy, Nginx, Origin, Service, Setup, by_all, curl, exchange, free_port, h3_one,
    keep_alive, statuses,
};

/// A site with TLS and one without, which ask the server first and then the origin.
fn site(lines: &str) -> String {
    format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n{lines}\n proxy / @ORIGIN@\n}}\n\
         http://:@PORT2@ {{\n{lines}\n proxy / @ORIGIN@\n}}\n"
    )
}

fn authelia(decides: &Service, origin: &Origin) -> Caddy {
    let lines = " forward_auth / http://@AUTH@ {\n  uri /api/authz/forward-auth\n\
                 copy_headers Remote-User Remote-Groups X-Asked Remote-Email>X-Mail\n\
                 except /public\n }\n header / X-Who {user}";
    Setup::new(&site(lines)).set("AUTH", &decides.addr).set("ORIGIN", origin.addr).start()
}

/// The field of the head that the origin got.
fn told(answer: &Answer, name: &str) -> Vec<String> {
    let text = answer.text();
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    let named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn an_authelia_decides_over_every_protocol() {
    let (decides, origin) = (Service::start("forward_auth.py", &[]), Origin::start());
    let caddy = authelia(&decides, &origin);
    for (protocol, answer) in by_all(&caddy, "/head?a=b%20c") {
        assert_eq!(answer.status, 302, "{protocol}: {}", answer.text());
        let target = format!("https%3A%2F%2Flocalhost%3A{}%2Fhead%3Fa%3Db%2520c", caddy.port());
        let portal = format!("https://auth.example.com/?rd={target}&rm=GET");
        assert_eq!(answer.header("location"), portal, "{protocol}");
        assert_eq!(answer.header("set-cookie"), "seen=1; Path=/", "{protocol}");
        assert_eq!(answer.text(), "log in", "{protocol}");
    }
    assert!(origin.requests().is_empty(), "nothing passes");
    let cookie = "Cookie: authelia_session=kim";
    let h3 = json!({"path": "/head", "headers": [["cookie", "authelia_session=kim"]]});
    for answer in [
        curl(&["--http1.1", "-H", cookie], &caddy.url("/head")),
        curl(&["--http2", "-H", cookie], &caddy.url("/head")),
        h3_one(caddy.port(), h3),
    ] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(told(&answer, "remote-user"), ["kim"]);
        assert_eq!(told(&answer, "remote-groups"), ["admins,dev"]);
        assert_eq!(told(&answer, "x-mail"), ["kim@example.com"]);
        assert_eq!(told(&answer, "remote-email"), [""; 0], "it is not copied under this name");
        assert_eq!(answer.header("x-who"), "kim");
        let renewed = "authelia_session=kim; Path=/; HttpOnly; Secure";
        assert_eq!(answer.header("set-cookie"), renewed);
        let asked: Value = serde_json::from_str(&told(&answer, "x-asked")[0]).unwrap();
        assert_eq!(asked["x-forwarded-method"], "GET");
        assert_eq!(asked["x-forwarded-proto"], "https");
        assert_eq!(asked["x-forwarded-host"], format!("localhost:{}", caddy.port()));
        assert_eq!(asked["x-forwarded-for"], "127.0.0.1");
        assert_eq!(asked["host"], decides.addr);
    }
}

#[test]
fn who_may_not_is_told_as_the_server_says() {
    let (decides, origin) = (Service::start("forward_auth.py", &[]), Origin::start());
    let caddy = authelia(&decides, &origin);
    let ajax = ["-H", "X-Requested-With: XMLHttpRequest"];
    assert_eq!(curl(&ajax, &caddy.url("/head")).status, 401);
    let wrong = curl(&["-u", "kim:wrong"], &caddy.url("/head"));
    assert_eq!(wrong.header("www-authenticate"), "Basic realm=\"Authorization Required\"");
    assert_eq!((wrong.status, wrong.text().as_str()), (401, "401 Unauthorized"));
    let head = curl(&["--head"], &caddy.url("/head"));
    assert_eq!((head.status, head.len), (302, 0));
    let posted = curl(&["-d", "secret=1"], &caddy.url("/echo"));
    assert_eq!((posted.status, posted.text().as_str()), (303, "log in"));
    assert!(origin.requests().is_empty(), "nothing passes");
}

#[test]
fn content_goes_to_the_site_only() {
    let (decides, origin) = (Service::start("forward_auth.py", &[]), Origin::start());
    let caddy = authelia(&decides, &origin);
    let cookie = "Cookie: authelia_session=kim";
    for fields in
        [&["--http1.1"][..], &["--http1.1", "-H", "Transfer-Encoding: chunked"], &["--http2"]]
    {
        let options = [fields, &["-H", cookie, "-d", "a=1"]].concat();
        let answer = curl(&options, &caddy.url("/echo"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "a=1"), "{fields:?}");
    }
    let ranged = ["-H", cookie, "-H", "If-None-Match: *", "-r", "0-3"];
    assert_eq!(curl(&ranged, &caddy.url("/size/9")).status, 200);
    assert_eq!(origin.last().header("range"), Some("bytes=0-3"), "the origin is asked as before");
}

#[test]
fn no_client_names_its_own_user() {
    let (decides, origin) = (Service::start("forward_auth.py", &[]), Origin::start());
    let caddy = authelia(&decides, &origin);
    let forged = "Remote-User: root\r\nremote_user: root\r\nREMOTE-GROUPS: wheel\r\nX_Mail: a@b\r\n\
                  X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Uri: /public\r\nX_Forwarded_Host: evil\r\n\
                  Connection: keep-alive, Remote-User, x-mail\r\n";
    for path in ["/public/../head", "//public/%2e%2e/head", "/head/../public"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nCookie: authelia_session=kim\r\n\
                     Connection: close\r\n\r\n"
        );
        let answer = exchange(caddy.port2(), request.as_bytes(), Duration::from_secs(20));
        assert_eq!(statuses(&answer), [400], "{path}: read in two ways");
    }
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    for (path, cookie, users) in [
        ("/head", "Cookie: authelia_session=kim\r\n", &["kim"][..]),
        ("//head", "Cookie: authelia_session=kim\r\n", &["kim"]),
        ("/public/head", "", &[]),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: site\r\n{cookie}{forged}\r\n");
        let (status, _, _) = keep_alive(&mut stream, &request).expect("an answer");
        assert_eq!(status, 200, "{path}");
        let got = origin.last();
        assert_eq!(got.all("remote-user"), users, "{path}: {:?}", got.headers);
        let bad = ["remote_user", "x_mail"];
        assert!(bad.iter().all(|name| got.header(name).is_none()), "{path}: {:?}", got.headers);
        assert!(!format!("{:?}", got.headers).contains("wheel"), "{path}: {:?}", got.headers);
        let Some(asked) = got.header("x-asked") else { continue };
        let asked: Value = serde_json::from_str(asked).unwrap();
        assert_eq!(asked["x-forwarded-uri"], "/head", "{path}");
        assert_eq!(asked["x-forwarded-host"], "site");
        assert_eq!(asked["x_forwarded_host"], Value::Null);
        assert_eq!(asked["x-forwarded-for"], "127.0.0.1");
    }
}

#[test]
fn an_oauth2_proxy_decides() {
    let (decides, origin) = (Service::start("forward_auth.py", &[]), Origin::start());
    let lines = " forward_auth / @AUTH@ {\n  uri /oauth2/auth\n\
                 copy_headers X-Auth-Request-User X-Auth-Request-Email\n }\n header / X-Who {user}";
    let setup = Setup::new(&site(lines)).set("AUTH", &decides.addr).set("ORIGIN", origin.addr);
    let caddy = setup.start();
    let refused = curl(&[], &caddy.url("/head"));
    assert_eq!((refused.status, refused.text().as_str()), (401, "Unauthorized\n"));
    let passed = curl(&["-H", "Cookie: _oauth2_proxy=lee"], &caddy.url("/head"));
    assert_eq!((passed.status, passed.header("x-who")), (200, "lee"), "{}", passed.text());
    assert_eq!(told(&passed, "x-auth-request-email"), ["lee@example.com"]);
    let cookies = passed.headers.iter().filter(|(name, _)| name == "set-cookie").count();
    assert_eq!(cookies, 2, "both parts of the session: {:?}", passed.headers);
}

#[test]
fn a_server_that_is_away_lets_nobody_in() {
    let (decides, origin) = (Service::start("forward_auth.py", &[]), Origin::start());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mute = silent.local_addr().unwrap();
    for (words, status) in [
        (format!("forward_auth / {closed}"), 502),
        (format!("forward_auth / {mute} {{\ntimeout 300ms\n}}"), 504),
        (format!("forward_auth / http://{}/slow {{\ntimeout 300ms\n}}", decides.addr), 504),
        (format!("extauth http://{closed}"), 502),
        (format!("extauth {{\nproxy http://{mute}\ntimeout 300ms\n}}"), 504),
        (format!("reauth {{\npath /\nupstream url=http://{closed}\n}}"), 502),
        (format!("reauth {{\npath /\nupstream url=http://{mute},timeout=300ms\n}}"), 504),
    ] {
        let caddy = Setup::new(&site(&words)).set("ORIGIN", origin.addr).start();
        let answer = curl(&["-u", "kim:secret"], &caddy.plain("/head"));
        assert_eq!(answer.status, status, "{words}: {}", caddy.log());
    }
    assert!(origin.requests().is_empty(), "nothing passes");
}

/// nginx that asks for a password: kim, `secret`.
fn nginx_with_users(dir: &std::path::Path) -> Nginx {
    let users = dir.join("users");
    std::fs::write(&users, "kim:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    Nginx::before(&format!(
        "auth_basic \"nginx knows\"; auth_basic_user_file {}; add_header X-User $remote_user; \
         empty_gif;",
        users.display()
    ))
}

#[test]
fn nginx_decides() {
    let dir = tempfile::tempdir().unwrap();
    let (nginx, origin) = (nginx_with_users(dir.path()), Origin::start());
    for (words, challenge) in [
        ("forward_auth / @AUTH@ {\ncopy_headers X-User\n}", "Basic realm=\"nginx knows\""),
        ("extauth http://@AUTH@", "Basic realm=\"nginx knows\""),
        (
            "reauth {\npath /\nupstream url=http://@AUTH@/x\n}",
            "Basic realm=\"localhost\", charset=\"UTF-8\"",
        ),
    ] {
        let setup = Setup::new(&site(words)).set("AUTH", &nginx.addr).set("ORIGIN", origin.addr);
        let caddy = setup.start();
        for (user, status) in [("kim:secret", 200), ("kim:wrong", 401), ("lee:secret", 401)] {
            let answer = curl(&["-u", user], &caddy.url("/head"));
            assert_eq!(answer.status, status, "{words} {user}: {}", caddy.log());
            let shown = if status == 401 { challenge } else { "" };
            assert_eq!(answer.header("www-authenticate"), shown, "{words} {user}");
        }
        assert_eq!(curl(&[], &caddy.url("/head")).status, 401, "{words}");
        let user = curl(&["-u", "kim:secret", "-H", "X-User: root"], &caddy.url("/head"));
        let users = if words.starts_with("reauth") { "root" } else { "kim" };
        assert_eq!(told(&user, "x-user"), [users], "{words}");
    }
}

#[test]
fn what_a_service_of_ones_own_is_asked() {
    let (service, origin) = (Origin::start(), Origin::start());
    let words = "extauth {\nproxy http://@AUTH@/ask\nprefixes /private /size\n@MORE@\n}";
    for (more, target, cookie, url) in [
        ("", "/ask", Some("a=b"), Some("/private/x?y=z")),
        ("router", "/private/x?y=z", Some("a=b"), Some("/private/x?y=z")),
        ("cookies false", "/ask", None, Some("/private/x?y=z")),
        ("headers false", "/ask", Some("a=b"), None),
    ] {
        let text = site(&words.replace("@MORE@", more));
        let setup = Setup::new(&text).set("AUTH", service.addr).set("ORIGIN", origin.addr);
        let caddy = setup.start();
        service.clear();
        let options = ["-H", "Cookie: a=b", "-H", "X-Auth-URL: /open", "-H", "X-A: 1", "-d", "c=d"];
        assert_eq!(curl(&options, &caddy.plain("/private/x?y=z")).status, 200, "{more}");
        let asked = service.last();
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", target), "{more}");
        assert_eq!(asked.header("cookie"), cookie, "{more}");
        assert_eq!(asked.header("x-auth-url"), url, "{more}");
        assert!(asked.body.is_empty() && asked.header("content-length").is_none(), "{asked:?}");
        let got = origin.last();
        assert_eq!(
            (got.body.as_slice(), got.header("x-a")),
            (&b"c=d"[..], None),
            "{more}: {got:?}"
        );
        assert_eq!(curl(&["-H", "X-A: 1"], &caddy.plain("/open")).status, 200);
        assert_eq!(service.requests().len(), 1, "{more}: /open is not asked about");
        assert_eq!(origin.last().header("x-a"), Some("1"));
    }
}

#[test]
fn users_in_the_caddyfile() {
    let origin = Origin::start();
    let words = "reauth {\npath /\nexcept /open\nsimple kim=secret,lee=\"a,b\"\n}\n\
                 reauth {\npath /open/inner\nsimple max=x\nfailure redirect target=/login?to={uri},code=303\n}\n\
                 header / X-Who {user}";
    let caddy = Setup::new(&site(words)).set("ORIGIN", origin.addr).start();
    for (path, user, status, who) in [
        ("/a", "kim:secret", 200, "kim"),
        ("/a", "lee:a,b", 200, "lee"),
        ("/a", "kim:a,b", 401, ""),
        ("/a", "max:x", 401, ""),
        ("/open", "", 200, ""),
        ("/%6Fpen", "", 200, ""),
        ("/openinner", "", 200, ""),
        ("/open/inner/b?c", "max:x", 200, "max"),
        ("/open/inner/b?c", "kim:secret", 303, ""),
    ] {
        let url = caddy.url(path);
        let options = if user.is_empty() { vec![] } else { vec!["-u", user] };
        let answer = curl(&options, &url);
        assert_eq!((answer.status, answer.header("x-who")), (status, who), "{path} {user}");
        if status == 303 {
            assert_eq!(answer.header("location"), "/login?to=/open/inner/b?c");
        }
    }
    for path in ["/open/../a", "/a/../open"] {
        let answer = curl(&["--path-as-is"], &caddy.url(path));
        assert_eq!(answer.status, 401, "{path}: some server reads it as protected");
    }
}

#[test]
fn what_extauth_lets_in_is_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let (nginx, origin) = (nginx_with_users(dir.path()), Origin::start());
    let words = " extauth http://@AUTH@\n cache {\n  match_path /\n }";
    let setup = Setup::new(&site(words)).set("AUTH", &nginx.addr).set("ORIGIN", origin.addr);
    let caddy = setup.start();
    for count in 1..=2 {
        let answer = curl(&["-u", "kim:secret"], &caddy.url("/size/5"));
        assert_eq!((answer.status, answer.len), (200, 5));
        assert_eq!(origin.requests().len(), count, "asked each time");
    }
    // A client cannot have the proxy remove what the service says.
    let request = "GET /size/5 HTTP/1.1\r\nHost: localhost\r\nConnection: close, X-User\r\n\
                   Authorization: Basic a2ltOnNlY3JldA==\r\n\r\n";
    let got = exchange(caddy.port2(), request.as_bytes(), Duration::from_secs(5));
    assert_eq!(statuses(&got), [200]);
    assert_eq!(origin.last().header("x-user"), Some("kim"));
}
