//! Configurations of nginx: their files, and the servers and upstreams in them.

mod access;
#[cfg(test)]
mod access_tests;
mod address;
mod fastcgi;
mod gzip;
mod logs;
mod modifiers;
mod nested;
mod own;
mod place;
mod protect;
mod proxy;
mod real_ip;
mod redirect;
mod scope;
mod server;
mod settings;
mod syntax;
#[cfg(test)]
mod tests;
mod tls;
mod tries;
mod upstream;
mod values;
mod within;

use super::Files;
use super::page::{Page, Place};
use crate::limits::{CONVERT_FILES, CONVERT_INCLUDES};
use address::Defaults;
use scope::Scope;
use syntax::{Directive, Wrong};

/// Blocks that begin a configuration of nginx.
const FIRST: &[&str] =
    &["events", "geo", "http", "map", "server", "split_clients", "stream", "types", "upstream"];

/// Directives of nginx alone whose first line may end in any way.
const LONG: &[&str] = &["fastcgi_cache_path", "log_format", "proxy_cache_path"];

/// Files of nginx that say nothing that is not known here.
const KNOWN_FILES: &[&str] = &[
    "mime.types",
    "fastcgi_params",
    "fastcgi.conf",
    "uwsgi_params",
    "scgi_params",
    "modules-enabled/*.conf",
    "fastcgi-php.conf",
];

/// Files of certbot and Debian that keep nobody out.
const HARMLESS_FILES: &[&str] = &["options-ssl-nginx.conf", "proxy_params"];

/// Whether a path is that of a file with one of these names.
fn is_one_of(names: &[&str], path: &str) -> bool {
    let is = |name: &str| {
        path.strip_suffix(name).is_some_and(|rest| matches!(rest.chars().last(), None | Some('/')))
    };
    names.iter().any(|name| is(name))
}

/// Whether a text is nginx's: its first directive is one of nginx that ends as nginx has it.
pub(super) fn is_nginx(text: &str) -> bool {
    let lines = text.lines().map(str::trim_start);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let Some(first) = lines.next() else { return false };
    let word = first.split(|c: char| c.is_whitespace() || c == '{').next().unwrap_or_default();
    let line = first.split('#').next().unwrap_or_default().trim_end();
    // A line of Caddy 2 does not end so.
    line.ends_with(';')
        || LONG.contains(&word)
        || FIRST.contains(&word) && (line.ends_with(['{', '}']) || line == word)
}

pub(super) fn translate(
    name: &str,
    text: &str,
    files: &dyn Files,
    page: &mut Page,
) -> Result<(), Wrong> {
    let mut loader = Loader { files, count: 0, page };
    let all = loader.load(name, text, 0, false)?;
    let main = Scope::new(&all);
    let http: Vec<Directive> = match all.iter().any(|one| one.name == "http") {
        true => {
            let blocks = all.iter().filter(|one| one.name == "http");
            blocks.flat_map(|one| one.block().to_vec()).collect()
        }
        // A file of conf.d or sites-enabled is what stands within `http`.
        false => all.clone(),
    };
    if http.len() != all.len() || all.iter().any(|one| one.name == "http") {
        settings::report(&main, settings::Level::Main, page);
    }
    let http = Scope::new(&http);
    settings::report(&http, settings::Level::Http, page);
    page.remark(
        "Paths ignore letter case here, unless CASE_SENSITIVE_PATH=1 is in the environment.",
    );
    let mut defaults = Defaults::of(&http);
    for server in http.named("server") {
        let scope = http.inner(server.block());
        server::translate(&scope, server, &mut defaults, files, page);
    }
    if http.named("server").next().is_none() {
        let at = all.first().map(|one| one.at.clone());
        let Some(at) = at else { return Ok(()) };
        page.note(&at, "there is no `server`: nothing to translate");
    }
    Ok(())
}

/// Reads included files into the directives that include them.
struct Loader<'a> {
    files: &'a dyn Files,
    count: usize,
    page: &'a mut Page,
}

impl Loader<'_> {
    fn load(
        &mut self,
        name: &str,
        text: &str,
        depth: usize,
        is_within: bool,
    ) -> Result<Vec<Directive>, Wrong> {
        let directives = syntax::parse(name, text)?;
        Ok(self.expanded(directives, depth, is_within))
    }

    /// `is_within`: these are directives of a server or a location.
    fn expanded(
        &mut self,
        directives: Vec<Directive>,
        depth: usize,
        is_within: bool,
    ) -> Vec<Directive> {
        let mut all = Vec::with_capacity(directives.len());
        for mut one in directives {
            if one.name == "include" {
                all.extend(self.included(&one, depth, is_within));
                continue;
            }
            let is_within = matches!(&*one.name, "server" | "location") && one.block.is_some();
            one.block = one.block.map(|block| self.expanded(block, depth, is_within));
            all.push(one);
        }
        all
    }

    fn included(&mut self, include: &Directive, depth: usize, is_within: bool) -> Vec<Directive> {
        let path = include.arg(0);
        if is_one_of(KNOWN_FILES, path) {
            return Vec::new();
        }
        // What was not read may keep requests out: the directive stays, and does.
        let is_within = is_within && !is_one_of(HARMLESS_FILES, path);
        let mut all = Vec::new();
        let mut missing = |page: &mut Page, at: &Place, why: String| {
            let end = if is_within { "; nobody is let in where it stands" } else { "" };
            page.note(at, format!("{why}{end}"));
            all.extend(is_within.then(|| include.clone()));
        };
        self.count += 1;
        if depth >= CONVERT_INCLUDES || self.count > CONVERT_FILES {
            let why = "too many files include one another: left out";
            missing(self.page, &include.at, why.to_owned());
            return all;
        }
        let files = match self.files.read(path, include.at.file()) {
            Ok(files) => files,
            Err(error) => {
                let why = format!("{}: {error}: left out", include.shown());
                missing(self.page, &include.at, why);
                return all;
            }
        };
        let mut found = Vec::new();
        for file in files {
            match self.load(&file.name, &file.text, depth + 1, is_within) {
                Ok(directives) => found.extend(directives),
                Err((at, why)) => {
                    missing(self.page, &at, format!("{why}: the file is left out"));
                }
            }
        }
        found.extend(all);
        found
    }
}
