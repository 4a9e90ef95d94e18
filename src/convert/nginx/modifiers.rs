//! What a location within a site does with files, and what it adds to the settings of the site.

use super::nested;
use super::place::{Action, Kind, Location};
use super::scope::Scope;
use super::server::Builder;
use super::settings::{self, Lifetime};
use super::syntax::Directive;
use super::{access, tries};
use crate::convert::page::{Line, note};
use crate::convert::pattern::escaped;

impl Builder<'_, '_> {
    pub(super) fn files(&mut self, one: &Location<'_>, conditions: &[Line]) {
        let scope = &one.scope;
        let own = |name: &str| scope.mine(name);
        if let Some(tries) = scope.one("try_files").filter(|_| one.kind != Kind::Named) {
            tries::tried(tries, conditions, self.locations, &mut self.rules);
        }
        let is_whole = one.is_prefix() && one.path == "/";
        if let Some(alias) = own("alias").filter(|_| !is_whole) {
            let text = format!("{}: write a site for the path", alias.shown());
            self.lines.push(note(&alias.at, text));
        }
        let root = settings::root(scope, self.files);
        if root.is_some() && root.as_deref() != self.root && !one.is_prefix() {
            let text = format!("{}: a site has one root: left out", one.block.shown());
            self.lines.push(note(&one.block.at, text));
        }
        if scope.is_on("autoindex") && one.is_prefix() {
            self.lines.push(Line::new(["browse", &one.path]).into());
        }
        for (name, own) in [("index", own("index")), ("autoindex", own("autoindex"))] {
            let inherited = scope.outer();
            let is_other = own.is_some_and(|own| own.args != args(inherited.one(name)));
            let is_off = name == "autoindex" && !inherited.is_on(name);
            if let Some(own) = own.filter(|_| is_other && !is_off && one.path != "/") {
                let text = format!("{}: of the whole site here", own.shown());
                self.lines.push(note(&own.at, text));
            }
        }
    }

    /// What a server without a location for all paths does.
    pub(super) fn files_of_server(&mut self) {
        let tries = self.scope.one("try_files");
        if self.scope.is_on("autoindex") && tries.is_none() {
            self.lines.push(Line::new(["browse"]).into());
        }
        let first = tries.or(self.locations.first().map(|one| one.block));
        let Some(first) = first else { return };
        // The conditions are those of a location for all paths.
        let block = Directive {
            at: first.at.clone(),
            name: "location".to_owned(),
            args: vec!["/".to_owned()],
            block: None,
        };
        let whole = Location {
            kind: Kind::Prefix,
            path: "/".to_owned(),
            block: &block,
            scope: Scope::new(&[]),
            action: Action::Files,
            around: Vec::new(),
        };
        let conditions = nested::conditions(&whole, self.locations);
        if let Some(tries) = tries {
            tries::tried(tries, &conditions, self.locations, &mut self.rules);
        } else if self.scope.one("root").is_none() && self.root.is_some() {
            // The directory is that of some locations only.
            let path = self.rules.path(404);
            self.rules.lead(&conditions, &path);
        }
    }

    /// Fields, lifetimes, limits and passwords of a location within the site, whose requests have
    /// the path `met` behind `rewrite`.
    pub(super) fn modifiers(&mut self, one: &Location<'_>, met: &str, conditions: &[Line]) {
        let scope = &one.scope;
        self.expire(Some(one));
        let exact = if one.kind == Kind::Exact { " and longer paths" } else { "" };
        let is_path = one.is_path();
        for name in ["add_header", "client_max_body_size"] {
            let Some(own) = scope.mine(name) else { continue };
            if !is_path {
                let text = format!("{}: for a path only: left out", own.shown());
                self.lines.push(note(&own.at, text));
            } else if !exact.is_empty() {
                let text = format!("{}: for {}{exact} here", own.shown(), one.path);
                self.lines.push(note(&own.at, text));
            }
        }
        if is_path && scope.mine("add_header").is_some() {
            self.lines.extend(settings::header(scope, met));
        }
        if is_path && scope.mine("client_max_body_size").is_some() {
            self.limit(scope, &one.path);
        }
        if access::is_set(scope) {
            self.protect(one, met, conditions);
        }
    }

    pub(super) fn limit(&mut self, scope: &Scope<'_>, path: &str) {
        match settings::body(scope, path) {
            Ok(line) => self.limits.extend(line),
            Err(note) => self.lines.push(note),
        }
    }

    /// The lifetime of what a location, or the server, answers.
    pub(super) fn expire(&mut self, location: Option<&Location<'_>>) {
        let scope = location.map_or(self.scope, |one| &one.scope);
        let own = if location.is_some() { scope.mine("expires") } else { scope.one("expires") };
        let Some(one) = own else { return };
        let path = match location {
            None => ".*".to_owned(),
            Some(one) => match one.kind {
                Kind::Regex => one.path.clone(),
                Kind::Exact => format!("^{}$", escaped(&one.path)),
                _ => format!("^{}", escaped(&one.path)),
            },
        };
        match settings::lifetime(one) {
            Ok(Lifetime::For(time)) => self.lifetimes.push(Line::new(["match", &path, &time])),
            Ok(Lifetime::NoCache) => {
                let prefix = location.filter(|one| one.is_prefix()).map_or("/", |one| &one.path);
                if location.is_some_and(|one| !one.is_prefix()) {
                    let text = format!("{}: for a path only: left out", one.shown());
                    return self.lines.push(note(&one.at, text));
                }
                self.lines.push(Line::new(["header", prefix, "Cache-Control", "no-cache"]).into());
            }
            Ok(Lifetime::None) if scope.outer().one("expires").is_some() => {
                let text = format!("{}: the lifetime of the site holds here", one.shown());
                self.lines.push(note(&one.at, text));
            }
            Ok(Lifetime::None) => {}
            Err(note) => self.lines.push(note),
        }
    }
}

fn args(one: Option<&Directive>) -> &[String] {
    one.map_or(&[], |one| &one.args)
}
