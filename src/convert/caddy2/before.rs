//! What Caddy 2 does with requests before it asks for blocks: redirects, and changes of the path.

use super::matcher::Where;
use super::syntax::Segment;
use crate::convert::page::{Line, Place};
use crate::convert::pattern::pattern;

/// A line that runs before blocks.
#[derive(Clone)]
pub(super) struct Before {
    pub(super) at: Place,
    pub(super) shown: String,
    pub(super) place: Where,
    pub(super) conditions: Vec<Line>,
    pub(super) effect: Effect,
}

#[derive(Clone)]
pub(super) enum Effect {
    /// By this line, which is for all paths but for its conditions.
    Redirect(Line),
    /// To this path, if it is always the same.
    Move(Option<String>),
}

/// Whether a line changes paths.
pub(super) fn is_move(line: &Segment, args: &[String]) -> bool {
    let to = args.first().map_or("", String::as_str);
    match line.name() {
        "uri" => to != "query",
        "rewrite" => {
            let path = to.split('?').next().unwrap_or_default();
            !matches!(path, "" | "{path}" | "{uri}")
        }
        _ => false,
    }
}

/// Which paths `uri` changes.
pub(super) fn changed(args: &[String]) -> Where {
    let path =
        |operator: &str, text: &str| Where::When(vec![Line::new(["if", "{path}", operator, text])]);
    let [how, what, ..] = args else { return Where::All };
    match &**how {
        "strip_prefix" => Where::Prefix(format!("{}/", what.trim_end_matches('/'))),
        "strip_suffix" => path("ends_with", what),
        "path_regexp" => match pattern(what, false) {
            Some(regex) => path("match", &regex),
            None => Where::All,
        },
        "replace" => path("has", what),
        _ => Where::All,
    }
}

/// Whether some of these requests may be for paths below this one.
pub(super) fn is_within(place: &Where, base: &str) -> bool {
    let below = format!("{}/", base.to_lowercase());
    match place {
        Where::All | Where::When(_) => true,
        Where::Exact(path) => path.to_lowercase().starts_with(&below),
        Where::Prefix(path) => {
            let path = path.to_lowercase();
            path.starts_with(&below) || below.starts_with(&path)
        }
    }
}
