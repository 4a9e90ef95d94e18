//! Which sites should have a record, where in DNS, and what it should say.

use std::net::IpAddr;

use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::rdata::svcb::SVCB;

use super::record;
use crate::limits::HTTPS_RECORD_TTL;
use crate::tls::{Certificates, Dns, HttpsRecord, Policy};

/// The usual port, whose records stand at the name itself.
const HTTPS_PORT: u16 = 443;

/// Ends of names that the DNS of the internet does not have (RFC 6761, 6762, 8375 and 9476, and
/// what ICANN has set aside or networks use inside).
const NOT_PUBLIC: &[&str] = &[
    "alt",
    "corp",
    "example",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localhost",
    "mail",
    "onion",
    "private",
    "test",
];

/// What a site says of itself.
#[derive(Debug)]
pub struct Offer<'a> {
    pub host: &'a str,
    /// As clients see it.
    pub port: u16,
    /// With the certificates settled.
    pub policy: &'a Policy,
    /// Whether only this machine can connect to it.
    pub local: bool,
    pub http3: bool,
    pub http2: bool,
}

/// A record that a site should have.
#[derive(Debug)]
pub struct RecordSpec {
    pub(super) host: String,
    /// As clients see it.
    pub(super) port: u16,
    /// Where it stands, without the final dot.
    pub(super) owner: String,
    /// The root where it is the owner.
    pub(super) target: Name,
    /// `None`: the site has no HTTP/3, and what this server has published is to go.
    pub(super) record: Option<SVCB>,
    /// Publishes it.
    pub(super) provider: Option<Dns>,
    /// Whether there is a provider that might.
    pub(super) could_publish: bool,
}

impl RecordSpec {
    /// `None` where nothing is to be done; an error where `https_record` asks for what cannot be
    /// done.
    pub fn of(offer: &Offer<'_>) -> Result<Option<Self>, &'static str> {
        let mode = offer.policy.https_record;
        if mode == Some(HttpsRecord::Off) {
            return Ok(None);
        }
        let publish = mode == Some(HttpsRecord::Publish);
        let why = match why_not(offer) {
            None if offer.http3 || publish => match Self::made(offer, publish) {
                Ok(spec) => return Ok(Some(spec)),
                Err(why) => why,
            },
            None => "HTTP/3 is off",
            Some(why) => why,
        };
        if mode.is_some() { Err(why) } else { Ok(None) }
    }

    fn made(offer: &Offer<'_>, publish: bool) -> Result<Self, &'static str> {
        let host = offer.host.trim_end_matches('.').to_ascii_lowercase();
        let (owner, target) = match offer.port {
            HTTPS_PORT => (host.clone(), ".".to_owned()),
            port => (format!("_{port}._https.{host}"), format!("{host}.")),
        };
        let name =
            |text: &str| Name::from_ascii(text).map_err(|_| "its name does not fit into DNS");
        name(&owner)?;
        let target = name(&target)?;
        let http2 = offer.http2 && is_offered(offer.policy, b"h2");
        let record = offer.http3.then(|| record::own(&target, http2));
        let provider = offer.policy.managed.dns.clone().filter(Dns::has_https);
        let could_publish = provider.is_some();
        let provider = provider.filter(|_| publish);
        let port = offer.port;
        Ok(Self { host, port, owner, target, record, provider, could_publish })
    }
}

/// A line for the zone that this name is in.
pub(super) fn line(owner: &str, record: &SVCB) -> String {
    format!("{owner}. {HTTPS_RECORD_TTL} IN HTTPS {}", record::text(record))
}

fn is_offered(policy: &Policy, protocol: &[u8]) -> bool {
    policy.alpn.is_empty() || policy.alpn.iter().any(|name| name == protocol)
}

/// Why a site has no use for a record.
fn why_not(offer: &Offer<'_>) -> Option<&'static str> {
    match offer.policy.certificates {
        None | Some(Certificates::Off) => return Some("the site is served without TLS"),
        Some(Certificates::SelfSigned) => {
            return Some("browsers do not use HTTP/3 with a self-signed certificate");
        }
        Some(Certificates::Files(_) | Certificates::Managed) => {}
    }
    if offer.host.starts_with('*') && offer.policy.managed.dns.is_none() {
        return Some("its name is a wildcard, which needs 'dns'");
    }
    if offer.policy.managed.subject(offer.host).is_none() || !is_public(offer.host) {
        return Some("its name is not one of the public DNS");
    }
    offer.local.then_some("only this machine can connect to it")
}

fn is_public(host: &str) -> bool {
    let host = host.trim_start_matches("*.").to_ascii_lowercase();
    let is_below = |end: &str| host.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
    let is_name = host.contains('.') && host.parse::<IpAddr>().is_err();
    is_name && !NOT_PUBLIC.iter().any(|end| host == *end || is_below(end))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn policy(certificates: Certificates) -> Policy {
        Policy { certificates: Some(certificates), ..Policy::default() }
    }

    fn offer<'a>(host: &'a str, policy: &'a Policy) -> Offer<'a> {
        Offer { host, port: 443, policy, local: false, http3: true, http2: true }
    }

    pub(in crate::https_records) fn spec(host: &str, port: u16) -> RecordSpec {
        let policy = policy(Certificates::Managed);
        RecordSpec::of(&Offer { port, ..offer(host, &policy) }).unwrap().unwrap()
    }

    fn line_of(offer: &Offer<'_>) -> Option<String> {
        let spec = RecordSpec::of(offer).unwrap()?;
        Some(line(&spec.owner, spec.record.as_ref().unwrap()))
    }

    #[test]
    fn the_line_stands_where_clients_look() {
        let managed = policy(Certificates::Managed);
        let at = |port| line_of(&Offer { port, ..offer("WWW.Example.com", &managed) }).unwrap();
        assert_eq!(at(443), "www.example.com. 300 IN HTTPS 1 . alpn=\"h3,h2\"");
        assert_eq!(
            at(8443),
            "_8443._https.www.example.com. 300 IN HTTPS 1 www.example.com. alpn=\"h3,h2\""
        );
        let without_h2 = Offer { http2: false, ..offer("a.example.com", &managed) };
        assert_eq!(line_of(&without_h2).unwrap(), "a.example.com. 300 IN HTTPS 1 . alpn=\"h3\"");
        let old = Policy { alpn: vec![b"http/1.1".to_vec()], ..managed };
        let old = line_of(&offer("a.example.com", &old)).unwrap();
        assert_eq!(old, "a.example.com. 300 IN HTTPS 1 . alpn=\"h3\"");
    }

    #[test]
    fn which_sites_are_asked_for() {
        let managed = policy(Certificates::Managed);
        let own = policy(Certificates::SelfSigned);
        let off = policy(Certificates::Off);
        let mut with_dns = policy(Certificates::Managed);
        with_dns.managed.dns = Some(Dns::Exec(vec!["x".to_owned()]));
        for (host, policy, expected) in [
            ("example.com", &managed, true),
            ("a.b.example.co.uk", &managed, true),
            ("mylocal.com", &managed, true),
            ("localhost", &managed, false),
            ("single", &managed, false),
            ("", &managed, false),
            ("192.0.2.1", &managed, false),
            ("2001:db8::1", &managed, false),
            ("a.example", &managed, false),
            ("A.Local", &managed, false),
            ("nas.home.arpa", &managed, false),
            ("*.example.com", &managed, false),
            ("*.example.com", &with_dns, true),
            ("*.test", &with_dns, false),
            ("example.com", &own, false),
            ("example.com", &off, false),
        ] {
            assert_eq!(line_of(&offer(host, policy)).is_some(), expected, "{host}");
        }
        let local = Offer { local: true, ..offer("example.com", &managed) };
        assert!(line_of(&local).is_none());
        let without = Offer { http3: false, ..offer("example.com", &managed) };
        assert!(line_of(&without).is_none());
    }

    #[test]
    fn a_word_without_effect_says_why() {
        let mut managed = policy(Certificates::Managed);
        managed.https_record = Some(HttpsRecord::Check);
        let why = |offer: Offer<'_>| RecordSpec::of(&offer).unwrap_err();
        assert!(why(offer("localhost", &managed)).contains("public DNS"));
        assert!(why(offer("*.example.com", &managed)).contains("'dns'"));
        assert_eq!(why(Offer { http3: false, ..offer("example.com", &managed) }), "HTTP/3 is off");
        let long = format!("{}.com", ["a"; 126].join("."));
        assert!(why(offer(&long, &managed)).contains("does not fit into DNS"));
        managed.https_record = None;
        assert!(RecordSpec::of(&offer(&long, &managed)).unwrap().is_none());
        managed.https_record = Some(HttpsRecord::Off);
        assert!(RecordSpec::of(&offer("localhost", &managed)).unwrap().is_none());
        assert!(RecordSpec::of(&offer("example.com", &managed)).unwrap().is_none());
    }

    #[test]
    fn without_http_3_only_what_was_published_is_of_interest() {
        let mut managed = policy(Certificates::Managed);
        managed.managed.dns = Some(Dns::Exec(vec!["x".to_owned()]));
        managed.https_record = Some(HttpsRecord::Publish);
        let offer = Offer { http3: false, ..offer("example.com", &managed) };
        let spec = RecordSpec::of(&offer).unwrap().unwrap();
        assert!(spec.record.is_none() && spec.provider.is_some());
    }
}
