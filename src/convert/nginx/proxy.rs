//! `proxy_pass` and what belongs to it, as the directive `proxy`.

use super::scope::Scope;
use super::syntax::Directive;
use super::upstream::{self, Target};
use super::values;
use crate::convert::Files;
use crate::convert::page::{Item, Line, note};
use crate::convert::pattern::escaped;

/// Where a rule of `proxy` is.
pub(super) struct Route<'a> {
    /// The path that the rule is for.
    pub(super) from: String,
    /// The path of the location in it; `None`: it has none that an upstream's could replace.
    pub(super) location: Option<&'a str>,
    /// What `rewrite` has put before the path of the request.
    pub(super) mark: &'a str,
    /// What the site has taken from the path of the request.
    pub(super) base: &'a str,
}

/// The rule, or why there is none.
pub(super) fn rule(
    pass: &Directive,
    scope: &Scope<'_>,
    route: &Route<'_>,
    files: &dyn Files,
) -> Result<Line, Item> {
    let wrong = |why: &str| note(&pass.at, format!("{}: {why}: left out", pass.shown()));
    let url = match pass.name == "grpc_pass" && !pass.arg(0).contains("://") {
        true => format!("grpc://{}", pass.arg(0)),
        false => pass.arg(0).to_owned(),
    };
    let target = Target::read(&url).ok_or_else(|| wrong("no address without variables"))?;
    let uri = target.uri.as_deref().unwrap_or_default();
    let before = match &target.uri {
        None => route.base,
        Some(_) if route.location.is_none() => return Err(wrong("the path cannot be replaced")),
        Some(uri) => uri.trim_end_matches('/'),
    };
    let upstreams = upstream::of(&target, before, pass, scope).map_err(|why| wrong(&why))?;
    let mut line = Line::new(["proxy", &route.from]).and(upstreams.words);
    upstreams.lines.into_iter().for_each(|one| line.add(one));
    let location = route.location.unwrap_or_default();
    if target.uri.is_some() && location.ends_with('/') != uri.ends_with('/') {
        let text = format!(
            "{}: the location and the path end alike neither in a slash nor without; here the \
             parts are joined by one slash",
            pass.shown()
        );
        line.add(note(&pass.at, text));
    }
    let replaced = if target.uri.is_some() { location.trim_end_matches('/') } else { "" };
    let without = format!("{}{replaced}", route.mark);
    if !without.is_empty() && route.base.is_empty() {
        line.add(Line::new(["without", &without]));
    }
    headers(scope, &target, location, &mut line);
    timeouts(scope, &mut line);
    security(scope, &target, files, &mut line);
    Ok(line)
}

/// The fields of requests and responses.
fn headers(scope: &Scope<'_>, target: &Target, location: &str, line: &mut Line) {
    let fields = scope.all("proxy_set_header");
    let has = |name: &str| fields.iter().any(|one| one.arg(0).eq_ignore_ascii_case(name));
    if !has("Host") {
        let is_group =
            scope.http().iter().any(|one| one.name == "upstream" && one.arg(0) == target.host);
        match target.host.starts_with("unix:") {
            true => line.add(Line::new(["header_upstream", "Host", "localhost"])),
            false if is_group => line.add(Line::new(["header_upstream", "Host", &target.host])),
            false => {}
        }
    }
    for one in &fields {
        line_of_field(one, target, line);
    }
    if !has("X-Forwarded-For") {
        line.add(Line::new(["header_upstream", "-X-Forwarded-For"]));
    }
    for one in scope.all("proxy_hide_header") {
        line.add(Line::new(["header_downstream", &format!("-{}", one.arg(0))]));
    }
    redirects(scope, target, location, line);
}

/// `Location` of the upstream, as nginx changes it: its own URL becomes the path of the location.
fn redirects(scope: &Scope<'_>, target: &Target, location: &str, line: &mut Line) {
    let own = || {
        let uri = target.uri.as_deref().unwrap_or("/");
        let to = if target.uri.is_some() { location } else { "/" };
        (
            format!("^{}", escaped(&format!("{}://{}{uri}", target.scheme, target.host))),
            to.to_owned(),
        )
    };
    let all = scope.all("proxy_redirect");
    if all.is_empty() {
        let (from, to) = own();
        return line.add(Line::new(["header_downstream", "Location", &from, &to]));
    }
    for one in all {
        let (from, to) = match (one.arg(0), values::text(one.arg(1))) {
            ("off", _) => return,
            ("default", _) => own(),
            (from, Ok(to)) if values::is_fixed(from) && !from.starts_with('~') => {
                (format!("^{}", escaped(from)), to)
            }
            _ => {
                let text = format!("{}: write `header_downstream Location`", one.shown());
                line.add(note(&one.at, text));
                continue;
            }
        };
        line.add(Line::new(["header_downstream", "Location", &from, &to]));
    }
}

fn line_of_field(one: &Directive, target: &Target, line: &mut Line) {
    let (name, value) = (one.arg(0), one.arg(1));
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("Upgrade") || is("Connection") {
        // WebSockets pass by themselves.
        return;
    }
    if is("X-Forwarded-For") && value == "$proxy_add_x_forwarded_for" {
        return;
    }
    if value.is_empty() {
        return line.add(Line::new(["header_upstream", &format!("-{name}")]));
    }
    let value = value.replace("$proxy_host", &target.host);
    match values::text(&value) {
        Ok(value) => line.add(Line::new(["header_upstream", name, &value])),
        Err(variable) => {
            let text = format!("{}: {variable} has no placeholder: left out", one.shown());
            line.add(note(&one.at, text));
            // Nor does the upstream believe the client's own.
            line.add(Line::new(["header_upstream", &format!("-{name}")]));
        }
    }
}

fn timeouts(scope: &Scope<'_>, line: &mut Line) {
    for (theirs, ours) in [
        ("proxy_connect_timeout", &["timeout"][..]),
        ("proxy_read_timeout", &["first_byte_timeout", "idle_timeout"]),
        ("grpc_read_timeout", &["first_byte_timeout", "idle_timeout"]),
    ] {
        let Some(one) = scope.one(theirs) else { continue };
        match values::duration(one.arg(0)) {
            Some(time) => ours.iter().for_each(|name| line.add(Line::new([*name, &time]))),
            None => line.add(note(&one.at, format!("{}: no time: left out", one.shown()))),
        }
    }
}

/// TLS to the upstream, which nginx does not check by default.
fn security(scope: &Scope<'_>, target: &Target, files: &dyn Files, line: &mut Line) {
    if !target.is_secure() {
        return;
    }
    let ca = scope.word("proxy_ssl_trusted_certificate");
    match scope.is_on("proxy_ssl_verify") {
        false => line.add(Line::new(["insecure_skip_verify"])),
        true if !ca.is_empty() => {
            line.add(Line::new(["ca_certificates", &files.absolute(ca)]));
        }
        true => {}
    }
    let (cert, key) =
        (scope.word("proxy_ssl_certificate"), scope.word("proxy_ssl_certificate_key"));
    if !cert.is_empty() && !key.is_empty() {
        line.add(Line::new(["tls_client"]).and([files.absolute(cert), files.absolute(key)]));
    }
    for name in ["proxy_ssl_name", "proxy_ssl_protocols", "proxy_ssl_ciphers"] {
        if let Some(one) = scope.one(name) {
            line.add(note(&one.at, format!("{}: left out", one.shown())));
        }
    }
}
