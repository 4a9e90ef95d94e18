//! `upstream` blocks and the addresses in `proxy_pass`, as upstreams of ours.

use super::scope::Scope;
use super::syntax::Directive;
use super::values;
use crate::convert::page::{Item, Line, note};

/// What `proxy_pass` names.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// `http`, `https`, `h2c` or `h2`.
    pub(super) scheme: &'static str,
    /// Host and port, or the name of an `upstream`, or `unix:/path`.
    pub(super) host: String,
    /// From its first slash; `None`: the path of the request is passed on.
    pub(super) uri: Option<String>,
}

impl Target {
    /// Reads a URL; `None`: it has variables, or is none.
    pub(super) fn read(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = match scheme {
            "http" => "http",
            "https" => "https",
            "grpc" => "h2c",
            "grpcs" => "h2",
            _ => return None,
        };
        if rest.contains(['$', '"', ' ', '{', '}']) || rest.is_empty() {
            return None;
        }
        if let Some(socket) = rest.strip_prefix("unix:") {
            let (path, uri) = match socket.split_once(':') {
                Some((path, uri)) => (path, (!uri.is_empty()).then(|| uri.to_owned())),
                None => (socket, None),
            };
            return Some(Self { scheme, host: format!("unix:{path}"), uri });
        }
        let (host, uri) = match rest.find('/') {
            Some(at) => (&rest[..at], Some(rest[at..].to_owned())),
            None => (rest, None),
        };
        (!host.is_empty()).then(|| Self { scheme, host: host.to_owned(), uri })
    }

    pub(super) fn is_secure(&self) -> bool {
        matches!(self.scheme, "https" | "h2")
    }

    /// An upstream's address with a path before that of the request.
    fn address(&self, host: &str, path: &str) -> Option<String> {
        if let Some(socket) = host.strip_prefix("unix:") {
            return (path.is_empty() && self.scheme == "http").then(|| format!("unix:{socket}"));
        }
        Some(match self.scheme {
            "http" if path.is_empty() => host.to_owned(),
            scheme => format!("{scheme}://{host}{path}"),
        })
    }
}

/// The upstreams of a rule.
pub(super) struct Upstreams {
    /// The addresses behind the path.
    pub(super) words: Vec<String>,
    /// What stands in the block.
    pub(super) lines: Vec<Item>,
}

/// The upstreams behind a target; `path` goes before that of the request.
pub(super) fn of(
    target: &Target,
    path: &str,
    at: &Directive,
    scope: &Scope<'_>,
) -> Result<Upstreams, String> {
    let group = scope.http().iter();
    let mut group = group.filter(|one| one.name == "upstream" && one.arg(0) == target.host);
    let Some(group) = group.next() else {
        let one = target.address(&target.host, path);
        let one = one.ok_or("a path behind a socket")?;
        return Ok(Upstreams { words: vec![one], lines: Vec::new() });
    };
    let servers: Vec<Server<'_>> = group.block().iter().filter_map(Server::read).collect();
    let mut lines = Vec::new();
    for one in group.block() {
        if one.name == "server" && one.args.iter().any(|arg| arg == "down") {
            lines.push(note(&one.at, format!("{}: it is down: left out", one.shown())));
        }
    }
    let used: Vec<&Server<'_>> = servers.iter().filter(|one| !one.is_down).collect();
    let backups = used.iter().filter(|one| one.is_backup).count();
    let is_first = backups > 0 && used.len() - backups == 1;
    let (kept, dropped): (Vec<&Server<'_>>, Vec<&Server<'_>>) =
        used.into_iter().partition(|one| !one.is_backup || is_first);
    for one in dropped {
        let text =
            format!("{}: with several others no upstream is for their failure only", one.host);
        lines.push(note(&at.at, text));
    }
    if kept.is_empty() {
        return Err("the upstream has no server".to_owned());
    }
    let mut words = Vec::new();
    for one in &kept {
        let address = target.address(&one.host, path).ok_or("a path behind a socket")?;
        match one.weight {
            1 => words.push(address),
            weight => lines.push(
                Line::new(["upstream"])
                    .and([address, "weight".to_owned(), weight.to_string()])
                    .into(),
            ),
        }
    }
    if kept.len() > 1 {
        policy(group, is_first, &mut lines);
        failures(&kept, &mut lines);
    }
    Ok(Upstreams { words, lines })
}

/// How an upstream is chosen.
fn policy(group: &Directive, is_first: bool, lines: &mut Vec<Item>) {
    let mut policy = if is_first { "first" } else { "round_robin" };
    for one in group.block() {
        policy = match (&*one.name, one.arg(0)) {
            _ if is_first => policy,
            ("least_conn", _) => "least_conn",
            ("ip_hash", _) | ("hash", "$remote_addr" | "$binary_remote_addr") => "ip_hash",
            ("random", _) => "random",
            ("hash", "$request_uri") => "uri_hash",
            ("hash", key) => {
                let text = format!("hash {key}: write `policy header NAME` or `policy cookie`");
                lines.push(note(&one.at, text));
                policy
            }
            (
                "server" | "zone" | "keepalive" | "keepalive_requests" | "keepalive_timeout"
                | "keepalive_time",
                _,
            ) => policy,
            _ => {
                lines.push(note(&one.at, format!("{}: left out", one.shown())));
                policy
            }
        };
    }
    lines.push(Line::new(["policy", policy]).into());
}

/// When an upstream is left alone.
fn failures(kept: &[&Server<'_>], lines: &mut Vec<Item>) {
    let Some(first) = kept.first() else { return };
    let fails = first.max_fails;
    if fails == 0 {
        return;
    }
    if fails > 1 {
        lines.push(Line::new(["max_fails", &fails.to_string()]).into());
    }
    lines.push(Line::new(["fail_timeout", &first.fail_timeout]).into());
    if first.max_conns > 0 {
        lines.push(Line::new(["max_conns", &first.max_conns.to_string()]).into());
    }
    for one in kept {
        let limits = |one: &Server<'_>| (one.max_fails, one.fail_timeout.clone(), one.max_conns);
        if limits(one) != limits(first) {
            let text = format!("{}: all upstreams have the limits of the first here", one.host);
            lines.push(note(&one.at.at, text));
        }
    }
}

/// A line `server` of an upstream.
struct Server<'a> {
    at: &'a Directive,
    host: String,
    weight: u32,
    is_backup: bool,
    is_down: bool,
    max_fails: u32,
    fail_timeout: String,
    max_conns: u32,
}

impl<'a> Server<'a> {
    fn read(at: &'a Directive) -> Option<Self> {
        if at.name != "server" || at.args.is_empty() {
            return None;
        }
        let host = at.arg(0);
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let host = if has_port { host.to_owned() } else { format!("{host}:80") };
        let value = |name: &str| {
            let mut args = at.args.iter().filter_map(|arg| arg.split_once('='));
            args.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let number = |name: &str| value(name).and_then(|value| value.parse::<u32>().ok());
        let has = |name: &str| at.args.iter().any(|arg| arg == name);
        let fail_timeout = value("fail_timeout").and_then(values::duration);
        Some(Self {
            at,
            host,
            weight: number("weight").unwrap_or(1).clamp(1, 256),
            is_backup: has("backup"),
            is_down: has("down"),
            max_fails: number("max_fails").unwrap_or(1),
            fail_timeout: fail_timeout.unwrap_or_else(|| "10s".to_owned()),
            max_conns: number("max_conns").unwrap_or(0),
        })
    }
}
