//! DNS lookups with the system's name servers: addresses, SRV and HTTPS records.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts};
use hickory_resolver::proto::rr::rdata::svcb::SVCB;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::error_chain::display_chain;
use crate::limits::NAME_RETRY;
use crate::net::dial;

/// A server from an SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub priority: u16,
    pub weight: u16,
}

/// A resolver with the system's settings, which are read at the first lookup and again after each
/// failure.
#[derive(Default)]
pub struct Resolver {
    made: Option<TokioResolver>,
    hosts: ResolveHosts,
}

impl Resolver {
    /// One that does not look into /etc/hosts.
    pub fn without_hosts() -> Self {
        Self { made: None, hosts: ResolveHosts::Never }
    }

    fn resolver(&mut self) -> Result<&TokioResolver, String> {
        if self.made.is_none() {
            let unread = |error| format!("/etc/resolv.conf: {error}");
            let mut builder = TokioResolver::builder_tokio().map_err(unread)?;
            let options = builder.options_mut();
            // Whoever asks keeps the answers.
            options.cache_size = 0;
            options.use_hosts_file = self.hosts;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            self.made = Some(builder.build().map_err(unread)?);
        }
        self.made.as_ref().ok_or_else(|| "no DNS resolver".to_owned())
    }

    /// The addresses of a name, IPv4 first, and their TTL.
    pub(super) async fn addresses(
        &mut self,
        name: &str,
    ) -> Result<(Vec<IpAddr>, Duration), String> {
        let answer = match self.resolver() {
            Ok(resolver) => resolver.lookup_ip(name).await.map_err(|error| display_chain(&error)),
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => {
                let mut found: Vec<IpAddr> = answer.iter().collect();
                found.sort();
                Ok((found, left(answer.valid_until())))
            }
            Err(error) => {
                self.made = None;
                // Other sources (nsswitch.conf) are known to the C library only.
                match dial::resolve((name, 0)).await {
                    Ok(found) => Ok((found.iter().map(SocketAddr::ip).collect(), NAME_RETRY)),
                    Err(_) => Err(error),
                }
            }
        }
    }

    /// The servers of a service, and their TTL.
    pub(super) async fn servers(
        &mut self,
        service: &str,
    ) -> Result<(Vec<Server>, Duration), String> {
        let answer = self.resolver()?.srv_lookup(service).await;
        let answer = answer.map_err(|error| {
            self.made = None;
            display_chain(&error)
        })?;
        let mut found: Vec<Server> = answer
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) if !srv.target.is_root() => Some(Server {
                    host: srv.target.to_utf8().trim_end_matches('.').to_owned(),
                    port: srv.port,
                    priority: srv.priority,
                    weight: srv.weight,
                }),
                _ => None,
            })
            .collect();
        found.sort_by(|a, b| (a.priority, &a.host, a.port).cmp(&(b.priority, &b.host, b.port)));
        if found.is_empty() {
            return Err("no SRV record names a server".to_owned());
        }
        Ok((found, left(answer.valid_until())))
    }
}

impl Resolver {
    /// The HTTPS records of a name (RFC 9460), also behind a CNAME.
    pub async fn https(&mut self, name: &str) -> Result<Vec<SVCB>, String> {
        let https = |data| match data {
            RData::HTTPS(record) => Some(record.0),
            _ => None,
        };
        Ok(self.records(name, RecordType::HTTPS).await?.into_iter().filter_map(https).collect())
    }

    /// The name that a name is an alias of by a CNAME, without its final dot.
    pub async fn cname(&mut self, name: &str) -> Result<Option<String>, String> {
        let cname = |data| match data {
            RData::CNAME(target) => Some(target.to_ascii().trim_end_matches('.').to_owned()),
            _ => None,
        };
        Ok(self.records(name, RecordType::CNAME).await?.into_iter().find_map(cname))
    }

    /// Whether DNS has an address for a name.
    pub async fn has_address(&mut self, name: &str) -> Result<bool, String> {
        Ok(!self.records(name, RecordType::A).await?.is_empty()
            || !self.records(name, RecordType::AAAA).await?.is_empty())
    }

    /// The records of a name in DNS alone; no domain is appended to it.
    async fn records(&mut self, name: &str, kind: RecordType) -> Result<Vec<RData>, String> {
        let name = format!("{}.", name.trim_end_matches('.'));
        match self.resolver()?.lookup(name, kind).await {
            Ok(answer) => Ok(answer.answers().iter().map(|record| record.data.clone()).collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => {
                self.made = None;
                Err(display_chain(&error))
            }
        }
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
