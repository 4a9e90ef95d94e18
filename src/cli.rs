//! Parses the command line, in Go's flag syntax (`-conf=x`, `-conf x`, `--conf x`,
//! `-quic=false`), into [`Options`]. Opens no file.

mod commands;
mod options;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::caddyfile::{nearest, parse_duration, parse_number, parse_one_in, parse_port};
use crate::http::ranges::Ranges;
use commands::Command;
pub use options::{Action, Cpu, Options};

enum Set {
    /// A switch: `-quic`, `-quic=false`.
    Switch(fn(&mut Options, bool)),
    /// Takes a value.
    Value(fn(&mut Options, &str) -> Result<(), String>),
}

struct Flag {
    name: &'static str,
    set: Set,
    help: &'static str,
}

const fn switch(name: &'static str, set: fn(&mut Options, bool), help: &'static str) -> Flag {
    Flag { name, set: Set::Switch(set), help }
}

const fn value(
    name: &'static str,
    set: fn(&mut Options, &str) -> Result<(), String>,
    help: &'static str,
) -> Flag {
    Flag { name, set: Set::Value(set), help }
}

/// Every flag, in the order of the usage text.
static FLAGS: &[Flag] = &[
    switch("agree", |o, on| o.agree = on, "Agree to the CA's subscriber agreement"),
    value(
        "alt-svc-port",
        |o, v| port(v, o.alt_svc_port.insert(0)),
        "Public port of HTTP/3, for Alt-Svc (the listener's)",
    ),
    value("ca", |o, v| text(&mut o.ca, v), "URL of the ACME directory (Let's Encrypt)"),
    value(
        "catimeout",
        |o, v| duration(v, &mut o.ca_timeout),
        "Timeout of requests to the CA (10s)",
    ),
    value(
        "conf",
        |o, v| set(&mut o.conf, v),
        "Caddyfile to load (default \"Caddyfile\"), or stdin",
    ),
    value(
        "control",
        |o, v| set(&mut o.control, v),
        "Control socket to open, or to use with -reload and -status (/var/run/caddy/caddy.sock)",
    ),
    value(
        "convert",
        |o, v| {
            o.action = Action::Convert;
            set(&mut o.conf, v)
        },
        "Print a configuration of nginx or of Caddy 2 as a Caddyfile and exit",
    ),
    value("cpu", |o, v| cpu(v).map(|cpu| o.cpu = cpu), "CPU cap: N% or a number of workers (100%)"),
    switch("daemon", |o, on| o.daemon = on, "Run in the background once listening"),
    switch("disable-http-challenge", |o, on| o.http_challenge = !on, "Disable HTTP-01"),
    switch("disable-tls-alpn-challenge", |o, on| o.tls_alpn_challenge = !on, "Disable TLS-ALPN-01"),
    value("email", |o, v| text(&mut o.email, v), "Default ACME account e-mail"),
    value(
        "fleet",
        |o, v| set(&mut o.fleet, v),
        "Share certificates with other machines by this Redis server: redis://HOST:PORT",
    ),
    value(
        "fleet-key",
        |o, v| set(&mut o.fleet_key, v),
        "With -fleet: file with the 32-byte key that all machines share",
    ),
    value(
        "fleet-listen",
        |o, v| set(&mut o.fleet_listen, v),
        "With -fleet: UDP ADDRESS:PORT for QUIC packets from other machines, or off (port 7440)",
    ),
    switch(
        "fmt",
        |o, on| act(o, on, Action::Format),
        "Print the Caddyfile in its usual form and exit",
    ),
    value("grace", |o, v| duration(v, &mut o.grace), "Time that a stop waits for requests (30s)"),
    value("host", |o, v| text(&mut o.host, v), "Default host"),
    value("http-port", |o, v| port(v, &mut o.http_port), "Port of http:// sites (80)"),
    switch("http2", |o, on| o.http2 = on, "Enable HTTP/2 (on)"),
    value("https-port", |o, v| port(v, &mut o.https_port), "Port of https:// sites (443)"),
    switch("json", |o, on| o.json = on, "With -status or -quic-report: print JSON"),
    value(
        "log",
        |o, v| text(&mut o.log, v),
        "Process log: a file, stdout, stderr or syslog (warnings and errors to stderr)",
    ),
    value(
        "log-format",
        |o, v| log_format(v).map(|json| o.log_json = json),
        "Format of the process log: text or json (text)",
    ),
    switch("log-roll-compress", |o, on| o.log_roll_compress = on, "Gzip rotated process logs (on)"),
    value("log-roll-mb", |o, v| number(v, &mut o.log_roll_mb), "Size of a process log, MB (100)"),
    switch("log-timestamps", |o, on| o.log_timestamps = on, "Timestamps in process logs (on)"),
    switch("overwrite", |o, on| o.overwrite = on, "With -fmt: rewrite the Caddyfile in place"),
    value("pidfile", |o, v| set(&mut o.pidfile, v), "File to write the process ID to"),
    switch("plugins", |o, on| act(o, on, Action::Plugins), "List built-in plugins and exit"),
    value("port", |o, v| text(&mut o.port, v), "Default port (2015)"),
    value(
        "qlog",
        |o, v| directory(&mut o.qlog, v),
        "Directory for qlog files of HTTP/3 connections (none)",
    ),
    value(
        "qlog-from",
        |o, v| ranges(v, o.qlog_from.get_or_insert_default()),
        "With -qlog: record only these clients, ranges of addresses with commas between",
    ),
    value(
        "qlog-sample",
        |o, v| parse_one_in(v).map(|one_in| o.qlog_sample = one_in),
        "With -qlog: record one of N connections, 1/N (1/1)",
    ),
    switch("quic", |o, on| o.quic = on, "Enable HTTP/3 on TLS listeners (on)"),
    value(
        "quic-congestion",
        |o, v| v.parse().map(|congestion| o.congestion = congestion),
        "Congestion controller of HTTP/3: bbr or cubic (bbr)",
    ),
    switch(
        "quic-report",
        |o, on| act(o, on, Action::QuicReport),
        "Print whether HTTP/3 pays off for the visitors of a running service, and exit",
    ),
    switch("quiet", |o, on| o.quiet = on, "Suppress output at start"),
    switch(
        "reload",
        |o, on| act(o, on, Action::Reload),
        "Reload the running service, print the result and exit",
    ),
    value("revoke", revoke, "Revoke the certificate of this host and exit"),
    value(
        "root",
        |o, v| directory(&mut o.root, v),
        "Root of sites without a root directive (\".\")",
    ),
    switch(
        "status",
        |o, on| act(o, on, Action::Status),
        "Print the status of the running service and exit",
    ),
    switch("svg", |o, on| o.svg = on, "With -quic-report: print an SVG image"),
    value(
        "tcp-congestion",
        |o, v| v.parse().map(|name| o.tcp_congestion = Some(name)),
        "Congestion controller of HTTP/1.1 and HTTP/2, of the kernel's (its default)",
    ),
    value("type", |o, v| text(&mut o.server_type, v), "Server type (http)"),
    value("user", |o, v| set(&mut o.user, v), "Run as this user once the ports are bound"),
    switch("validate", |o, on| act(o, on, Action::Validate), "Check the Caddyfile and exit"),
    switch("version", |o, on| act(o, on, Action::Version), "Print the version and exit"),
];

/// Parses the arguments after the program name. The error is the text for stderr, with the usage.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.into_iter().peekable();
    let command = args.peek().and_then(|word| Command::named(word));
    if let Some(command) = command {
        args.next();
        (command.begin)(&mut options);
    }
    while let Some(arg) = args.peek() {
        if arg == "--" {
            args.next();
            break;
        }
        let Some(flag) = arg.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            // The words behind a command are no lines of a Caddyfile.
            let (Some(command), Some(word)) = (command, args.next_if(|_| command.is_some())) else {
                break;
            };
            command.word(&mut options, &word).map_err(|error| format!("{error}{}", usage()))?;
            continue;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag).to_owned();
        if flag.starts_with(['-', '=']) {
            return Err(format!("bad flag syntax: {arg}\n{}", usage()));
        }
        args.next();
        if matches!(&*flag, "h" | "help") {
            options.action = Action::Help;
            return Ok(options);
        }
        one(&mut options, command, &flag, &mut args)
            .map_err(|error| format!("{error}{}", usage()))?;
    }
    options.lines.extend(args);
    if let Some(command) = command {
        command.end(&mut options).map_err(|error| format!("{error}{}", usage()))?;
    }
    check(&options).map_err(|error| format!("{error}\n{}", usage()))?;
    // What -quiet suppresses is text, and is in the log too.
    options.quiet |= options.log_json && options.log == "stdout";
    Ok(options)
}

/// Refuses flags without the one that they belong to.
fn check(options: &Options) -> Result<(), &'static str> {
    if options.json && !matches!(options.action, Action::Status | Action::QuicReport) {
        return Err("-json needs -status or -quic-report");
    }
    if options.svg && (options.action != Action::QuicReport || options.json) {
        return Err("-svg needs -quic-report, without -json");
    }
    if options.overwrite && options.action != Action::Format {
        return Err("-overwrite needs -fmt");
    }
    if options.qlog.is_none() && (options.qlog_from.is_some() || options.qlog_sample != 1) {
        return Err("-qlog-from and -qlog-sample need -qlog");
    }
    Ok(())
}

fn one(
    options: &mut Options,
    command: Option<&'static Command>,
    written: &str,
    args: &mut impl Iterator<Item = String>,
) -> Result<(), String> {
    let (name, inline) = match written.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (written, None),
    };
    let own = command.map_or(&[][..], |command| command.flags);
    let flag = own.iter().chain(FLAGS).find(|flag| flag.name == name).ok_or_else(|| {
        let names: Vec<_> = own.iter().chain(FLAGS).map(|flag| flag.name).collect();
        let near = nearest(name, &names);
        let near = near.map(|near| format!("did you mean -{near}?\n")).unwrap_or_default();
        format!("flag provided but not defined: -{name}\n{near}")
    })?;
    match flag.set {
        Set::Switch(set) => {
            let on = match inline.as_deref().unwrap_or("true") {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
                "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
                other => {
                    return Err(format!("invalid boolean value \"{other}\" for -{name}\n"));
                }
            };
            set(options, on);
            Ok(())
        }
        Set::Value(set) => {
            let value = inline
                .or_else(|| args.next())
                .ok_or_else(|| format!("flag needs an argument: -{name}\n"))?;
            set(options, &value)
                .map_err(|why| format!("invalid value \"{value}\" for flag -{name}: {why}\n"))
        }
    }
}

fn usage() -> String {
    let mut text = "Usage of caddy:\n".to_owned();
    for flag in FLAGS {
        let takes = if matches!(flag.set, Set::Switch(_)) { "" } else { " value" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  -{}{takes}\n    \t{}", flag.name, flag.help);
    }
    text
}

/// What `-help` prints.
pub fn help() -> String {
    let mut text = "caddy [COMMAND] [FLAG...] [LINE...]\n\n\
        Serves the sites of a Caddyfile. Lines of a Caddyfile may stand on the command line.\n\n\
        Examples:\n  \
        caddy -conf /etc/caddy/Caddyfile\n  \
        caddy -port 8080 browse \"log stdout\"\n  \
        caddy reverse-proxy --from https://localhost:8443 --to localhost:8080\n\n\
        Commands:\n"
        .to_owned();
    for command in commands::COMMANDS {
        let _ = writeln!(text, "  {:<33} {}", command.usage, command.help);
    }
    text.push('\n');
    text + &usage()
}

fn set<T: for<'a> From<&'a str>>(slot: &mut Option<T>, value: &str) -> Result<(), String> {
    *slot = Some(T::from(value));
    Ok(())
}

fn text(slot: &mut String, value: &str) -> Result<(), String> {
    value.clone_into(slot);
    Ok(())
}

fn directory(slot: &mut Option<PathBuf>, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("must be a directory".to_owned());
    }
    set(slot, value)
}

fn port(value: &str, slot: &mut u16) -> Result<(), String> {
    *slot = parse_port(value)?;
    Ok(())
}

fn number(value: &str, slot: &mut u32) -> Result<(), String> {
    *slot = parse_number(value, 0..)?;
    Ok(())
}

fn duration(value: &str, slot: &mut Duration) -> Result<(), String> {
    *slot = parse_duration(value)?;
    Ok(())
}

fn ranges(value: &str, ranges: &mut Ranges) -> Result<(), String> {
    value
        .split(',')
        .all(|word| ranges.add(word))
        .then_some(())
        .ok_or_else(|| Ranges::HINT.to_owned())
}

/// Whether it is JSON.
fn log_format(value: &str) -> Result<bool, String> {
    match value {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err("use text or json".to_owned()),
    }
}

fn act(options: &mut Options, on: bool, action: Action) {
    if on {
        options.action = action;
    }
}

fn revoke(options: &mut Options, host: &str) -> Result<(), String> {
    host.clone_into(&mut options.revoke);
    options.action = Action::Revoke;
    Ok(())
}

fn cpu(value: &str) -> Result<Cpu, String> {
    if let Some(percent) = value.strip_suffix('%') {
        let percent = parse_number(percent, 1..=100).map(Cpu::Percent);
        return percent
            .map_err(|_| "invalid CPU value: percentage must be between 1-100".to_owned());
    }
    parse_number(value, 1..)
        .map(Cpu::Count)
        .map_err(|_| "invalid CPU value: provide a number or percent greater than 0".to_owned())
}

#[cfg(test)]
mod tests;
