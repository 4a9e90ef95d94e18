//! Locations that are sites: other files, or settings in place of those around them.

use super::place::{Action, Kind, Location};
use super::proxy::{self, Route};
use super::redirect::{self, Rules};
use super::scope::Scope;
use super::server::{Builder, OwnSite, gathered};
use super::settings::{self, Lifetime, SiteFiles};
use super::{access, values};
use crate::convert::page::{Item, Line, note};
use crate::convert::pattern::holds;

impl Builder<'_, '_> {
    /// Whether a location needs a site: other files, or settings that replace those around it.
    pub(super) fn is_own(&self, one: &Location<'_>) -> bool {
        if !one.is_prefix() || one.path == "/" {
            return false;
        }
        let scope = &one.scope;
        let replaces =
            |name: &str| scope.mine(name).is_some() && !scope.outer().all(name).is_empty();
        let is_mixed = replaces("add_header")
            || scope.mine("gzip").is_some_and(|own| own.arg(0) != scope.outer().word("gzip"))
            || access::is_own(scope) && is_protected(&scope.outer());
        match one.action {
            Action::Files => {
                let root = settings::root(scope, self.files);
                let is_below = self.locations.iter().any(|other| {
                    other.is_prefix()
                        && other.path != one.path
                        && holds(&other.path, &one.path)
                        && matches!(other.action, Action::Proxy(_) | Action::Fastcgi(_))
                });
                is_mixed
                    || scope.mine("alias").is_some()
                    || root.as_deref() != self.root
                    || is_below && scope.mine("internal").is_none()
            }
            Action::Proxy(_) => is_mixed,
            _ => false,
        }
    }

    pub(super) fn own_site(&mut self, one: &Location<'_>) {
        let scope = &one.scope;
        let path = settings::trimmed(&one.path);
        let root = self.own_root(one, &path);
        let mut body = Vec::new();
        if let Some(alias) = scope.mine("alias").filter(|one| !values::is_fixed(one.arg(0))) {
            body.push(note(&alias.at, format!("{}: a directory has no variable", alias.shown())));
        }
        let is_files = one.serves_files();
        let to = SiteFiles { root: root.as_deref(), unlogged: &[], has_files: is_files };
        body.extend(settings::lines(scope, &to, self.files));
        let mut inner = Builder {
            scope,
            files: self.files,
            locations: &[],
            root: root.as_deref(),
            rules: Rules::default(),
            lines: Vec::new(),
            limits: Vec::new(),
            lifetimes: Vec::new(),
            own: Vec::new(),
        };
        inner.limit(scope, "");
        inner.expire(None);
        self.rules_of_server(&path, &mut inner);
        redirect::own(scope, &[], &mut inner.rules);
        match one.action {
            Action::Proxy(pass) => {
                let route = Route {
                    from: "/".to_owned(),
                    location: Some(&one.path),
                    mark: "",
                    base: &path,
                };
                inner.lines.push(
                    proxy::rule(pass, scope, &route, self.files)
                        .map_or_else(|note| note, Item::from),
                );
            }
            _ => inner.tries_of(one),
        }
        if scope.is_on("autoindex") {
            inner.lines.push(Line::new(["browse"]).into());
        }
        if one.kind == Kind::Prefix {
            inner.regular_expressions(self.locations, &one.path);
        }
        body.extend(gathered("limits", inner.limits));
        body.append(&mut inner.rules.rewrites);
        body.extend(gathered("expires", inner.lifetimes));
        body.append(&mut inner.rules.answers);
        body.append(&mut inner.lines);
        self.slash(one);
        self.own.push(OwnSite { path: format!("{path}/"), at: one.block.at.clone(), body });
    }

    /// The directory of a location that is a site.
    fn own_root(&self, one: &Location<'_>, path: &str) -> Option<String> {
        let scope = &one.scope;
        let alias =
            scope.mine("alias").map(|alias| alias.arg(0)).filter(|dir| values::is_fixed(dir));
        match alias {
            Some(dir) => Some(settings::trimmed(&self.files.absolute(dir))),
            None => {
                let root = settings::root(scope, self.files);
                root.map(|root| format!("{}{path}", root.trim_end_matches('/')))
            }
        }
    }

    /// What the server asks before its locations.
    fn rules_of_server(&self, path: &str, inner: &mut Builder<'_, '_>) {
        for rule in self.scope.own() {
            match &*rule.name {
                "if" => redirect::conditional(rule, &[], self.scope, &mut inner.rules),
                "rewrite" => {
                    let text = format!("{}: not for paths below {path}", rule.shown());
                    inner.lines.push(note(&rule.at, text));
                }
                _ => {}
            }
        }
    }

    /// What regular expressions of the server take from a prefix that is a site.
    fn regular_expressions(&mut self, all: &[Location<'_>], path: &str) {
        let mut first = Vec::new();
        for other in all.iter().filter(|other| other.kind == Kind::Regex) {
            let conditions = [Line::new(["if", "{path}", "match", &other.path])];
            match other.action {
                Action::Deny => self.rules.status(&conditions, 403),
                Action::Return(line) => {
                    redirect::returned(line, &conditions, None, &other.scope, &mut self.rules);
                }
                Action::Files if access::is_own(&other.scope) => {
                    self.rules.status(&conditions, 403);
                }
                Action::Files => {
                    let lifetime = other.scope.mine("expires").map(settings::lifetime);
                    if let Some(Ok(Lifetime::For(time))) = lifetime {
                        first.push(Line::new(["match", &other.path, &time]));
                    }
                }
                Action::Proxy(_) | Action::Fastcgi(_) => {
                    let text = format!("{}: below {path} it is 404 here", other.block.shown());
                    self.lines.push(note(&other.block.at, text));
                    self.rules.status(&conditions, 404);
                }
            }
        }
        first.append(&mut self.lifetimes);
        self.lifetimes = first;
    }

    /// `try_files` of a location that is a site.
    pub(super) fn tries_of(&mut self, one: &Location<'_>) {
        let Some(tries) = one.scope.one("try_files") else { return };
        let last = tries.args.last().map_or("", String::as_str);
        let below = last.strip_prefix(&*settings::trimmed(&one.path));
        let mut own = tries.clone();
        match (last.starts_with('='), below) {
            (true, _) => {}
            (false, Some(below)) if below.starts_with('/') => {
                own.args.pop();
                own.args.push(below.to_owned());
            }
            _ => {
                let text = format!("{}: the last is outside of the location", tries.shown());
                self.lines.push(note(&tries.at, text));
                return;
            }
        }
        redirect::tried(&own, &[], &[], &mut self.rules);
    }

    /// nginx leads `/path` to `/path/` where only the second is a location of a proxy.
    pub(super) fn slash(&mut self, one: &Location<'_>) {
        let bare = settings::trimmed(&one.path);
        let is_taken = self.locations.iter().any(|other| other.path == bare);
        let is_proxy = matches!(one.action, Action::Proxy(_));
        if one.path.ends_with('/') && one.path != "/" && !is_taken && is_proxy {
            // The path as it was asked for: `rewrite` may have changed it.
            let asked = Line::new(["if", "{path}", "is", &bare]);
            let line = Line::new(["redir", "301"]).with(asked);
            self.rules.answers.push(line.with(Line::new(["/", &one.path])).into());
        }
    }
}

/// Whether requests are let in by rules.
fn is_protected(scope: &Scope<'_>) -> bool {
    scope.one("auth_basic").is_some_and(|one| one.arg(0) != "off")
        || !scope.all("deny").is_empty()
        || !scope.all("allow").is_empty()
}
