//! Cookies of a request (RFC 6265).

use std::borrow::Cow;

use http::header::{COOKIE, HeaderMap};

/// The values of the cookies with a name, without the quotes around them.
pub fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let value = |pair: &'a [u8]| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=");
    pairs.map(<[u8]>::trim_ascii).filter_map(value).map(|value| {
        let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        bare.unwrap_or(value)
    })
}

/// The value of the first cookie with a name, as text.
pub fn first<'a>(headers: &'a HeaderMap, name: &'a str) -> Option<Cow<'a, str>> {
    values(headers, name).next().map(String::from_utf8_lossy)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_of_a_name_is_read_without_quotes() {
        let mut headers = HeaderMap::new();
        for line in [&b"a=1; bb=2;c=\"x=y\" ; d"[..], b"a=3; \xff=4; e=\"\xff", b"f=\"; g="] {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        for (name, value) in [
            ("a", Some("1")),
            ("b", None),
            ("bb", Some("2")),
            ("c", Some("x=y")),
            ("d", None),
            ("e", Some("\"\u{fffd}")),
            ("f", Some("\"")),
            ("g", Some("")),
        ] {
            assert_eq!(first(&headers, name).as_deref(), value, "{name}");
        }
        assert!(values(&headers, "a").eq([b"1", b"3"]));
    }
}
