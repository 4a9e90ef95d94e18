//! Small words of the Caddyfile through the whole server.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Origin, Setup, curl, h3_one};

#[test]
fn an_upstream_leads_to_a_hidden_file() {
    let origin = Origin::start();
    let caddy = Setup::new(
        "http://:@PORT@, http://:@PORT2@ {\n root www\n internal /protected\n mime .foo text/foo\n ext .foo\n\
         request_id\n header / X-Request-ID {request_id}\n\
         proxy / @ORIGIN@ {\n except /protected /open\n}\n}",
    )
    .set("ORIGIN", origin.addr)
    .file("www/protected/file.txt", "the file")
    .file("www/open/a.foo", "foo")
    .start();
    assert_eq!(curl(&[], &caddy.plain("/protected/file.txt")).status, 404);
    let led = curl(&[], &caddy.plain("/accel/protected/file.txt"));
    assert_eq!((led.status, led.text().as_str()), (200, "the file"));
    assert_eq!(led.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(led.header("x-accel-redirect"), "");
    let part = curl(&["-r", "4-"], &caddy.plain("/accel/protected/file.txt"));
    assert_eq!((part.status, part.text().as_str()), (206, "file"));
    let typed = curl(&[], &caddy.plain("/open/a"));
    assert_eq!((typed.text().as_str(), typed.header("content-type")), ("foo", "text/foo"));
    assert_eq!(typed.header("x-request-id").len(), 36);
}

/// `kim:secret`, made by `htpasswd -nbBC 8`.
const USERS: &str = "kim:$2y$08$U2CNHY0JIfzPk./CVoC2XujORJkjEV4lxbQFnsHGk/GkJmUKXrg5G\n";

const SAFE: &str = "https://localhost:@PORT@ {\n tls self_signed\n root www\n log access.log\n\
    basicauth /in kim htpasswd=users\n header /in X-User {user}\n}";

#[test]
fn a_password_is_asked_for_over_every_protocol() {
    let caddy = Setup::new(SAFE).file("www/users", USERS).file("www/in/a", "a").start();
    let right = "Basic a2ltOnNlY3JldA==";
    for (field, status) in [("", 401), ("Basic a2ltOnNlY3JlVA==", 401), (right, 200)] {
        let line = format!("Authorization: {field}");
        let h3 = json!({"path": "/in/a", "headers": [["authorization", field]]});
        for answer in [
            curl(&["--http1.1", "-H", &line], &caddy.url("/in/a")),
            curl(&["--http2", "-H", &line], &caddy.url("/in/a")),
            h3_one(caddy.port(), h3),
        ] {
            let challenge =
                if status == 401 { "Basic realm=\"Restricted\", charset=\"UTF-8\"" } else { "" };
            assert_eq!((answer.status, answer.header("www-authenticate")), (status, challenge));
            assert_eq!(answer.header("x-user"), if status == 200 { "kim" } else { "" });
        }
    }
    assert_eq!(curl(&[], &caddy.url("/users")).status, 404, "the file of users is served");
    let log = caddy.read_when("access.log", |log| log.contains(" - kim ["));
    assert!(log.contains(" - kim ["), "{log}");
}

#[test]
fn a_wrong_user_takes_as_long_as_a_wrong_password() {
    let caddy = Setup::new(SAFE).file("www/users", USERS).start();
    let asked = |credentials: &str| {
        let began = Instant::now();
        assert_eq!(curl(&["-u", credentials], &caddy.url("/in/")).status, 401);
        began.elapsed()
    };
    // The quickest of some is the one that nothing else held up; a busy machine gets more rounds.
    let quickest = |credentials| (0..6).map(|_| asked(credentials)).min().unwrap();
    let rounds: Vec<_> = std::iter::repeat_with(|| (quickest("bob:secret"), quickest("kim:wrong")))
        .take(4)
        .scan(false, |done, (user, password)| {
            let go_on = !std::mem::replace(done, user.abs_diff(password) < password / 2);
            go_on.then_some((user, password))
        })
        .collect();
    let (user, password) = *rounds.last().unwrap();
    assert!(user.abs_diff(password) < password / 2, "wrong user, wrong password: {rounds:?}");
    assert!(password > Duration::from_millis(5), "bcrypt in {password:?}");
}

#[test]
fn a_folder_is_listed_without_what_is_never_served() {
    let caddy = Setup::new(
        "http://:@PORT@, http://:@PORT2@ {\n root @DIR@\n browse\n\
         basicauth /in kim htpasswd=users\n push / /style.css\n}",
    )
    .file("users", USERS)
    .file("seen/a&b.txt", "x")
    .start();
    let list = curl(&["-H", "Accept: application/json"], &caddy.plain("/")).text();
    assert!(list.contains("\"seen\""), "{list}");
    assert!(!list.contains("Caddyfile") && !list.contains("users"), "{list}");
    let page = curl(&[], &caddy.plain("/seen/?sort=size"));
    assert!(page.text().contains("a&amp;b.txt</a>"), "{}", page.text());
    assert_eq!(page.header("link"), "</style.css>; rel=preload; as=style");
    let redirect = curl(&[], &caddy.plain("/seen"));
    assert_eq!((redirect.status, redirect.header("location")), (301, "/seen/"));
}
