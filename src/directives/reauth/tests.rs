//! What blocks are read as.

use super::*;
use crate::directives::testing;

#[test]
fn what_is_refused() {
    for (block, message) in [
        ("", "reauth: no path is protected"),
        ("path /", "reauth: nobody knows the users"),
        ("path / /a", "Wrong argument count"),
        ("path a:80", "'a:80' is not a path"),
        ("path /\nsimple kim", "reauth: 'kim' is not NAME=VALUE"),
        ("path /\nsimple kim=", "reauth: user 'kim' needs a name and a password"),
        ("path /\nupstream timeout=1s", "reauth: an upstream needs url=URL"),
        ("path /\nupstream url=auth", "reauth: url must begin with http:// or https://"),
        ("path /\nupstream url=http://a,timeout=x", "reauth: timeout must be a duration"),
        ("path /\nupstream url=http://a,skipverify=maybe", "reauth: skipverify must be true or"),
        ("path /\nupstream url=http://a,follow=true", "reauth: redirects are not followed"),
        ("path /\nupstream url=http://a,b=c", "reauth: unknown option 'b'"),
        ("path /\nldap url=ldap://a", "reauth: the backend 'ldap' is not supported"),
        ("path /\nrefresh url=http://a", "reauth: the backend 'refresh' is not supported"),
        ("path /\ngitlabci url=http://a", "reauth: the backend 'gitlabci' is not supported"),
        ("path /\nsimple a=b\nfailure page", "unknown failure 'page'"),
        ("path /\nsimple a=b\nfailure redirect", "reauth: a redirect needs target=URL"),
        ("path /\nsimple a=b\nfailure status code=200", "reauth: code must be a status from 400"),
        ("path /\nsimple a=b\nfailure httpbasic realm=\u{7}", "reauth: '\u{7}' cannot be sent"),
    ] {
        let lines = format!("reauth {{\n{block}\n}}");
        let error = testing::site("reauth", setup, &lines).err().unwrap_or_default();
        assert!(error.starts_with(message), "{block}: {error}");
    }
}
