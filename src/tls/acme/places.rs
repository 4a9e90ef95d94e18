//! The storage keys of a CA: the layout of Caddy 0.9 to 1.0, so that its folder can be reused, and
//! additional files.

use crate::tls::certificate_spec::CertificateSpec;

/// Let's Encrypt's old host name, under which v1 stored its certificates.
const OLD_NAMES: &[(&str, &str)] =
    &[("acme-v02.api.letsencrypt.org", "acme-v01.api.letsencrypt.org")];

/// On how many pages it is noted when certificates are to be renewed.
pub(super) const ADVICE_PAGES: usize = 16;

/// The storage keys of a certificate.
#[derive(Debug, Clone)]
pub(super) struct Places {
    folder: String,
    domain: String,
}

impl Places {
    pub(super) fn of(spec: &CertificateSpec) -> Self {
        Self::at(&ca_host(&spec.ca), &spec.name)
    }

    /// The keys of v1, if they differ.
    pub(super) fn old(spec: &CertificateSpec) -> Option<Self> {
        let host = ca_host(&spec.ca);
        let (_, old) = OLD_NAMES.iter().find(|(new, _)| *new == host)?;
        Some(Self::at(old, &spec.name))
    }

    /// Those of which `certificate` is the certificate.
    pub(super) fn of_certificate(certificate: &str) -> Option<Self> {
        let (folder, file) = certificate.rsplit_once('/')?;
        let domain = file.strip_suffix(".crt")?;
        Some(Self { folder: folder.to_owned(), domain: domain.to_owned() })
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

    /// Metadata: the last successful challenge.
    pub(super) fn facts(&self) -> String {
        self.entry("json")
    }

    /// The order in progress with its key, for another process to resume.
    pub(super) fn order(&self) -> String {
        self.entry("order")
    }

    /// Chain and key in one file, until both are installed.
    pub(super) fn arrived(&self) -> String {
        self.entry("arrived")
    }

    /// The backoff.
    pub(super) fn retry(&self) -> String {
        self.entry("retry")
    }

    /// The name of its lock.
    pub(super) fn lock(&self) -> String {
        self.domain.clone()
    }

    fn entry(&self, kind: &str) -> String {
        format!("{}/{}.{kind}", self.folder, self.domain)
    }
}

/// A page of what CAs have said about when to renew. Another form of its content needs another
/// name, so that machines of different versions leave it alone.
pub(super) fn advice(number: usize) -> String {
    format!("advice/1-{number}")
}

/// The folder of a CA's accounts.
pub(super) fn users(ca: &str) -> String {
    format!("acme/{}/users", ca_host(ca))
}

/// The name of the lock on a CA's accounts.
pub(super) fn accounts_lock(ca: &str) -> String {
    format!("accounts-{}", ca_host(ca))
}

/// The key of an account's entry of this kind: `json` or `key`.
pub(super) fn account(ca: &str, email: &str, kind: &str) -> String {
    let email = if email.is_empty() { "default".to_owned() } else { email.to_ascii_lowercase() };
    let email = email.replace('/', "_");
    let local = match email.split_once('@') {
        Some((local, _)) if !local.is_empty() => local,
        _ => &email,
    };
    format!("{}/{email}/{local}.{kind}", users(ca))
}

/// `host[:port]` of the directory URL.
fn ca_host(ca: &str) -> String {
    let rest = ca.split_once("://").map_or(ca, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_v1() {
        let spec = |name: &str, ca: &str| CertificateSpec {
            name: name.to_owned(),
            ca: ca.to_owned(),
            ..CertificateSpec::default()
        };
        let le = "https://acme-v02.api.letsencrypt.org/directory";
        let places = Places::of(&spec("A.example", le));
        assert_eq!(
            places.certificate(),
            "acme/acme-v02.api.letsencrypt.org/sites/a.example/a.example.crt"
        );
        let old = Places::old(&spec("a.example", le)).unwrap();
        assert!(old.key().starts_with("acme/acme-v01.api.letsencrypt.org/sites/"));
        assert!(Places::old(&spec("a.example", "https://ca.example/dir")).is_none());
        let star = Places::of(&spec("*.a.example", "https://127.0.0.1:14000/dir"));
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
