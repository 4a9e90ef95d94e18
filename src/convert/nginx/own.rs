//! Locations that are sites: other files, or settings in place of those around them.

use super::place::{Action, Location};
use super::proxy::{self, Route};
use super::redirect::{self, Rules};
use super::server::{Builder, OwnSite, gathered, without_files};
use super::settings::{self, SiteFiles};
use super::{access, tries, values};
use crate::convert::page::{Line, note};
use crate::convert::pattern::holds;

impl Builder<'_, '_> {
    /// Whether a location is a site: it needs one, or lies in one that does.
    pub(super) fn is_own(&self, one: &Location<'_>) -> bool {
        let within = |other: &Location<'_>| {
            other.is_prefix() && one.is_within(&other.path) && self.needs_site(other)
        };
        let is_below = one.is_prefix()
            && one.path.ends_with('/')
            && matches!(one.action, Action::Files | Action::Proxy(_));
        self.needs_site(one) || is_below && self.locations.iter().any(within)
    }

    /// Whether a location has other files, or settings that replace those around it.
    fn needs_site(&self, one: &Location<'_>) -> bool {
        if !one.is_prefix() || one.path == "/" {
            return false;
        }
        let scope = &one.scope;
        let replaces =
            |name: &str| scope.mine(name).is_some() && !scope.outer().all(name).is_empty();
        let is_mixed = || {
            replaces("add_header")
                || scope.mine("gzip").is_some_and(|own| own.arg(0) != scope.outer().word("gzip"))
                || access::is_own(scope) && access::is_protected(&scope.outer())
                || self.is_below_others(one)
        };
        match one.action {
            Action::Files => {
                let root = settings::root(scope, self.files);
                let is_below = self.locations.iter().any(|other| {
                    other.is_prefix()
                        && other.path != one.path
                        && holds(&other.path, &one.path)
                        && matches!(other.action, Action::Proxy(_) | Action::Fastcgi(_))
                });
                scope.mine("alias").is_some()
                    || self.is_led_out(one)
                    || root.as_deref() != self.root
                    || is_below && scope.mine("internal").is_none()
                    || is_mixed()
            }
            Action::Proxy(_) => is_mixed(),
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
                inner.upstream(proxy::rule(pass, scope, &route, self.files), "/");
            }
            _ => inner.tries_of(one),
        }
        if scope.is_on("autoindex") {
            inner.lines.push(Line::new(["browse"]).into());
        }
        if one.is_internal() {
            inner.lines.push(Line::new(["status", "404", "/"]).into());
        }
        inner.others_within(one, self);
        body.extend(gathered("limits", inner.limits));
        body.append(&mut inner.rules.take_rewrites());
        body.extend(gathered("expires", inner.lifetimes));
        body.append(&mut inner.rules.answers);
        body.append(&mut inner.lines);
        without_files(root.as_deref(), &mut body);
        self.slash(one);
        self.beside(one);
        self.own.push(OwnSite { path: format!("{path}/"), at: one.block.at.clone(), body });
    }

    /// The directory of a location that is a site.
    fn own_root(&self, one: &Location<'_>, path: &str) -> Option<String> {
        let scope = &one.scope;
        if let Some(alias) = scope.mine("alias") {
            return settings::directory(alias, self.files);
        }
        let root = settings::root(scope, self.files);
        root.map(|root| format!("{}{path}", root.trim_end_matches('/')))
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
        tries::tried(&own, &[], &[], &mut self.rules);
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
