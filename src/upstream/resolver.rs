//! DNS lookups with the system's name servers.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::proto::rr::RData;

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
pub(super) struct Resolver(Option<TokioResolver>);

impl Resolver {
    fn resolver(&mut self) -> Result<&TokioResolver, String> {
        if self.0.is_none() {
            let unread = |error| format!("/etc/resolv.conf: {error}");
            let mut builder = TokioResolver::builder_tokio().map_err(unread)?;
            let options = builder.options_mut();
            // [`super::names`] caches the answers.
            options.cache_size = 0;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            self.0 = Some(builder.build().map_err(unread)?);
        }
        self.0.as_ref().ok_or_else(|| "no DNS resolver".to_owned())
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
                self.0 = None;
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
            self.0 = None;
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

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
