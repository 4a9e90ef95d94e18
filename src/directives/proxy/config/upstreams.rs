//! The upstreams of a rule, resolved when all of its options are known.

use std::sync::Arc;

use crate::directives::proxy::balance::discover::{Discovery, Finish};
use crate::directives::proxy::checks;
use crate::directives::proxy::rule::Rule;
use crate::upstream::exchange::trust::ClientFiles;
use crate::upstream::host::address;
use crate::upstream::host::set::Set;
use crate::upstream::host::upstream::{Target, Upstream, Versions};

/// Why upstreams cannot be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// Which of them, and why.
    Upstream(usize, String),
    /// Certificates for all of them.
    Tls(String),
}

impl Rule {
    /// Reads the addresses of all upstreams, each with its weight, when all options are known.
    pub(crate) fn resolve_upstreams(&mut self, to: &[(String, u32)]) -> Result<(), Unusable> {
        let client = self.tls_client.as_ref();
        let shown = client.map(ClientFiles::identity).unwrap_or_default();
        let identity = format!("{} {shown}", self.trust.identity());
        let finish = Finish {
            check: self.check.clone(),
            sent: checks::sent(self),
            sticky: self.policy.sticky().cloned(),
        };
        let mut hosts = self.hosts.to_vec();
        for (nth, (text, weight)) in to.iter().enumerate() {
            let unusable = |message| Unusable::Upstream(nth, message);
            if let Some((service, pattern)) = address::service(text, &identity).map_err(unusable)? {
                if to.len() > 1 {
                    let message = format!("upstream '{text}': a service has no others beside it");
                    return Err(unusable(message));
                }
                let discovery = Discovery::new(&service, pattern, identity.clone(), finish.clone());
                self.discovery = Some(Arc::new(discovery));
                continue;
            }
            for mut host in address::parse(text, &identity).map_err(unusable)? {
                if host.versions == Versions::Http2 && self.exchange.proxy_protocol.is_some() {
                    return Err(unusable(format!(
                        "upstream '{}': proxy_protocol tells of one client, and HTTP/2 \
                         connections serve many; use http or https",
                        host.name
                    )));
                }
                host.weight = *weight;
                finish.apply(&mut host);
                hosts.push(host);
            }
        }
        let https = |host: &Upstream| matches!(host.target, Target::Tcp { tls: true, .. });
        let found_https = self.discovery.as_ref().is_some_and(|d| https(d.pattern()));
        if found_https || hosts.iter().any(https) {
            self.exchange.tls = Some(self.trust.settings(client).map_err(Unusable::Tls)?);
        }
        self.hosts = Arc::new(Set::new(hosts));
        let elsewhere = self.hosts.len() > 1 || self.discovery.is_some();
        let again = elsewhere || self.try_duration.is_some_and(|limit| !limit.is_zero());
        self.budget = again.then(Box::default);
        Ok(())
    }
}
