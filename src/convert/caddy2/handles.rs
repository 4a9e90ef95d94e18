//! Blocks with a matcher: `handle`, `handle_path` and `route`.

use std::cmp::Reverse;

use super::answers::negated;
use super::before::is_within;
use super::directives::Matched;
use super::guards;
use super::matcher::{Named, Where, only_path};
use super::site::{Builder, OwnSite, Spot, has_any};
use super::syntax::Segment;
use crate::convert::page::{Line, note};

/// What the blocks before one have taken.
#[derive(Default)]
struct Taken {
    /// The paths of those that are sites.
    sites: Vec<String>,
    /// The conditions of the requests that are left.
    conditions: Vec<Line>,
    blocks: Vec<(Where, String)>,
}

impl Taken {
    /// Whether a path is below that of a site, which would get its requests.
    fn has_site_around(&self, path: &str) -> bool {
        let is_around = |site: &String| {
            let base = format!("{}/", site.trim_end_matches('/'));
            path.len() > base.len() && path.starts_with(&base)
        };
        path.ends_with('/') && self.sites.iter().any(is_around)
    }
}

impl Builder<'_> {
    /// The blocks of which one answers, the longest path first and what is for all last.
    pub(super) fn handles(&mut self, mut lines: Vec<&Segment>, spot: &Spot) {
        sort(&mut lines, &self.named);
        let places: Vec<_> = lines.iter().map(|line| self.matched(line).ok()).collect();
        let paths = lines.iter().zip(&places).filter_map(|(line, found)| match found {
            Some(Matched { place: Where::Prefix(path), .. }) if is_site(line) => Some(path.clone()),
            _ => None,
        });
        let sites: Vec<_> = paths.collect();
        let mut taken = Taken { sites, conditions: Vec::new(), blocks: Vec::new() };
        for line in lines {
            self.handle(line, spot, &mut taken);
        }
    }

    fn handle(&mut self, line: &Segment, spot: &Spot, taken: &mut Taken) {
        let except: Vec<Line> =
            spot.except.iter().chain(taken.conditions.iter()).cloned().collect();
        let left = Spot { except: except.clone(), ..spot.clone() };
        let Some(place) = self.place_of_block(line, &left) else { return };
        match negated(&place) {
            Some(lines) => taken.conditions.extend(lines),
            None if !matches!(place, Where::All) => {
                let text = format!("{}: blocks behind it may take its requests", line.shown());
                self.lines.push(note(&line.at, text));
            }
            None => {}
        }
        let inner = Spot { place: spot.place.and(place.clone()), except, ..*spot };
        self.part(line, &inner, taken);
        taken.blocks.push((place, line.shown()));
    }

    /// A `route`: others may answer its requests, too.
    pub(super) fn route(&mut self, line: &Segment, spot: &Spot) {
        let Some(place) = self.place_of_block(line, spot) else { return };
        let inner = spot.and(place);
        let ends = ["file_server", "handle", "handle_path", "php_fastcgi", "root", "try_files"];
        let is_site = line.block().iter().any(|one| ends.contains(&one.name()));
        match is_site || is_stripping(line) {
            true => self.part(line, &inner, &Taken::default()),
            false => self.block(line.block(), &inner),
        }
    }

    /// Which requests a block is for; `None`: it is not known, and those behind it get none.
    fn place_of_block(&mut self, line: &Segment, spot: &Spot) -> Option<Where> {
        let why = match self.matched(line) {
            Ok(found) if found.args.is_empty() => return Some(found.place),
            Ok(_) => "one matcher only".to_owned(),
            Err(why) => why,
        };
        self.closed_to(line, &why, spot);
        None
    }

    /// A block for the requests of this spot.
    fn part(&mut self, line: &Segment, spot: &Spot, taken: &Taken) {
        let is_path = line.name() == "handle_path";
        let is_site = is_site(line);
        match &spot.place {
            Where::Prefix(path) if is_site || taken.has_site_around(path) => {
                match without_strip(line, path).filter(|_| !is_path) {
                    Some(line) => self.own_site(&line, path, true, taken),
                    None => self.own_site(line, path, is_path, taken),
                }
            }
            Where::Prefix(path) if is_path => {
                let path = path.trim_end_matches('/').to_owned();
                self.stripped(line, spot, &path);
            }
            Where::Prefix(_) if is_flat(line) && is_stripping(line) => self.stripping(line, spot),
            Where::All => self.block(line.block(), spot),
            _ if is_path => {
                self.closed_to(line, "the path of handle_path is a prefix here", spot);
            }
            _ => self.block(line.block(), spot),
        }
    }

    /// `handle_path` with an upstream.
    fn stripped(&mut self, line: &Segment, spot: &Spot, path: &str) {
        for one in line.block() {
            match one.name() {
                "reverse_proxy" => self.proxied(one, spot, Some(path)),
                _ => self.directive(one, spot),
            }
        }
    }

    /// `handle` with `uri strip_prefix` before an upstream.
    fn stripping(&mut self, line: &Segment, spot: &Spot) {
        let prefix = line.block().iter().find(|one| one.name() == "uri");
        let prefix = prefix.map(|one| one.arg(1).trim_end_matches('/').to_owned());
        for one in line.block() {
            match one.name() {
                "reverse_proxy" => self.proxied(one, spot, prefix.as_deref()),
                "uri" => {}
                _ => self.directive(one, spot),
            }
        }
    }

    fn proxied(&mut self, one: &Segment, spot: &Spot, without: Option<&str>) {
        match self.matched(one) {
            Ok(found) => {
                self.reverse_proxy(one, &found.args, &spot.and(found.place), without);
            }
            Err(why) => self.closed_to(one, &why, spot),
        }
    }

    fn own_site(&mut self, line: &Segment, path: &str, is_stripped: bool, taken: &Taken) {
        let base = path.trim_end_matches('/').to_owned();
        let mut inner = Builder::new(line, self.files);
        inner.named.clone_from(&self.named);
        inner.request_fields.clone_from(&self.request_fields);
        if !line.block().iter().any(|one| one.name() == "root") {
            inner.root.clone_from(&self.root);
        }
        inner.shared = self.shared.iter().filter_map(|one| one.within(&base)).collect();
        inner.base = format!("{}{base}", self.base);
        inner.is_stripped = is_stripped;
        inner.limits.clone_from(&self.limits);
        self.before.iter().for_each(|one| inner.run_before(one, &base));
        taken
            .blocks
            .iter()
            .for_each(|(place, shown)| inner.refuse_others(line, place, shown, &base));
        inner.block(line.block(), &Spot::default());
        if !is_stripped {
            inner.root = inner.root.map(|root| format!("{}{base}", root.trim_end_matches('/')));
        }
        let (mut body, nested) = inner.finish(&line.at);
        for one in nested {
            let why = "blocks in one another with files of their own; nobody is let in to them";
            self.left_out(line, why);
            body.push(Line::new(["status", "403", one.path.trim_end_matches('/')]).into());
        }
        self.own.push(OwnSite { path: format!("{base}/"), body });
        self.beside(line, path);
    }

    /// What an earlier block takes from this one, which is a site: nobody is let in.
    fn refuse_others(&mut self, line: &Segment, place: &Where, shown: &str, base: &str) {
        let is_all = matches!(place, Where::All);
        if !is_all && is_within(place, base) {
            let text = format!("{shown}: within {base}/, which is a site: nobody is let in");
            self.lines.push(note(&line.at, text));
            self.status(place.conditions(), 403);
        }
    }

    /// The site of a block has the paths below its own. Others that begin so are not protected, nor
    /// are requests that come there later.
    fn beside(&mut self, line: &Segment, path: &str) {
        if path.ends_with('/') {
            let is_met = self.has_moves && guards::has_any(line);
            let refusal = is_met.then(|| Line::new(["status", "403", path]).into());
            return self.lines.extend(refusal);
        }
        let text = format!("{}: for paths below {path}/", line.shown());
        match guards::has_any(line) {
            true => {
                self.lines.push(note(&line.at, format!("{text}; nobody is let in to others")));
                self.lines.push(Line::new(["status", "403", path]).into());
            }
            false => self.lines.push(note(&line.at, text)),
        }
    }
}

/// Whether a block for a path is a site.
fn is_site(line: &Segment) -> bool {
    match line.name() {
        "handle_path" => !is_flat(line) || !is_proxy(line),
        _ => !is_flat(line),
    }
}

/// Whether all of a block can be for a path within the site.
fn is_flat(line: &Segment) -> bool {
    line.block().iter().all(|one| {
        matches!(one.name(), "reverse_proxy" | "header" | "redir" | "respond" | "uri" | "error")
    })
}

fn is_proxy(line: &Segment) -> bool {
    has_any(line, &["reverse_proxy"]) && !has_any(line, &["uri", "redir", "respond", "error"])
}

fn is_stripping(line: &Segment) -> bool {
    let uris: Vec<_> = line.block().iter().filter(|one| one.name() == "uri").collect();
    let is_simple = |one: &Segment| one.arg(0) == "strip_prefix" && one.args().len() == 2;
    matches!(&uris[..], [one] if is_simple(one)) && has_any(line, &["reverse_proxy"])
}

/// A block without the line that removes its path.
fn without_strip(line: &Segment, path: &str) -> Option<Segment> {
    let path = path.trim_end_matches('/');
    let strips = |one: &Segment| {
        one.name() == "uri"
            && matches!(one.args(), [how, prefix] if how == "strip_prefix"
                && prefix.trim_end_matches('/') == path)
    };
    let is_one = line.block().iter().filter(|one| one.name() == "uri").count() == 1;
    let rest = line.block().iter().filter(|one| !strips(one)).cloned().collect::<Vec<_>>();
    (is_one && rest.len() < line.block().len())
        .then(|| Segment { block: Some(rest), ..line.clone() })
}

/// Sorts blocks as Caddy 2 does: one by one, since its comparison is no order of all.
fn sort(lines: &mut [&Segment], named: &Named) {
    for end in 1..lines.len() {
        let mut at = end;
        while at > 0 && goes_before(lines[at], lines[at - 1], named) {
            lines.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// Lengths are compared where both have one path; else one with a matcher goes before one without.
fn goes_before(one: &Segment, other: &Segment, named: &Named) -> bool {
    let paths = only_path(one, named).zip(only_path(other, named));
    let Some((path, behind)) = paths else {
        let is_for_all = |line: &Segment| matches!(line.arg(0), "" | "*");
        return !is_for_all(one) && is_for_all(other);
    };
    let bare = |path: &str| path.strip_suffix('*').unwrap_or(path).to_owned();
    let key = |path: &str| (Reverse(bare(path).len()), bare(path), path.len());
    key(path) < key(behind)
}
