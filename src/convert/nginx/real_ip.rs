//! `set_real_ip_from` and what belongs to it, as the directive `realip`: who the client is behind a
//! load balancer.

use std::net::IpAddr;

use super::scope::Scope;
use crate::convert::page::{Item, Line, note};

/// The directives that say it.
pub(super) const NAMES: &[&str] = &["real_ip_header", "real_ip_recursive", "set_real_ip_from"];

/// Proxies behind one another: nginx has no bound.
const MOST_HOPS: &str = "100";

/// The directive of a site, or why there is none.
pub(super) fn line(scope: &Scope<'_>) -> Option<Item> {
    let first = scope.all("set_real_ip_from").into_iter().next()?;
    match read(scope) {
        Ok(line) => line.map(Item::from),
        Err(why) => Some(note(&first.at, format!("{}: not carried over; {why}", first.shown()))),
    }
}

/// Whether clients have other addresses than those that are known here.
pub(super) fn is_unknown(scope: &Scope<'_>) -> bool {
    read(scope).is_err()
}

fn read(scope: &Scope<'_>) -> Result<Option<Line>, String> {
    let all = scope.all("set_real_ip_from");
    // No site listens on a socket of the file system.
    let from: Vec<&str> = all.iter().map(|one| one.arg(0)).filter(|one| *one != "unix:").collect();
    if from.is_empty() {
        return Ok(None);
    }
    if scope.of_locations().any(|one| NAMES.contains(&&*one.name)) {
        return Err("`realip` is for a whole site".to_owned());
    }
    if let Some(other) = from.iter().find(|word| !is_range(word)) {
        return Err(format!("{other} is no range of addresses"));
    }
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let field = match scope.word("real_ip_header") {
        "proxy_protocol" => return Err("write `proxyprotocol RANGE`".to_owned()),
        "" => "X-Real-IP",
        name if is_name(name) => name,
        name => return Err(format!("{name} is no name of a field")),
    };
    let hops = if scope.is_on("real_ip_recursive") { MOST_HOPS } else { "1" };
    let from = Line::new(["from"]).and(from.into_iter().map(str::to_owned));
    let line = Line::new(["realip"]).with(from).with(Line::new(["header", field]));
    Ok(Some(line.with(Line::new(["maxhops", hops]))))
}

/// An address or a network.
fn is_range(word: &str) -> bool {
    let (address, length) = word.split_once('/').map_or((word, None), |(a, b)| (a, Some(b)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    length.is_none_or(|length| length.parse::<u8>().is_ok_and(|length| length <= most))
}
