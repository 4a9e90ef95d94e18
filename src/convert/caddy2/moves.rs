//! Blocks that are sites get their requests by the path that was asked for: the lines that Caddy 2
//! runs before blocks are theirs, too.

use super::before::{Before, Effect, changed, is_move, is_within};
use super::matcher::Where;
use super::site::{Builder, Spot, led};
use super::syntax::Segment;
use super::values;
use crate::convert::page::{Line, note};

impl Builder<'_> {
    /// Keeps a redirect by this rule.
    pub(super) fn note_redirect(&mut self, line: &Segment, spot: &Spot, rule: &Line) {
        self.note_before(line, spot, Effect::Redirect(rule.clone()));
    }

    /// Keeps a change of the path.
    pub(super) fn note_move(&mut self, line: &Segment, spot: &Spot) {
        if !matches!(line.name(), "rewrite" | "uri") {
            return;
        }
        let Ok(found) = self.matched(line) else { return };
        if is_move(line, &found.args) {
            let is_rewrite = line.name() == "rewrite";
            let place = if is_rewrite { Where::All } else { changed(&found.args) };
            let to = found.args.into_iter().next();
            let to = to.filter(|to| is_rewrite && to.starts_with('/') && !to.contains('{'));
            self.note_before(line, &spot.and(found.place).and(place), Effect::Move(to));
        }
    }

    fn note_before(&mut self, line: &Segment, spot: &Spot, effect: Effect) {
        let (at, shown, place) = (line.at.clone(), line.shown(), spot.place.clone());
        self.before.push(Before { at, shown, place, conditions: spot.conditions(), effect });
    }

    /// Does, for a block that is this site, what Caddy 2 does before it asks for it.
    pub(super) fn run_before(&mut self, one: &Before, base: &str) {
        if !is_within(&one.place, base) {
            return;
        }
        let to = match &one.effect {
            Effect::Redirect(rule) => return self.lines.push(rule.clone().into()),
            Effect::Move(to) => to.as_deref().and_then(|to| to.strip_prefix(base)),
        };
        match to.filter(|to| to.starts_with('/')).map(values::text) {
            Some(Ok(to)) => self.rewrites.push(led(one.conditions.clone(), &to)),
            _ => {
                let text = format!("{}: leads out of {base}/, which is a site", one.shown);
                self.lines.push(note(&one.at, format!("{text}: nobody is let in")));
                self.status(one.conditions.clone(), 403);
            }
        }
    }
}
