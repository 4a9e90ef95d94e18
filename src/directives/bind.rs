//! `bind HOST…`: the addresses of this machine that the site listens on.

use std::net::IpAddr;

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
            let port = host.rsplit_once(':').filter(|_| host.parse::<IpAddr>().is_err());
            let is_port = |(bare, port): &(&str, &str)| {
                !bare.ends_with(':') && !host.contains('%') && port.parse::<u16>().is_ok()
            };
            if let Some((bare, port)) = port.filter(is_port) {
                let bare = bare.trim_matches(['[', ']']);
                let message = format!("bind: '{host}' has a port");
                let hint = match bare {
                    "" => format!("leave it out; the site's address has the port: HOST:{port}"),
                    _ => {
                        format!("write: bind {bare}; the site's address has the port: HOST:{port}")
                    }
                };
                return Err(args.error_at(host, message).hint(hint));
            }
            site.binds.push(host.to_owned());
        }
    }
    Ok(())
}
