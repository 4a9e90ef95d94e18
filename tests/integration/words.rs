//! Small words of the Caddyfile through the whole server.

use crate::harness::{Origin, Setup, curl};

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
