//! `reverse_proxy` as the directive `proxy`.

use super::syntax::Segment;
use super::values;
use crate::convert::Files;
use crate::convert::page::{Item, Line, note};

/// Options that need nothing here.
const NEEDLESS: &[&str] = &[
    "flush_interval",
    "stream_timeout",
    "stream_close_delay",
    "buffer_requests",
    "buffer_responses",
    "request_buffers",
    "response_buffers",
    "verbose_logs",
];

/// Fields that the upstream gets without a line.
const FORWARDED: [(&str, &str); 3] = [
    ("X-Forwarded-For", "{remote}"),
    ("X-Forwarded-Proto", "{scheme}"),
    ("X-Forwarded-Host", "{host}"),
];

/// The rule for a path; `before` goes before the path of the request.
pub(super) fn rule(
    one: &Segment,
    upstreams: &[String],
    from: &str,
    before: &str,
    files: &dyn Files,
) -> Result<Line, Item> {
    let wrong = |why: &str| note(&one.at, format!("{}: {why}: left out", one.shown()));
    let listed = one.block().iter().filter(|option| option.name() == "to");
    let listed = listed.flat_map(|option| option.args().iter());
    let all: Vec<&String> = upstreams.iter().chain(listed).collect();
    if all.is_empty() {
        return Err(wrong("no upstream is written there"));
    }
    let is_pattern = |option: &&Segment| {
        option.name() == "header_up"
            && option.arg(0).starts_with('-')
            && option.arg(0).contains('*')
    };
    if let Some(option) = one.block().iter().find(is_pattern) {
        let text = format!("{}: which fields they are is not known", option.shown());
        return Err(note(&option.at, format!("{text}; nobody is let in")));
    }
    let transport = one.block().iter().find(|option| option.name() == "transport");
    let has_tls = transport.is_some_and(|transport| {
        transport.block().iter().any(|option| option.name().starts_with("tls"))
    });
    let is_secure = has_tls || all.iter().any(|word| word.starts_with("https://"));
    let words = all.iter().map(|word| address(word, before, has_tls));
    let words: Option<Vec<String>> = words.collect();
    let words = words.ok_or_else(|| wrong("an upstream that cannot be written here"))?;
    let mut line = Line::new(["proxy", from]).and(words);
    if all.len() > 1 && !one.block().iter().any(|option| option.name() == "lb_policy") {
        line.add(Line::new(["policy", "random"]));
    }
    forwarded(one, is_secure, &mut line);
    for option in one.block() {
        options(option, files, &mut line);
    }
    Ok(line)
}

/// An upstream as it is written here.
fn address(word: &str, before: &str, has_tls: bool) -> Option<String> {
    let word = match word.strip_prefix("unix/") {
        Some(path) => format!("unix:{path}"),
        None => word.to_owned(),
    };
    let is_socket = word.starts_with("unix:");
    if word.contains('{') && !word.contains("{$") || is_socket && (has_tls || !before.is_empty()) {
        return None;
    }
    let has_scheme = word.contains("://");
    let path = word.split_once("://").map_or(&*word, |(_, rest)| rest).contains('/');
    if path && !is_socket {
        return None;
    }
    Some(match (has_scheme, has_tls) {
        _ if is_socket => word,
        (false, true) => format!("https://{word}{before}"),
        (false, false) if before.is_empty() => word,
        (false, false) => format!("http://{word}{before}"),
        (true, _) => format!("{word}{before}"),
    })
}

/// The fields that Caddy 2 sends of its own accord, unless a line changes them.
fn forwarded(one: &Segment, is_secure: bool, line: &mut Line) {
    let is_changed = |name: &str| {
        one.block().iter().any(|option| {
            option.name() == "header_up"
                && option.args().len() < 3
                && option.arg(0).trim_start_matches('-').eq_ignore_ascii_case(name)
        })
    };
    if !is_secure && !is_changed("Host") {
        line.add(Line::new(["header_upstream", "Host", "{host}"]));
    }
    for (name, value) in FORWARDED {
        if !is_changed(name) {
            line.add(Line::new(["header_upstream", name, value]));
        }
    }
}

fn options(option: &Segment, files: &dyn Files, line: &mut Line) {
    let left_out = |why: &str| note(&option.at, format!("{}: {why}left out", option.shown()));
    let value = option.arg(0);
    let ours = match option.name() {
        "to" => return,
        "header_up" | "header_down" => return field(option, line),
        "lb_policy" => return policy(option, line),
        "transport" => return transport(option, files, line),
        name if NEEDLESS.contains(&name) => return,
        "health_uri" => "health_check",
        "health_interval" => "health_check_interval",
        "health_timeout" => "health_check_timeout",
        "health_port" => "health_check_port",
        "health_status" => "health_check_status",
        "health_body" => "health_check_contains",
        "lb_try_duration" => "try_duration",
        "lb_try_interval" => "try_interval",
        "fail_duration" => "fail_timeout",
        "max_fails" => "max_fails",
        "unhealthy_request_count" => "max_conns",
        _ => return line.add(left_out("")),
    };
    let is_time = ["interval", "timeout", "duration"].iter().any(|end| ours.ends_with(end));
    match values::duration(value) {
        Some(time) if is_time => line.add(Line::new([ours, &time])),
        None if is_time => line.add(left_out("no time: ")),
        _ => line.add(Line::new([ours, value])),
    }
}

fn field(option: &Segment, line: &mut Line) {
    let ours = if option.name() == "header_up" { "header_upstream" } else { "header_downstream" };
    let name = option.arg(0);
    let name = name.trim_start_matches(['?', '>']);
    let values: Result<Vec<_>, _> =
        option.args().iter().skip(1).map(|value| values::text(&host_of_upstream(value))).collect();
    match values {
        Ok(values) => {
            if ours == "header_upstream"
                && name.eq_ignore_ascii_case("Host")
                && option.arg(1) == "{upstream_hostport}"
            {
                // The upstream's own host is what it gets anyway.
                return;
            }
            line.add(Line::new([ours, name]).and(values));
        }
        Err(_) if option.arg(1) == "{upstream_hostport}" && name.eq_ignore_ascii_case("Host") => {}
        Err(name) => {
            let text = format!("{}: {name} has no placeholder: left out", option.shown());
            line.add(note(&option.at, text));
            let field = option.arg(0).trim_start_matches(['+', '?', '>']);
            if ours == "header_upstream" && !field.starts_with('-') {
                // Nor does the upstream believe the client's own.
                line.add(Line::new([ours, &format!("-{field}")]));
            }
        }
    }
}

fn host_of_upstream(value: &str) -> String {
    value.replace("{http.reverse_proxy.upstream.hostport}", "{upstream_hostport}")
}

fn policy(option: &Segment, line: &mut Line) {
    let name = option.arg(0);
    let ours = match name {
        "random" | "round_robin" | "least_conn" | "first" | "ip_hash" | "uri_hash" => name,
        "client_ip_hash" => "ip_hash",
        "random_choose" => "least_conn",
        "cookie" => {
            let words = option.args().iter().skip(1).cloned();
            return line.add(Line::new(["policy", "cookie"]).and(words));
        }
        "header" => return line.add(Line::new(["policy", "header", option.arg(1)])),
        _ => {
            let text = format!("{}: no policy of ours: left out", option.shown());
            return line.add(note(&option.at, text));
        }
    };
    line.add(Line::new(["policy", ours]));
}

fn transport(option: &Segment, files: &dyn Files, line: &mut Line) {
    if option.arg(0) != "http" {
        return line.add(note(&option.at, format!("{}: left out", option.shown())));
    }
    for one in option.block() {
        let time = values::duration(one.arg(0));
        match (one.name(), time) {
            ("tls" | "compression" | "keepalive" | "read_buffer" | "write_buffer", _) => {}
            ("tls_insecure_skip_verify", _) => line.add(Line::new(["insecure_skip_verify"])),
            ("tls_client_auth", _) if one.args().len() == 2 => {
                let files = one.args().iter().map(|file| files.absolute(file));
                line.add(Line::new(["tls_client"]).and(files));
            }
            ("tls_trusted_ca_certs", _) => {
                let files = one.args().iter().map(|file| files.absolute(file));
                line.add(Line::new(["ca_certificates"]).and(files));
            }
            ("dial_timeout", Some(time)) => line.add(Line::new(["timeout", &time])),
            ("response_header_timeout", Some(time)) => {
                line.add(Line::new(["first_byte_timeout", &time]));
            }
            ("read_timeout", Some(time)) => line.add(Line::new(["idle_timeout", &time])),
            _ => {
                let text = format!("transport {}: left out", one.shown());
                line.add(note(&one.at, text));
            }
        }
    }
}
