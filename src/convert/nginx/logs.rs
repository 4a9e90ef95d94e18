//! `access_log`, `error_log` and `error_page`.

use super::scope::Scope;
use super::syntax::Directive;
use super::values;
use crate::convert::Files;
use crate::convert::page::{Item, Line, note};

/// The directives `log` and `errors` of a site; `except` are paths that are not logged.
pub(super) fn lines(
    scope: &Scope<'_>,
    files: &dyn Files,
    root: Option<&str>,
    except: &[String],
) -> Vec<Item> {
    let mut lines = Vec::new();
    for one in scope.all("access_log") {
        match one.arg(0) {
            "off" | "" => {}
            target => {
                let format = format(one, scope, &mut lines);
                match sink(target, files) {
                    Some(target) => {
                        let mut line = Line::new(["log", "/", &target, &format]);
                        if !except.is_empty() {
                            line.add(Line::new(["except"]).and(except.iter().cloned()));
                        }
                        lines.push(line.into());
                    }
                    None => lines.push(note(&one.at, format!("{}: left out", one.shown()))),
                }
            }
        }
    }
    errors(scope, files, root, &mut lines);
    lines
}

/// The file or the syslog that lines go to.
fn sink(target: &str, files: &dyn Files) -> Option<String> {
    if !values::is_fixed(target) {
        return None;
    }
    if let Some(rest) = target.strip_prefix("syslog:") {
        let server = rest.split(',').find_map(|part| part.strip_prefix("server="))?;
        return (!server.starts_with("unix:")).then(|| format!("syslog://{server}"));
    }
    Some(match target {
        "/dev/stdout" => "stdout".to_owned(),
        "/dev/stderr" | "stderr" => "stderr".to_owned(),
        file => files.absolute(file),
    })
}

/// The format of the access log.
fn format(one: &Directive, scope: &Scope<'_>, lines: &mut Vec<Item>) -> String {
    let combined = "{combined}".to_owned();
    let name = match one.arg(1) {
        "" | "combined" => return combined,
        name if name.contains('=') => return combined,
        name => name,
    };
    let mut all = scope.http().iter().filter(|one| one.name == "log_format");
    let Some(format) = all.rfind(|one| one.arg(0) == name) else {
        lines.push(note(&one.at, format!("{}: no log_format {name}", one.shown())));
        return combined;
    };
    let parts = format.args.iter().skip(1).filter(|part| !part.starts_with("escape="));
    match values::text(&parts.map(String::as_str).collect::<String>()) {
        Ok(text) => text,
        Err(variable) => {
            let text = format!(
                "log_format {name}: {variable} has no placeholder: {{combined}} \
                                is used"
            );
            lines.push(note(&format.at, text));
            combined
        }
    }
}

fn errors(scope: &Scope<'_>, files: &dyn Files, root: Option<&str>, lines: &mut Vec<Item>) {
    let mut line = Line::new(["errors"]);
    if let Some(one) = scope.all("error_log").last() {
        match sink(one.arg(0), files) {
            Some(_) if one.arg(0) == "/dev/null" => {}
            Some(target) => line.add(Line::new(["log", &target])),
            None => lines.push(note(&one.at, format!("{}: left out", one.shown()))),
        }
    }
    for one in scope.all("error_page") {
        let Some((page, codes)) = one.args.split_last() else { continue };
        let is_page = page.starts_with('/') && values::is_fixed(page) && !page.contains('?');
        let is_plain = codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        let own = file_of(page, scope, files).or_else(|| root.map(|root| format!("{root}{page}")));
        let (true, true, Some(file)) = (is_page, is_plain, own) else {
            let text =
                format!("{}: `errors` sends a file with the status of the error", one.shown());
            lines.push(note(&one.at, text));
            continue;
        };
        for code in codes {
            line.add(Line::new([code.as_str(), &file]));
        }
    }
    if line.has_block() {
        lines.push(line.into());
    }
}

/// The file of a page whose location has a root of its own.
fn file_of(page: &str, scope: &Scope<'_>, files: &dyn Files) -> Option<String> {
    let block = pages(scope).find(|one| one.arg(1) == page)?;
    let own = Scope::new(block.block());
    let root = own.mine("root").filter(|root| values::is_fixed(root.arg(0)))?;
    Some(format!("{}{page}", files.absolute(root.arg(0)).trim_end_matches('/')))
}

/// The locations of single paths.
fn pages<'a>(scope: &Scope<'a>) -> impl Iterator<Item = &'a Directive> + use<'a> {
    let all = scope.named("location");
    all.filter(|one| one.args.len() == 2 && one.arg(0) == "=")
}

/// Whether a location does nothing but hold the page of an error.
pub(super) fn is_page(scope: &Scope<'_>, path: &str) -> bool {
    let pages = scope.all("error_page");
    pages.iter().any(|one| one.args.last().is_some_and(|page| page == path))
}
