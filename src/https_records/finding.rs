//! What DNS says of a site, judged, and the line of the log about it.

use hickory_resolver::proto::rr::rdata::svcb::SVCB;

use super::record;
use super::spec::{RecordSpec, line};

/// What DNS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// The record that is required.
    Good,
    /// The name has no address, so that nobody comes by it.
    NoAddress,
    Absent,
    /// The name is a CNAME of this one, which has no record.
    Cname(String),
    /// The record leads to this name (AliasMode), which has no record with HTTP/3.
    Alias(String),
    /// Records without HTTP/3, which somebody made.
    Lacking(Vec<SVCB>),
    /// HTTP/3 is announced for another port only.
    OtherPort(u16),
    /// A record of this server's that says something else by now.
    Stale(SVCB),
}

impl Finding {
    /// Judges the records at a name, of which there are some, none of them in AliasMode.
    pub(super) fn of(spec: &RecordSpec, found: Vec<SVCB>) -> Self {
        if let [only] = &found[..]
            && record::is_own(only, &spec.target)
        {
            let is_current = spec.record.as_ref() == Some(only);
            // Without a provider, fewer protocols than could be are no fault.
            return match is_current || spec.provider.is_none() {
                true => Self::Good,
                false => Self::Stale(only.clone()),
            };
        }
        if spec.record.is_none() {
            return Self::Good;
        }
        let mut ports = found.iter().filter(|one| record::has_h3(one)).map(record::port);
        let Some(first) = ports.next() else { return Self::Lacking(found) };
        let is_ours = |port: Option<u16>| port.is_none_or(|port| port == spec.port);
        match first {
            Some(other) if !is_ours(first) && !ports.any(is_ours) => Self::OtherPort(other),
            _ => Self::Good,
        }
    }

    /// What replaces what, where a provider is to change it.
    pub(super) fn change<'a>(&'a self, spec: &'a RecordSpec) -> Option<Exchange<'a>> {
        let new = spec.record.as_ref();
        match self {
            Self::Absent => Some(Exchange { old: None, new }),
            Self::Stale(old) => Some(Exchange { old: Some(old), new }),
            _ => None,
        }
    }

    /// What an operator should know; `None` if all is well.
    pub(super) fn advice(&self, spec: &RecordSpec) -> Option<String> {
        let record = spec.record.as_ref()?;
        let host = &spec.host;
        let own_line = line(&spec.owner, record);
        Some(match self {
            Self::Good | Self::Stale(_) => return None,
            Self::NoAddress => {
                format!("{host}: DNS has no address for this name, so it needs no HTTPS record")
            }
            Self::Absent => {
                let by_itself = match spec.could_publish && spec.provider.is_none() {
                    true => ", or write 'https_record publish' beside 'dns'",
                    false => "",
                };
                format!(
                    "{host}: browsers use HTTP/3 from the second visit only, as DNS has no HTTPS \
                     record; add to the zone: {own_line}{by_itself}"
                )
            }
            Self::Cname(target) => format!(
                "{host}: browsers use HTTP/3 from the second visit only. The name is a CNAME of \
                 {target}, beside which no HTTPS record can stand; add to the zone of that name: \
                 {}",
                line(target, record)
            ),
            Self::Alias(target) => format!(
                "{host}: browsers use HTTP/3 from the second visit only. Its HTTPS record leads \
                 to {target}, which has none with HTTP/3; add to the zone of that name: {}",
                line(target, record)
            ),
            Self::Lacking(found) => format!(
                "{host}: browsers use HTTP/3 from the second visit only, as its HTTPS record has \
                 no h3; change it to: {}",
                repaired(&spec.owner, record, found)
            ),
            Self::OtherPort(port) => format!(
                "{host}: its HTTPS record has h3 on port {port}, but this server has it on port \
                 {}; change the record, or tell the server its port: -alt-svc-port {port}",
                spec.port
            ),
        })
    }
}

/// What comes in the place of what.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) old: Option<&'a SVCB>,
    pub(super) new: Option<&'a SVCB>,
}

/// The records with h3 where clients look first, each with all else that it says.
fn repaired(owner: &str, record: &SVCB, found: &[SVCB]) -> String {
    let first = found.iter().map(|record| record.svc_priority).min().unwrap_or_default();
    let changed = found.iter().filter(|old| old.svc_priority == first);
    let lines: Vec<_> = changed
        .map(|old| match old.svc_priority {
            0 => line(owner, record),
            _ => line(owner, &record::with_h3(old)),
        })
        .collect();
    lines.join(" and ")
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::svcb::{SvcParamKey, SvcParamValue};

    use super::super::record::tests::record;
    use super::super::spec::tests::spec;
    use super::*;
    use crate::tls::Dns;

    fn on_port(mut record: SVCB, port: u16) -> SVCB {
        record.svc_params.push((SvcParamKey::Port, SvcParamValue::Port(port)));
        record
    }

    #[test]
    fn records_are_judged() {
        let site = spec("www.example.com", 443);
        let h3 = || record(1, ".", &["h3", "h2"]);
        let h2 = || record(1, ".", &["h2"]);
        for (found, expected) in [
            (vec![h3()], Finding::Good),
            (vec![record(1, ".", &["h3"])], Finding::Good),
            (vec![h2(), record(2, "b.example.com.", &["h3"])], Finding::Good),
            (vec![on_port(h3(), 443)], Finding::Good),
            (vec![on_port(h3(), 8443), on_port(h3(), 443)], Finding::Good),
            (vec![on_port(h3(), 8443)], Finding::OtherPort(8443)),
            (vec![h2()], Finding::Lacking(vec![h2()])),
        ] {
            assert_eq!(Finding::of(&site, found.clone()), expected, "{found:?}");
        }
    }

    #[test]
    fn only_what_this_server_could_have_made_is_changed() {
        let mut site = spec("www.example.com", 443);
        site.provider = Some(Dns::Exec(vec!["x".to_owned()]));
        let old = record(1, ".", &["h3"]);
        let found = Finding::of(&site, vec![old.clone()]);
        assert_eq!(found, Finding::Stale(old.clone()));
        let change = found.change(&site).unwrap();
        assert_eq!((change.old, change.new), (Some(&old), site.record.as_ref()));
        let foreign = Finding::of(&site, vec![on_port(record(1, ".", &["h2"]), 443)]);
        assert!(foreign.change(&site).is_none());
        let change = Finding::Absent.change(&site).unwrap();
        assert!(change.old.is_none() && change.new == site.record.as_ref());
        // Without HTTP/3 it goes, and what others made stays.
        site.record = None;
        let found = Finding::of(&site, vec![old.clone()]);
        let change = found.change(&site).unwrap();
        assert_eq!((change.old, change.new), (Some(&old), None));
        assert_eq!(Finding::of(&site, vec![on_port(old, 443)]), Finding::Good);
    }

    #[test]
    fn the_advice_names_the_line() {
        let mut site = spec("www.example.com", 443);
        let says = |finding: Finding, site: &RecordSpec, words: &[&str]| {
            let advice = finding.advice(site).unwrap();
            words.iter().for_each(|word| assert!(advice.contains(word), "{advice}: {word}"));
        };
        let line = "www.example.com. 300 IN HTTPS 1 . alpn=\"h3,h2\"";
        says(Finding::Absent, &site, &["add to the zone: ", line]);
        site.could_publish = true;
        says(Finding::Absent, &site, &["or write 'https_record publish'"]);
        let there = "edge.example.net. 300 IN HTTPS 1 . alpn=\"h3,h2\"";
        let target = || "edge.example.net".to_owned();
        says(Finding::Cname(target()), &site, &["a CNAME of edge.example.net", there]);
        says(Finding::Alias(target()), &site, &["leads to edge.example.net", there]);
        let two = vec![on_port(record(3, "b.example.com.", &["h2"]), 443), record(9, ".", &[])];
        let remedy = "www.example.com. 300 IN HTTPS 3 b.example.com. alpn=\"h3,h2\" port=443";
        says(Finding::Lacking(two), &site, &["no h3", remedy]);
        says(Finding::Lacking(vec![record(0, ".", &[])]), &site, &[line]);
        says(Finding::OtherPort(8443), &site, &["port 8443", "port 443", "-alt-svc-port 8443"]);
        assert!(Finding::Good.advice(&site).is_none());
    }
}
