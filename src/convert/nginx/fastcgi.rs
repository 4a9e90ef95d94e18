//! `fastcgi_pass` and what belongs to it, as the directive `fastcgi`.

use super::scope::Scope;
use super::syntax::Directive;
use super::values;
use crate::convert::page::{Item, Line, note};

/// Parameters that scripts get anyway.
const GIVEN: &[&str] = &[
    "QUERY_STRING",
    "REQUEST_METHOD",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "SCRIPT_NAME",
    "SCRIPT_FILENAME",
    "REQUEST_URI",
    "DOCUMENT_URI",
    "DOCUMENT_ROOT",
    "SERVER_PROTOCOL",
    "REQUEST_SCHEME",
    "HTTPS",
    "GATEWAY_INTERFACE",
    "SERVER_SOFTWARE",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_USER",
    "SERVER_ADDR",
    "SERVER_PORT",
    "SERVER_NAME",
    "REDIRECT_STATUS",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "HTTP_PROXY",
];

/// The rule for a path; `is_php`: for scripts that end in `.php` only.
pub(super) fn rule(
    pass: &Directive,
    scope: &Scope<'_>,
    from: &str,
    is_php: bool,
) -> Result<Line, Item> {
    let addresses = addresses(pass, scope)
        .map_err(|why| note(&pass.at, format!("{}: {why}: left out", pass.shown())))?;
    let mut addresses = addresses.into_iter();
    let mut line = Line::new(["fastcgi", from]).and(addresses.next());
    let others: Vec<_> = addresses.collect();
    if is_php {
        line.add(Line::new(["ext", ".php"]));
        line.add(Line::new(["split", ".php"]));
        let index = scope.one("index").map_or(&[][..], |index| &index.args);
        let scripts: Vec<_> = index.iter().filter(|name| name.ends_with(".php")).cloned().collect();
        if !scripts.is_empty() {
            line.add(Line::new(["index"]).and(index.iter().cloned()));
        }
    }
    if !others.is_empty() {
        line.add(Line::new(["upstream"]).and(others));
    }
    for one in scope.all("fastcgi_param") {
        parameter(one, &mut line);
    }
    for (theirs, ours) in [
        ("fastcgi_connect_timeout", "connect_timeout"),
        ("fastcgi_read_timeout", "read_timeout"),
        ("fastcgi_send_timeout", "send_timeout"),
    ] {
        let Some(one) = scope.one(theirs) else { continue };
        match values::duration(one.arg(0)) {
            Some(time) => line.add(Line::new([ours, &time])),
            None => line.add(note(&one.at, format!("{}: no time: left out", one.shown()))),
        }
    }
    Ok(line)
}

fn addresses(pass: &Directive, scope: &Scope<'_>) -> Result<Vec<String>, &'static str> {
    let name = pass.arg(0);
    if !values::is_fixed(name) || name.is_empty() {
        return Err("no address without variables");
    }
    let group = scope.http().iter();
    let mut group = group.filter(|one| one.name == "upstream" && one.arg(0) == name);
    let Some(group) = group.next_back() else { return Ok(vec![name.to_owned()]) };
    let servers = group.block().iter().filter(|one| one.name == "server");
    let servers = servers.filter(|one| !one.args.iter().any(|arg| arg == "down"));
    let all: Vec<_> = servers.map(|one| one.arg(0).to_owned()).collect();
    if all.is_empty() { Err("the upstream has no server") } else { Ok(all) }
}

fn parameter(one: &Directive, line: &mut Line) {
    let (name, value) = (one.arg(0), one.arg(1));
    let is_own = |name: &str| match name {
        "SCRIPT_FILENAME" => {
            let known = [
                "$document_root$fastcgi_script_name",
                "$request_filename",
                "$realpath_root$fastcgi_script_name",
            ];
            !known.contains(&value)
        }
        "HTTPS" => !value.contains("$https"),
        "DOCUMENT_ROOT" => !matches!(value, "$document_root" | "$realpath_root"),
        name => !GIVEN.contains(&name),
    };
    if !is_own(name) {
        return;
    }
    match values::text(value) {
        Ok(value) => line.add(Line::new(["env", name, &value])),
        Err(variable) => {
            let text = format!("{}: {variable} has no placeholder: left out", one.shown());
            line.add(note(&one.at, text));
            if name.starts_with("HTTP_") {
                // Nor does the script believe the client's own.
                line.add(Line::new(["env", name, ""]));
            }
        }
    }
}
