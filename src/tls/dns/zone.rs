//! Where the TXT record of a name belongs, and whether the servers of that zone have it.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::time::Instant;

use crate::error_chain::display_chain;

/// The interval of questions to the servers of a zone, and the time that one of them has.
const STEP: Duration = Duration::from_secs(2);
/// CNAMEs that are followed at most.
const CNAMES: usize = 8;

/// A name and the zone it is in, both with a final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) zone: String,
}

/// The place of the TXT record for a name, which ends in a dot. A CNAME that stands at this name
/// leads to it; one that is made from a wildcard does not, as a record can stand beside that.
pub(super) async fn find(name: &str) -> Result<Place, String> {
    let resolver = system()?;
    let mut name = name.to_owned();
    for _ in 0..CNAMES {
        let Some(target) = cname(&resolver, &name).await? else { break };
        let rest = name.split_once('.').map_or("", |(_, rest)| rest);
        let sibling = format!("{:016x}.{rest}", fastrand::u64(..));
        if cname(&resolver, &sibling).await?.as_ref() == Some(&target) {
            break;
        }
        name = target;
    }
    let mut rest = &*name;
    while !rest.is_empty() {
        let found = records(&resolver, rest, RecordType::SOA).await?;
        let is_soa = |record: &Record| record.record_type() == RecordType::SOA;
        if found.iter().any(|record| is_soa(record) && is_of(record, rest)) {
            return Ok(Place { zone: rest.to_owned(), name });
        }
        rest = rest.split_once('.').map_or("", |(_, parent)| parent);
    }
    Err(format!("DNS has no zone for {name}"))
}

/// Waits until each server of the zone that answers has the record.
pub(super) async fn wait(place: &Place, value: &str, most: Duration) -> Result<(), String> {
    let end = Instant::now() + most;
    let own = system()?;
    let mut servers = Vec::new();
    for name in name_servers(&own, &place.zone).await? {
        let addresses = own.lookup_ip(&*name).await;
        let addresses: Vec<IpAddr> =
            addresses.map(|found| found.iter().collect()).unwrap_or_default();
        for ip in addresses {
            servers.push((format!("{name} ({ip})"), authority(ip)?));
        }
    }
    loop {
        let asked = servers.iter().map(|(_, server)| has(server, place, value));
        let answers = join_all(asked).await;
        let mut lacking: Vec<_> = servers
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| **answer == Some(false))
            .map(|((name, _), _)| &**name)
            .collect();
        // None of them can be asked from here: those of the system can.
        if answers.iter().all(Option::is_none) && has(&own, place, value).await != Some(true) {
            lacking.push("the name servers of this system");
        }
        if lacking.is_empty() {
            return Ok(());
        }
        if Instant::now() + STEP > end {
            let lacking = lacking.join(", ");
            return Err(format!("{lacking} did not have {} within {most:?}", place.name));
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Whether a server has the record; `None` if it does not answer.
async fn has(server: &TokioResolver, place: &Place, value: &str) -> Option<bool> {
    let found = records(server, &place.name, RecordType::TXT).await.ok()?;
    Some(found.iter().any(|record| match &record.data {
        RData::TXT(txt) => txt.txt_data.concat() == value.as_bytes(),
        _ => false,
    }))
}

/// A resolver with the system's name servers.
fn system() -> Result<TokioResolver, String> {
    let unread = |error| format!("/etc/resolv.conf: {error}");
    let mut builder = TokioResolver::builder_tokio().map_err(unread)?;
    builder.options_mut().cache_size = 0;
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(unread)
}

/// A resolver that asks one server, for what is in its own zones.
fn authority(ip: IpAddr) -> Result<TokioResolver, String> {
    let config = ResolverConfig::from_name_servers(vec![NameServerConfig::udp_and_tcp(ip)]);
    let runtime = TokioRuntimeProvider::default();
    let mut builder = TokioResolver::builder_with_config(config, runtime);
    let options = builder.options_mut();
    options.cache_size = 0;
    options.recursion_desired = false;
    options.timeout = STEP;
    options.attempts = 1;
    builder.build().map_err(|error| error.to_string())
}

async fn name_servers(resolver: &TokioResolver, zone: &str) -> Result<Vec<String>, String> {
    let found = records(resolver, zone, RecordType::NS).await?;
    Ok(found
        .iter()
        .filter_map(|record| match &record.data {
            RData::NS(server) => Some(server.to_ascii()),
            _ => None,
        })
        .collect())
}

async fn cname(resolver: &TokioResolver, name: &str) -> Result<Option<String>, String> {
    let found = records(resolver, name, RecordType::CNAME).await?;
    Ok(found.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if is_of(record, name) => Some(target.to_ascii().to_lowercase()),
        _ => None,
    }))
}

/// Whether a record stands at a name.
fn is_of(record: &Record, name: &str) -> bool {
    record.name.to_ascii().eq_ignore_ascii_case(name)
}

/// The records in the answer; none if there are none.
async fn records(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
) -> Result<Vec<Record>, String> {
    match resolver.lookup(name, kind).await {
        Ok(answer) => Ok(answer.answers().to_vec()),
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(format!("{name}: {}", display_chain(&error))),
    }
}
