//! The names of what is kept for one CA: the layout of Caddy 0.9 to 1.0, so that its folder is
//! picked up as it is, and the files that are new.

use crate::tls::wanted::Wanted;

/// Let's Encrypt as v1 knew it: its certificates lie under the old name.
const OLD_NAMES: &[(&str, &str)] =
    &[("acme-v02.api.letsencrypt.org", "acme-v01.api.letsencrypt.org")];

/// The entries of one name's certificate.
#[derive(Debug, Clone)]
pub(super) struct Places {
    folder: String,
    domain: String,
}

impl Places {
    pub(super) fn of(wanted: &Wanted) -> Self {
        Self::at(&ca_host(&wanted.ca), &wanted.name)
    }

    /// Where v1 kept it, if that was elsewhere.
    pub(super) fn old(wanted: &Wanted) -> Option<Self> {
        let host = ca_host(&wanted.ca);
        let (_, old) = OLD_NAMES.iter().find(|(new, _)| *new == host)?;
        Some(Self::at(old, &wanted.name))
    }

    fn at(ca_host: &str, name: &str) -> Self {
        let domain = name.to_ascii_lowercase().replace('*', "wildcard_");
        Self { folder: format!("acme/{ca_host}/sites/{domain}"), domain }
    }

    pub(super) fn certificate(&self) -> String {
        self.entry("crt")
    }

    pub(super) fn key(&self) -> String {
        self.entry("key")
    }

    /// What is known besides: the challenge that worked.
    pub(super) fn facts(&self) -> String {
        self.entry("json")
    }

    /// The order under way with its key, so that a new process takes it up.
    pub(super) fn order(&self) -> String {
        self.entry("order")
    }

    /// Chain and key together, until both are in place of the old ones.
    pub(super) fn arrived(&self) -> String {
        self.entry("arrived")
    }

    /// Failures so far and when to try again.
    pub(super) fn retry(&self) -> String {
        self.entry("retry")
    }

    /// The lock against other processes.
    pub(super) fn lock(&self) -> String {
        self.domain.clone()
    }

    fn entry(&self, kind: &str) -> String {
        format!("{}/{}.{kind}", self.folder, self.domain)
    }
}

/// The folder of a CA's accounts.
pub(super) fn users(ca: &str) -> String {
    format!("acme/{}/users", ca_host(ca))
}

/// The lock on a CA's accounts against other processes.
pub(super) fn accounts_lock(ca: &str) -> String {
    format!("accounts-{}", ca_host(ca))
}

/// An account's entry: `json` or `key`.
pub(super) fn account(ca: &str, email: &str, kind: &str) -> String {
    let email = if email.is_empty() { "default".to_owned() } else { email.to_ascii_lowercase() };
    let email = email.replace('/', "_");
    let local = match email.split_once('@') {
        Some((local, _)) if !local.is_empty() => local,
        _ => &email,
    };
    format!("{}/{email}/{local}.{kind}", users(ca))
}

/// `host[:port]` of the directory's URL.
fn ca_host(ca: &str) -> String {
    let rest = ca.split_once("://").map_or(ca, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_v1() {
        let wanted = |name: &str, ca: &str| Wanted {
            name: name.to_owned(),
            ca: ca.to_owned(),
            ..Wanted::default()
        };
        let le = "https://acme-v02.api.letsencrypt.org/directory";
        let places = Places::of(&wanted("A.example", le));
        assert_eq!(
            places.certificate(),
            "acme/acme-v02.api.letsencrypt.org/sites/a.example/a.example.crt"
        );
        let old = Places::old(&wanted("a.example", le)).unwrap();
        assert!(old.key().starts_with("acme/acme-v01.api.letsencrypt.org/sites/"));
        assert!(Places::old(&wanted("a.example", "https://ca.example/dir")).is_none());
        let star = Places::of(&wanted("*.a.example", "https://127.0.0.1:14000/dir"));
        assert_eq!(
            star.key(),
            "acme/127.0.0.1:14000/sites/wildcard_.a.example/wildcard_.a.example.key"
        );
        for (email, expected) in [
            ("Me@Mail.example", "me@mail.example/me.json"),
            ("", "default/default.json"),
            ("../x@y", ".._x@y/.._x.json"),
        ] {
            let entry = account("https://ca.example/", email, "json");
            assert_eq!(entry, format!("acme/ca.example/users/{expected}"));
        }
    }
}
