//! `jwt` against PyJWT: tokens by every algorithm, keys that change, and sets of keys.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Origin, Service, Setup, curl, h3_one, python_script, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

/// A key for each algorithm in the folder, and a token by it.
fn tokens(folder: &std::path::Path) -> Vec<(String, String)> {
    let done = python_script("tokens.py").arg("make").arg(folder).output().unwrap();
    let tokens: Value = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    let pairs = tokens.as_object().unwrap().iter();
    pairs.map(|(name, token)| (name.clone(), token.as_str().unwrap().to_owned())).collect()
}

fn status(url: &str, token: &str) -> u16 {
    curl(&["-H", &format!("Authorization: Bearer {token}")], url).status
}

#[test]
fn every_algorithm_is_verified_by_its_own_key_only() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), Origin::start());
    let tokens = tokens(dir.path());
    assert_eq!(tokens.len(), 13);
    let mut lines = String::new();
    for (name, _) in &tokens {
        let option = if name.starts_with("HS") { "secret" } else { "publickey" };
        let file = dir.path().join(format!("{name}.pem"));
        lines += &format!("jwt {{\npath /head/{name}\n{option} {}\n}}\n", file.display());
    }
    let text =
        format!("https://localhost:@PORT@ {{\n tls self_signed\n{lines}\n proxy / @ORIGIN@\n}}");
    let caddy = Setup::new(&text).set("ORIGIN", origin.addr).start();
    for (name, token) in &tokens {
        let path = format!("/head/{name}");
        let field = format!("Authorization: Bearer {token}");
        let h3 = json!({"path": path, "headers": [
            ["authorization", format!("Bearer {token}")], ["token-claim-sub", "root"]]});
        for answer in [
            curl(&["--http1.1", "-H", &field, "-H", "Token_Claim_Sub: root"], &caddy.url(&path)),
            curl(&["--http2", "-H", &field, "-H", "Token-Claim-Sub: root"], &caddy.url(&path)),
            h3_one(caddy.port(), h3),
        ] {
            assert_eq!(answer.status, 200, "{name} over {}: {}", answer.version, caddy.log());
            let text = answer.text().to_lowercase();
            assert!(text.contains("\r\ntoken-claim-sub: kim\r\n"), "{text}");
            assert!(text.contains("\r\ntoken-claim-role: dev,ops\r\n"), "{text}");
            assert!(!text.contains("root"), "{text}");
        }
    }
    origin.clear();
    let family = |name: &str| match &name[..2] {
        "PS" => "RS".to_owned(),
        _ if name.starts_with("ES") => name.to_owned(),
        start => start.to_owned(),
    };
    for (name, _) in &tokens {
        let other = tokens.iter().find(|(other, _)| family(other) != family(name)).unwrap();
        let answer = status(&caddy.url(&format!("/head/{name}")), &other.1);
        assert_eq!(answer, 401, "{} for {name}", other.0);
    }
    assert!(origin.requests().is_empty(), "nothing passes");
}

#[test]
fn a_file_of_keys_may_change() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = tokens(dir.path());
    let token = |name: &str| tokens.iter().find(|(named, _)| named == name).unwrap().1.clone();
    let caddy =
        Setup::new("http://:@PORT@ {\n root www\n jwt {\npath /\npublickey www/key.pem\n}\n}")
            .file("www/a", "a")
            .start();
    let url = format!("http://localhost:{}/a", caddy.port());
    assert_eq!(status(&url, &token("ES256")), 401, "there is no key yet");
    for name in ["ES256", "EdDSA"] {
        std::fs::copy(dir.path().join(format!("{name}.pem")), caddy.path("www/key.pem")).unwrap();
        let passes = || (status(&url, &token(name)) == 200).then_some(());
        wait_for("the new key", PATIENCE, passes);
    }
    assert_eq!(status(&url, &token("ES256")), 401, "the old key has gone");
    let hidden = format!("http://localhost:{}/key.pem", caddy.port());
    assert_eq!(status(&hidden, &token("EdDSA")), 404, "a key is no page");
    std::fs::write(caddy.path("www/key.pem"), "no key").unwrap();
    wait_for("the warning", PATIENCE, || {
        caddy.log().contains("the last keys are used").then_some(())
    });
    assert_eq!(status(&url, &token("EdDSA")), 200);
    std::fs::remove_file(caddy.path("www/key.pem")).unwrap();
    wait_for("no key", PATIENCE, || (status(&url, &token("EdDSA")) == 401).then_some(()));
}

#[test]
fn a_set_of_keys_rotates() {
    let keys = Service::start("tokens.py", &["serve"]);
    let text = "http://:@PORT@ {\n root www\n jwt {\npath /\njwks http://@KEYS@/keys\n}\n}";
    let caddy = Setup::new(text).set("KEYS", &keys.addr).file("www/a", "a").start();
    let url = format!("http://localhost:{}/a", caddy.port());
    let at_keys = |path: &str| curl(&[], &format!("http://{}{path}", keys.addr)).text();
    let first = at_keys("/token");
    assert_eq!(status(&url, &first), 200, "the first request waits for the keys: {}", caddy.log());
    at_keys("/rotate");
    let second = at_keys("/token");
    wait_for("the new key", PATIENCE, || (status(&url, &second) == 200).then_some(()));
    assert_eq!(status(&url, &first), 401, "its key has gone");
    at_keys("/break");
    at_keys("/rotate");
    let third = at_keys("/token");
    wait_for("the failure", PATIENCE, || {
        assert_eq!(status(&url, &third), 401, "its key is not known");
        caddy.log().contains("the last ones are used").then_some(())
    });
    assert_eq!(status(&url, &second), 200, "a server that fails changes nothing");
}

#[test]
fn the_environment_has_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = tokens(dir.path());
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    for (variable, file, name) in
        [("JWT_SECRET", "HS384.pem", "HS384"), ("JWT_PUBLIC_KEY", "RS256.pem", "PS512")]
    {
        let caddy = Setup::new("http://:@PORT@ {\n root www\n jwt /\n header / X-Who {user}\n}")
            .env(variable, &read(file))
            .file("www/a", "a")
            .start();
        let token = &tokens.iter().find(|(named, _)| named == name).unwrap().1;
        let url = format!("http://localhost:{}/a", caddy.port());
        let answer = curl(&["-b", &format!("jwt_token={token}")], &url);
        assert_eq!((answer.status, answer.header("x-who")), (200, "kim"), "{variable}");
        assert_eq!(status(&url, "a.b.c"), 401);
    }
}

/// `kim:secret`, made by `htpasswd -nbBC 8`.
const USERS: &str = "kim:$2y$08$U2CNHY0JIfzPk./CVoC2XujORJkjEV4lxbQFnsHGk/GkJmUKXrg5G\n";

#[test]
fn a_page_gives_tokens_over_every_protocol() {
    let text = "https://localhost:@PORT@ {\n tls self_signed\n root www\n\
                login {\nhtpasswd file=www/users\njwt_secret_file secret\nlogout_url /bye\n}\n\
                jwt {\npath /\nredirect /login?backTo={rewrite_uri}\n}\n header / X-Who {user}\n}";
    let secret = "a secret that is long enough for HMAC with SHA-512, which needs sixty-four bytes";
    let setup = Setup::new(text).file("www/users", USERS).file("www/a", "a");
    let caddy = setup.file("secret", format!("{secret}\n")).start();
    let sent = curl(&[], &caddy.url("/a?b=c"));
    assert_eq!((sent.status, sent.header("location")), (303, "/login?backTo=/a?b=c"));
    for protocol in ["--http1.1", "--http2"] {
        let form = ["-H", "Accept: text/html", "-d", "username=kim&password=secret", protocol];
        let url = caddy.url("/login?backTo=/a%3Fb=c");
        let answer = curl(&form, &url);
        assert_eq!((answer.status, answer.header("location")), (303, "/a?b=c"), "{}", caddy.log());
        let cookie = answer.header("set-cookie");
        assert!(cookie.ends_with("; Path=/; HttpOnly; Secure; SameSite=Lax"), "{cookie}");
        let session = cookie.split(';').next().unwrap();
        let page = curl(&["-b", session, protocol], &caddy.url("/a"));
        assert_eq!((page.text().as_str(), page.header("x-who")), ("a", "kim"));
        let h3 = json!({"path": "/a", "headers": [["cookie", session]]});
        assert_eq!(h3_one(caddy.port(), h3).header("x-who"), "kim");
        let token = session.split_once('=').unwrap().1;
        let file = caddy.path("key");
        std::fs::write(&file, secret).unwrap();
        let read = python_script("tokens.py").args(["read", token]).arg(file).arg("HS512").output();
        let claims: Value = serde_json::from_slice(&read.unwrap().stdout).unwrap();
        assert_eq!((&claims["sub"], &claims["origin"]), (&json!("kim"), &json!("htpasswd")));
    }
    for (fields, status) in [
        (&["-d", "username=kim&password=wrong"][..], 403),
        (&["-d", "username=lee&password=secret"], 403),
        (&["-d", "username=kim&password=secret", "-H", "Origin: https://evil.example"], 403),
        (&["-X", "DELETE"], 303),
    ] {
        let answer = curl(fields, &caddy.url("/login"));
        assert_eq!(answer.status, status, "{fields:?}");
        assert!(!answer.header("set-cookie").contains("kim"), "{fields:?}");
    }
    let session = ["-b", "jwt_token=x"];
    assert_eq!(curl(&session, &caddy.url("/users")).status, 303, "without a token");
}
