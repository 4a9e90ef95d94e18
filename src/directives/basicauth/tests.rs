//! Which credentials are accepted for which paths.

use http::Response;

use super::*;
use crate::directives::testing;
use crate::http::Body;
use crate::http::request::tests::request;
use crate::site::Site;

const FILE: &str = "# users\nkim:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\
    lee:$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1:a comment\nold:rqXexS6ZhobKA\n";

fn built(lines: &str) -> Result<Site, String> {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("users"), FILE).unwrap();
    let mut site = testing::site_in(root.path(), "basicauth", setup, lines)?;
    site.push(testing::Answer(|req: &mut Request| {
        assert!(!req.head.headers.contains_key("authorization") || req.user.is_none());
        Ok(Response::new(Body::from(req.user.clone().unwrap_or_default())))
    }));
    Ok(site.build())
}

/// The accepted user, or the challenge.
async fn ask(site: &Site, target: &str, credentials: &str) -> String {
    let mut req = request("GET", target);
    if !credentials.is_empty() {
        let value = format!("Basic {}", BASE64_STANDARD.encode(credentials));
        req.head.headers.insert("authorization", value.parse().unwrap());
    }
    match site.handle(&mut req).await {
        Ok(_) => req.user.unwrap_or_else(|| "open".to_owned()),
        Err(fault) => {
            let challenge = fault.headers["www-authenticate"].to_str().unwrap();
            format!("{} {challenge}", fault.status.as_u16())
        }
    }
}

#[tokio::test]
async fn who_is_let_in() {
    let refused = "401 Basic realm=\"Restricted\", charset=\"UTF-8\"";
    let named = "401 Basic realm=\"a \\\"b\\\"\", charset=\"UTF-8\"";
    let site = built(
        "basicauth /one bob hiccup\nbasicauth kim htpasswd=users {\nrealm \"a \\\"b\\\"\"\n/two\n\
         /three\n}\nbasicauth /two lee htpasswd=users\nbasicauth /one ann \"a:b\"\nbasicauth /one zoë grün\n\
         basicauth /four kim hash={SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    )
    .unwrap();
    for (target, credentials, expected) in [
        ("/", "", "open"),
        ("/one", "", refused),
        ("/%6fne/x", "", refused),
        ("//one", "bob:wrong", refused),
        ("/one", "bob:hiccup", "bob"),
        ("/one", "ann:a:b", "ann"),
        ("/one", "zoë:grün", "zoë"),
        ("/one", "kim:secret", refused),
        ("/one", "bob", refused),
        ("/one", "bob:hiccuphiccup", refused),
        ("/onetwo", "", refused),
        ("/ONE/../x", "", refused),
        ("/on", "", "open"),
        ("/two", "kim:secret", "kim"),
        ("/two", "lee:password", "lee"),
        ("/two", "lee:password", "lee"),
        ("/two", "lee:passwort", named),
        ("/three", "lee:password", named),
        ("/three", "nobody:password", named),
        ("/four", "kim:secret", "kim"),
        ("/four", "kim:hash={SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", refused),
    ] {
        assert_eq!(ask(&site, target, credentials).await, expected, "{target} {credentials}");
    }
}

#[tokio::test]
async fn fields_that_are_no_credentials() {
    let site = built("basicauth / bob hiccup").unwrap();
    let encoded = BASE64_STANDARD.encode("bob:hiccup");
    for (value, expected) in [
        (format!("basic  {encoded}"), true),
        (format!("BASIC {encoded}"), true),
        (format!("Bearer {encoded}"), false),
        ("Basic".to_owned(), false),
        ("Basic ????".to_owned(), false),
    ] {
        let mut req = request("GET", "/");
        req.head.headers.insert("authorization", value.parse().unwrap());
        assert_eq!(site.handle(&mut req).await.is_ok(), expected, "{value}");
    }
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("basicauth /", "Wrong argument count or unexpected line ending after '/'"),
        ("basicauth bob hiccup", "basicauth: no path is protected"),
        ("basicauth / no htpasswd=users", "basicauth: user 'no' is not in users"),
        ("basicauth / kim htpasswd=none", "basicauth: cannot read "),
        (
            "basicauth / old htpasswd=users",
            "basicauth: invalid password of 'old' in users: unsupported hash format",
        ),
        ("basicauth / bob hash=$5$x", "basicauth: invalid password of 'bob': unsupported hash"),
        ("basicauth bob hiccup /x", "basicauth: the path '/x' comes first"),
        ("basicauth bob a {\n/x /y\n}", "Wrong argument count or unexpected line ending after"),
        ("basicauth bob a {\n/x\nrealm \"\u{7}\"\n}", "basicauth: '\u{7}' cannot be sent"),
    ] {
        let error = built(lines).err().unwrap_or_default();
        assert!(error.starts_with(message), "{lines}: {error}");
    }
}
