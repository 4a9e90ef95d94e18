//! Fields by which this server tells those behind it who the client is. No client may send them
//! itself.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};

use super::request::join;

/// Whether a server may take a field for another: programs get fields as variables, in whose names
/// `Remote-User`, `remote_user` and `Remote.User` are the same.
pub fn reads_as(name: &str, vouched: &str) -> bool {
    name.len() == vouched.len() && starts_as(name, vouched)
}

/// The same of the beginning of a name.
pub fn starts_as(name: &str, prefix: &str) -> bool {
    let read =
        |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' };
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(a, b)| read(a) == read(b))
}

/// Removes the client's own fields of this kind, and their names from `Connection`: with it a
/// client could have a proxy remove what this server adds.
pub fn remove(headers: &mut HeaderMap, is_vouched: impl Fn(&str) -> bool) {
    let forged: Vec<HeaderName> =
        headers.keys().filter(|name| is_vouched(name.as_str())).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
    let Some(line) = join(headers.get_all(CONNECTION).iter()) else { return };
    let names = || line.split(',').map(str::trim);
    if !names().any(&is_vouched) {
        return;
    }
    headers.remove(CONNECTION);
    let left: Vec<&str> = names().filter(|name| !is_vouched(name)).collect();
    if let Ok(value) = HeaderValue::try_from(left.join(", "))
        && !left.is_empty()
    {
        headers.insert(CONNECTION, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_gets_through() {
        let mut headers = HeaderMap::new();
        for name in ["Remote-User", "remote_user", "REMOTE.USER", "remote-users", "x-remote-user"] {
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("kim"));
        }
        headers.append(CONNECTION, HeaderValue::from_static("upgrade, Remote_User"));
        headers.append(CONNECTION, HeaderValue::from_static("remote-user"));
        remove(&mut headers, |name| reads_as(name, "Remote-User"));
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["connection", "remote-users", "x-remote-user"]);
        assert_eq!(headers[CONNECTION], "upgrade");
        headers.insert(CONNECTION, HeaderValue::from_static("x-remote-user"));
        remove(&mut headers, |name| starts_as(name, "x_remote-"));
        assert_eq!(headers.len(), 1, "{headers:?}");
    }
}
