//! Who is let in to a location: passwords, addresses, and `internal`.

use regex::Regex;

use super::place::{Action, Kind, Location};
use super::redirect;
use super::server::{Builder, is_whole};
use super::{access, nested, values};
use crate::convert::page::{Line, note};
use crate::convert::pattern::holds;

impl Builder<'_, '_> {
    /// The rules of a location whose requests have the path `met` behind `rewrite`.
    pub(super) fn protect(&mut self, one: &Location<'_>, met: &str, conditions: &[Line]) {
        let scope = &one.scope;
        let is_named = one.kind == Kind::Named;
        let base = nested::base(one);
        let is_inherited = !access::is_own(scope) && !base.is_empty();
        let is_unknown = !one.is_path() && !is_named && !is_inherited;
        let is_led_out = self.is_led_out(one);
        if is_unknown || is_led_out || self.is_below_others(one) {
            let why = match (is_unknown, is_led_out) {
                (true, _) => "for a path only",
                (_, true) => "try_files leads to a path without its rules",
                _ => "the passwords of a shorter path would do, too",
            };
            let text = format!("{}: {why}: nobody is let in", one.block.shown());
            self.lines.push(note(&one.block.at, text));
            return self.refuse(one, conditions, 403);
        }
        if is_named {
            return self.lines.extend(access::lines(scope, &format!("/{}", one.path), self.files));
        }
        let marked = (one.is_path() || met != one.path).then_some(met);
        let around = (!one.is_path()).then_some(base);
        // Where another `rewrite` leads, its requests keep the path.
        let target =
            (met != one.path && one.is_path() && self.is_target(one)).then_some(&*one.path);
        let named = tried(one).filter(|last| last.starts_with('@'));
        let named = named.map(|name| format!("/{name}{}", one.path));
        let all = around.into_iter().chain(marked).chain(target);
        for path in all.chain(named.as_deref()) {
            for line in access::lines(scope, path, self.files) {
                if !self.lines.contains(&line) {
                    self.lines.push(line);
                }
            }
        }
    }

    /// Answers under conditions, asked for the paths that `rewrite` makes, too: a redirect to the
    /// answer is the one thing behind it that has conditions.
    pub(super) fn behind_rewrites(&mut self) {
        let all = self.locations;
        for one in all {
            let conditions = nested::conditions(one, all);
            let is_left = match one.kind {
                Kind::Regex => one.is_closed() || access::is_own(&one.scope),
                Kind::Named => false,
                // The rules of paths are asked behind it anyway.
                _ => one.is_closed() && !is_whole(one, &conditions),
            };
            if !is_left || one.is_internal() || !self.is_target(one) {
                continue;
            }
            let mut line = Line::new(["redir", "302"]);
            for condition in conditions {
                line.add(condition.replaced("{path}", "{rewrite_path}"));
            }
            line.add(Line::new(["if", "{rewrite_path}", "not", "{path}"]));
            line.add(Line::new(["if", "{rewrite_path}", "not_match", "^/@"]));
            let to = self.rules.path(403);
            self.rules.answers.push(line.with(Line::new(["/", &to])).into());
        }
    }

    /// Whether rules of the server lead, or may lead, requests to a location.
    pub(super) fn is_target(&self, one: &Location<'_>) -> bool {
        let regex = Regex::new(&one.path).ok().filter(|_| one.kind == Kind::Regex);
        let scopes = self.locations.iter().map(|one| &one.scope).chain([self.scope]);
        scopes.flat_map(redirect::targets).any(|to| {
            let path = to.split('?').next().unwrap_or_default();
            values::has_group(path)
                || path.starts_with('$')
                || regex.as_ref().is_some_and(|regex| regex.is_match(path))
                || one.is_path() && holds(&one.path, path)
        })
    }

    /// The rules of a location that is a site for the paths that its own begins and that are not
    /// below (`/admin.php` for `/admin`), and for those that `rewrite` makes.
    pub(super) fn beside(&mut self, one: &Location<'_>) {
        let scope = &one.scope;
        if one.path.ends_with('/') && !self.is_target(one) {
            return;
        }
        if one.is_internal() || self.is_below_others(one) && access::is_protected(scope) {
            let code = if one.is_internal() { "404" } else { "403" };
            self.lines.push(Line::new(["status", code, &one.path]).into());
        } else if access::is_set(scope) {
            self.lines.extend(access::lines(scope, &one.path, self.files));
        }
    }

    /// Whether `try_files` leads to a path that the rules of the location do not protect: nginx has
    /// asked for them before. A named location with an upstream keeps the path.
    pub(super) fn is_led_out(&self, one: &Location<'_>) -> bool {
        let keeps_path = |name: &str| {
            let mut all = self.locations.iter().filter(|one| one.kind == Kind::Named);
            all.any(|one| {
                let is_moved = ["if", "rewrite"].iter().any(|name| one.scope.mine(name).is_some());
                one.path == name && !one.serves_files() && !is_moved
            })
        };
        let leads_out = |to: &str| match to.starts_with('@') {
            true => !one.is_path() || !keeps_path(to),
            false => !(to.starts_with('=') || one.is_path() && holds(&one.path, to)),
        };
        // Rules of `/` are those of all paths.
        let base = if one.is_path() { &*one.path } else { nested::base(one) };
        base != "/"
            && access::is_set(&one.scope)
            && access::is_protected(&one.scope)
            && tried(one).is_some_and(leads_out)
    }

    /// Whether a shorter path, or the server, has other rules, which would let people in here, too.
    pub(super) fn is_below_others(&self, one: &Location<'_>) -> bool {
        let named = format!("/{}", one.path);
        let path = match one.kind {
            Kind::Named => &named,
            Kind::Regex => nested::base(one),
            _ => &*one.path,
        };
        let is_around = |other: &&Location<'_>| {
            other.is_prefix() && other.path.len() < path.len() && holds(&other.path, path)
        };
        let mut shorter = self.locations.iter().filter(is_around);
        let differs = |other: &Location<'_>| {
            access::is_set(&other.scope)
                && access::is_protected(&other.scope)
                && !access::are_alike(&other.scope, &one.scope)
        };
        access::have_other_users(self.scope, &one.scope) || shorter.any(differs)
    }

    /// `internal`: clients get 404. Gives whether nothing else leads to the location.
    pub(super) fn internal(&mut self, one: &Location<'_>, conditions: &[Line]) -> bool {
        let is_answered = matches!(one.action, Action::Return(_) | Action::Deny);
        if !one.is_prefix() || is_answered {
            self.refuse(one, conditions, 404);
            return is_answered;
        }
        if self.is_own(one) {
            let text = "internal: X-Accel-Redirect leads to no site of its own: nobody is let in";
            self.lines.push(note(&one.block.at, format!("{}: {text}", one.block.shown())));
        } else {
            self.lines.push(Line::new(["internal", &one.path]).into());
        }
        false
    }
}

/// Where `try_files` leads requests of a location whose files are not there.
fn tried<'a>(one: &Location<'a>) -> Option<&'a str> {
    let tries = one.scope.one("try_files").filter(|_| one.serves_files())?;
    tries.args.last().map(String::as_str)
}
