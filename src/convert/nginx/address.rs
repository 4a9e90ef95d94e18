//! `listen` and `server_name` as the addresses of a site.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::Scope;
use super::syntax::Directive;
use crate::convert::page::{Item, Line, note};

/// Parameters of `listen` that need nothing here.
const NEEDLESS: &[&str] = &[
    "ssl",
    "http2",
    "quic",
    "default_server",
    "default",
    "reuseport",
    "deferred",
    "bind",
    "backlog",
    "rcvbuf",
    "sndbuf",
    "ipv6only",
    "so_keepalive",
    "fastopen",
    "setfib",
];

/// One `listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listen {
    /// Empty: all addresses of the machine.
    host: String,
    port: u16,
    pub(super) is_secure: bool,
    is_default: bool,
}

impl Listen {
    fn read(directive: &Directive, all_secure: bool) -> Option<Self> {
        let word = directive.arg(0);
        let (host, port) = match word.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => match word.parse() {
                Ok(port) => ("", port),
                Err(_) => (word, 80),
            },
        };
        if host.starts_with("unix") || host.contains('$') {
            return None;
        }
        let host = match host {
            "*" | "0.0.0.0" | "[::]" => "",
            host => host.trim_start_matches('[').trim_end_matches(']'),
        };
        let has = |name: &str| directive.args.iter().any(|arg| arg == name);
        Some(Self {
            host: host.to_owned(),
            port,
            is_secure: all_secure || has("ssl") || has("quic"),
            is_default: has("default_server") || has("default"),
        })
    }

    fn key(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// The sockets of a server. The same one may be listed twice, as for HTTP/3.
fn listens<'a>(server: &Scope<'a>) -> Vec<(&'a Directive, Option<Listen>)> {
    let all_secure = server.mine("ssl").is_some_and(|ssl| ssl.arg(0) == "on");
    server.named("listen").map(|one| (one, Listen::read(one, all_secure))).collect()
}

fn of_server(server: &Scope<'_>) -> Vec<Listen> {
    let mut all: Vec<Listen> = listens(server).into_iter().filter_map(|(_, one)| one).collect();
    if server.named("listen").next().is_none() {
        all.push(Listen { host: String::new(), port: 80, is_secure: false, is_default: false });
    }
    all
}

/// Which server of each socket is for names that no other has.
pub(super) struct Defaults {
    /// By socket: the place of the server in the file.
    by_socket: BTreeMap<String, usize>,
    at: usize,
    /// Addresses that sites have.
    taken: BTreeSet<String>,
}

impl Defaults {
    pub(super) fn of(http: &Scope<'_>) -> Self {
        let mut by_socket = BTreeMap::new();
        for is_named in [true, false] {
            for (at, server) in http.named("server").enumerate() {
                for listen in of_server(&http.inner(server.block())) {
                    if listen.is_default || !is_named {
                        by_socket.entry(listen.key()).or_insert(at);
                    }
                }
            }
        }
        Self { by_socket, at: 0, taken: BTreeSet::new() }
    }
}

/// The addresses of a server and what goes with them.
pub(super) struct Addresses {
    /// By the addresses of the machine on which they are.
    pub(super) all: Vec<(Vec<String>, Option<Line>)>,
    pub(super) is_secure: bool,
    pub(super) lines: Vec<Item>,
}

pub(super) fn of(server: &Scope<'_>, defaults: &mut Defaults) -> Addresses {
    let mut lines = Vec::new();
    for (directive, listen) in listens(server) {
        if listen.is_none() {
            lines.push(note(&directive.at, format!("{}: left out", directive.shown())));
        }
        for arg in directive.args.iter().skip(1) {
            let name = arg.split('=').next().unwrap_or_default();
            let text = match name {
                "proxy_protocol" => {
                    "proxy_protocol: write `proxyprotocol RANGE` with the \
                                     addresses of the load balancer"
                }
                name if NEEDLESS.contains(&name) => continue,
                _ => "a parameter of listen that is not known here",
            };
            lines.push(note(&directive.at, format!("{}: {text}", directive.shown())));
        }
    }
    let names = names(server, &mut lines);
    let listens = of_server(server);
    let nth = defaults.at;
    defaults.at += 1;
    let mut all: Vec<(Vec<String>, Option<Line>)> = Vec::new();
    for listen in &listens {
        let bind = bind(&listens, listen.port);
        let at = all.iter().position(|(_, other)| *other == bind).unwrap_or_else(|| {
            all.push((Vec::new(), bind));
            all.len() - 1
        });
        let scheme = if listen.is_secure { "https" } else { "http" };
        let port = match (listen.is_secure, listen.port) {
            (true, 443) | (false, 80) => String::new(),
            (_, port) => format!(":{port}"),
        };
        let is_default = defaults.by_socket.get(&listen.key()) == Some(&nth);
        for name in names.iter().map(String::as_str).chain(is_default.then_some("")) {
            let address = format!("{scheme}://{name}{port}");
            if defaults.taken.insert(address.clone()) {
                all[at].0.push(address);
            }
        }
    }
    let has_any = all.iter().any(|(addresses, _)| !addresses.is_empty());
    all.retain(|(addresses, _)| !has_any || !addresses.is_empty());
    Addresses { all, is_secure: listens.iter().any(|one| one.is_secure), lines }
}

/// The names that can be written here.
fn names(server: &Scope<'_>, lines: &mut Vec<Item>) -> Vec<String> {
    let mut names = Vec::new();
    for directive in server.named("server_name") {
        for name in &directive.args {
            if matches!(&**name, "_" | "") {
                continue;
            }
            let fits = |name: &str| {
                let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
                !name.is_empty() && name.chars().all(allowed)
            };
            let bare = name.strip_prefix("*.").unwrap_or(name);
            if let Some(bare) = name.strip_prefix('.').filter(|bare| fits(bare)) {
                names.extend([bare.to_owned(), format!("*.{bare}")]);
            } else if fits(bare) {
                names.push(name.clone());
            } else {
                let text = format!(
                    "server_name {name}: an address is a name, or one that begins with `*.`: \
                     left out"
                );
                lines.push(note(&directive.at, text));
            }
        }
    }
    names
}

/// The addresses of the machine on which a server has a port, unless they are all.
fn bind(listens: &[Listen], port: u16) -> Option<Line> {
    let here = listens.iter().filter(|one| one.port == port);
    let hosts: BTreeSet<&str> = here.map(|one| &*one.host).collect();
    let is_all = hosts.contains("");
    (!is_all).then(|| Line::new(["bind"]).and(hosts.into_iter().map(str::to_owned)))
}
