//! One HTTPS record (RFC 9460): the one that a site should have, and any as a zone file shows it.

use std::fmt::Display;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hickory_resolver::proto::ProtoError;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::rdata::svcb::{Alpn, SVCB, SvcParamKey, SvcParamValue};
use hickory_resolver::proto::serialize::binary::BinEncodable as _;

use crate::tls::DnsValue;

pub(super) const H3: &str = "h3";
const H2: &str = "h2";

/// A record of this server's: nothing but protocols. `target` is the root for the owner's name.
pub(super) fn own(target: &Name, http2: bool) -> SVCB {
    let mut protocols = vec![H3.to_owned()];
    protocols.extend(http2.then(|| H2.to_owned()));
    let alpn = (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(protocols)));
    SVCB::new(1, target.clone(), vec![alpn])
}

/// Whether this server could have made it for this target.
pub(super) fn is_own(record: &SVCB, target: &Name) -> bool {
    [true, false].iter().any(|http2| *record == own(target, *http2))
}

pub(super) fn has_h3(record: &SVCB) -> bool {
    protocols(record).is_some_and(|alpn| alpn.0.iter().any(|protocol| protocol == H3))
}

fn protocols(record: &SVCB) -> Option<&Alpn> {
    record.svc_params.iter().find_map(|(_, value)| match value {
        SvcParamValue::Alpn(alpn) => Some(alpn),
        _ => None,
    })
}

pub(super) fn port(record: &SVCB) -> Option<u16> {
    record.svc_params.iter().find_map(|(_, value)| match value {
        SvcParamValue::Port(port) => Some(*port),
        _ => None,
    })
}

/// The same record with HTTP/3 first among its protocols, and all else that it says.
pub(super) fn with_h3(record: &SVCB) -> SVCB {
    let mut record = record.clone();
    let mut all = vec![H3.to_owned()];
    all.extend(protocols(&record).iter().flat_map(|alpn| alpn.0.clone()));
    record.svc_params.retain(|(key, _)| *key != SvcParamKey::Alpn);
    record.svc_params.push((SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(all))));
    record.svc_params.sort_by_key(|(key, _)| u16::from(*key));
    record
}

/// The record as it is sent and as it is written.
pub(super) fn value(record: &SVCB) -> Result<DnsValue, ProtoError> {
    Ok(DnsValue { data: record.to_bytes()?, text: text(record) })
}

/// As in a zone file: `1 . alpn="h3,h2"`.
pub(super) fn text(record: &SVCB) -> String {
    let mut text = format!("{} {}", record.svc_priority, record.target_name.to_ascii());
    for (key, value) in &record.svc_params {
        text.push(' ');
        text.push_str(&parameter(*key, value));
    }
    text
}

fn parameter(key: SvcParamKey, value: &SvcParamValue) -> String {
    match value {
        SvcParamValue::Mandatory(keys) => format!("mandatory={}", joined(keys.0.iter().map(name))),
        SvcParamValue::Alpn(alpn) => {
            let listed = |id: &String| id.replace('\\', "\\\\").replace(',', "\\,");
            format!("alpn={}", quoted(joined(alpn.0.iter().map(listed)).as_bytes()))
        }
        SvcParamValue::NoDefaultAlpn => name(&key),
        SvcParamValue::Port(port) => format!("port={port}"),
        SvcParamValue::Ipv4Hint(hint) => format!("ipv4hint={}", joined(hint.0.iter())),
        SvcParamValue::EchConfigList(ech) => format!("ech={}", BASE64_STANDARD.encode(&ech.0)),
        SvcParamValue::Ipv6Hint(hint) => format!("ipv6hint={}", joined(hint.0.iter())),
        SvcParamValue::Unknown(bytes) => format!("{}={}", name(&key), quoted(&bytes.0)),
    }
}

/// A key by its registered name, or as `keyN`.
fn name(key: &SvcParamKey) -> String {
    match key {
        SvcParamKey::Unknown(number) => format!("key{number}"),
        known => known.to_string(),
    }
}

fn joined(parts: impl Iterator<Item = impl Display>) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(",")
}

/// A quoted character-string (RFC 1035 section 5.1).
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from('"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\{other:03}")),
        }
    }
    text + "\""
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use hickory_resolver::proto::rr::rdata::svcb::{EchConfigList, IpHint, Mandatory, Unknown};
    use hickory_resolver::proto::rr::rdata::{A, AAAA};

    use super::*;

    pub(in crate::https_records) fn record(priority: u16, target: &str, alpn: &[&str]) -> SVCB {
        let alpn = Alpn(alpn.iter().map(|&id| id.to_owned()).collect());
        let alpn = (SvcParamKey::Alpn, SvcParamValue::Alpn(alpn));
        SVCB::new(priority, Name::from_ascii(target).unwrap(), vec![alpn])
    }

    #[test]
    fn a_record_is_written_as_a_zone_file_has_it() {
        let mut all = record(1, "pool.example.com.", &["h2", "a,b\\\"\n"]);
        all.svc_params.insert(0, {
            let keys = Mandatory(vec![SvcParamKey::Port, SvcParamKey::Unknown(7)]);
            (SvcParamKey::Mandatory, SvcParamValue::Mandatory(keys))
        });
        all.svc_params.extend([
            (SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn),
            (SvcParamKey::Port, SvcParamValue::Port(8443)),
            (
                SvcParamKey::Ipv4Hint,
                SvcParamValue::Ipv4Hint(IpHint(vec![A(Ipv4Addr::new(192, 0, 2, 1)); 2])),
            ),
            (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(vec![0; 4]))),
            (
                SvcParamKey::Ipv6Hint,
                SvcParamValue::Ipv6Hint(IpHint(vec![AAAA(Ipv6Addr::LOCALHOST)])),
            ),
            (SvcParamKey::Unknown(7), SvcParamValue::Unknown(Unknown(b"/q{?dns}\0".to_vec()))),
        ]);
        let expected = "1 pool.example.com. mandatory=port,key7 alpn=\"h2,a\\\\,b\\\\\\\\\\\"\\010\" \
                        no-default-alpn port=8443 ipv4hint=192.0.2.1,192.0.2.1 ech=AAAAAA== \
                        ipv6hint=::1 key7=\"/q{?dns}\\000\"";
        assert_eq!(text(&all), expected);
        let own = value(&own(&Name::root(), true)).unwrap();
        assert_eq!(own.text, "1 . alpn=\"h3,h2\"");
        assert_eq!(own.data, b"\0\x01\0\0\x01\0\x06\x02h3\x02h2");
    }

    #[test]
    fn what_else_a_record_says_is_kept() {
        let mut old = record(2, "a.example.", &["h2"]);
        old.svc_params.push((SvcParamKey::Port, SvcParamValue::Port(8443)));
        assert_eq!(text(&with_h3(&old)), "2 a.example. alpn=\"h3,h2\" port=8443");
        old.svc_params.remove(0);
        assert_eq!(text(&with_h3(&old)), "2 a.example. alpn=\"h3\" port=8443");
    }
}
