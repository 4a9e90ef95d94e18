//! `bind HOST…`: the addresses of this machine that the site listens on.

use crate::caddyfile::{Args, ConfigError};
use crate::site::SiteBuilder;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let hosts = args.one_or_more()?;
        for host in hosts {
            if host.contains('/') || host.is_empty() {
                let message = format!("bind: '{host}' is not an address");
                return Err(args.error(message).hint("write an IP address or a host name"));
            }
            site.binds.push(host.to_owned());
        }
    }
    Ok(())
}
