//! What other locations take from one that is a site: regular expressions and longer paths.

use super::place::{Action, Kind, Location};
use super::redirect::{self, Whole};
use super::server::{Builder, is_whole};
use super::settings::{self, Lifetime};
use super::{access, nested};
use crate::convert::answers::Answer;
use crate::convert::page::{Item, Line, note};

impl Builder<'_, '_> {
    /// What others take from the location `site`, for which this is.
    pub(super) fn others_within(&mut self, site: &Location<'_>, server: &Builder<'_, '_>) {
        let mut first = Vec::new();
        for other in server.locations {
            let conditions = nested::conditions(other, server.locations);
            if other.kind == Kind::Regex && nested::takes(other, site) {
                first.extend(self.regular_expression(other, site, &conditions));
            } else if other.is_within(&site.path) {
                match server.is_own(other) {
                    true if other.path.ends_with('/') && !server.is_target(other) => {}
                    true => self.beside_longer(other, site, &conditions),
                    false => self.longer(other, site, &conditions),
                }
            }
        }
        first.append(&mut self.lifetimes);
        self.lifetimes = first;
    }

    /// What a regular expression takes; the lifetime of its files.
    fn regular_expression(
        &mut self,
        other: &Location<'_>,
        site: &Location<'_>,
        conditions: &[Line],
    ) -> Option<Line> {
        if other.is_internal() {
            self.rules.status(conditions, 404);
            return None;
        }
        redirect::own(&other.scope, conditions, &mut self.rules);
        match other.action {
            Action::Deny => self.rules.status(conditions, 403),
            Action::Return(line) => {
                redirect::returned(line, conditions, None, &other.scope, &mut self.rules);
            }
            Action::Files if has_others(other, site) => self.rules.status(conditions, 403),
            Action::Files => {
                let lifetime = other.scope.mine("expires").map(settings::lifetime);
                if let Some(Ok(Lifetime::For(time))) = lifetime {
                    return Some(Line::new(["match", &other.path, &time]));
                }
            }
            Action::Proxy(_) | Action::Fastcgi(_) => {
                let (shown, path) = (other.block.shown(), settings::trimmed(&site.path));
                let text = format!("{shown}: below {path} it is 404 here");
                self.lines.push(note(&other.block.at, text));
                self.rules.status(conditions, 404);
            }
        }
        None
    }

    /// What a longer path that is no site takes.
    fn longer(&mut self, other: &Location<'_>, site: &Location<'_>, conditions: &[Line]) {
        let Some(rest) = below(other, site) else { return };
        let whole = is_whole(other, conditions).then_some(Whole(rest));
        let refuse = |builder: &mut Self, code: u16| {
            builder.refuse_below(whole.as_ref(), conditions, code);
        };
        if other.is_internal() {
            return refuse(self, 404);
        }
        redirect::own(&other.scope, conditions, &mut self.rules);
        match other.action {
            Action::Deny => refuse(self, 403),
            Action::Return(line) => {
                let whole = whole.as_ref();
                redirect::returned(line, conditions, whole, &other.scope, &mut self.rules);
            }
            Action::Files if !has_others(other, site) => {}
            _ => {
                let (shown, path) = (other.block.shown(), &site.path);
                let text = format!("{shown}: within {path}, which is a site: nobody is let in");
                self.lines.push(note(&other.block.at, text));
                refuse(self, 403);
            }
        }
    }

    /// What a longer path that is a site has beside it (`/a/admin.php` for `/a/admin`), and where
    /// `rewrite` leads.
    fn beside_longer(&mut self, other: &Location<'_>, site: &Location<'_>, conditions: &[Line]) {
        let is_closed = access::is_protected(&other.scope) && has_others(other, site);
        let Some(rest) = below(other, site) else { return };
        let whole = is_whole(other, conditions).then_some(Whole(rest));
        if other.is_internal() {
            self.refuse_below(whole.as_ref(), conditions, 404);
        } else if is_closed {
            let (shown, path) = (other.block.shown(), &site.path);
            let text = format!("{shown}: within {path}, for paths below {}/", other.path);
            self.lines.push(note(&other.block.at, format!("{text}; nobody is let in to others")));
            self.refuse_below(whole.as_ref(), conditions, 403);
        }
    }

    /// Answers what a path below the site is for, also where rules of the site change it.
    fn refuse_below(&mut self, whole: Option<&Whole<'_>>, conditions: &[Line], code: u16) {
        if let Some(Whole(path)) = whole {
            self.lines.push(Answer::from(code).line(path).into());
        }
        if whole.is_none() || !self.rules.rewrites.is_empty() {
            self.rules.status(conditions, code);
        }
    }

    /// The rule for an upstream, or nobody is let in: the files in its place are not for clients.
    pub(super) fn upstream(&mut self, rule: Result<Line, Item>, path: &str) {
        match rule {
            Ok(line) => self.lines.push(line.into()),
            Err(note) => {
                self.lines.push(note);
                self.lines.push(Line::new(["status", "403", path]).into());
            }
        }
    }
}

/// The path of a location as a site around it has it.
fn below<'l>(other: &'l Location<'_>, site: &Location<'_>) -> Option<&'l str> {
    let rest = other.path.strip_prefix(&*settings::trimmed(&site.path));
    rest.filter(|rest| rest.starts_with('/'))
}

/// Whether other rules than those of the site say who is let in.
fn has_others(other: &Location<'_>, site: &Location<'_>) -> bool {
    let has_any = access::is_set(&other.scope) || access::is_protected(&other.scope);
    has_any && !access::are_alike(&other.scope, &site.scope)
}
