//! The directives of a site.

use super::matcher::{self, Where};
use super::site::{Builder, Shared, Spot, led};
use super::syntax::Segment;
use super::{guards, logs, proxy, values};
use crate::caddyfile;
use crate::convert::page::{Item, Line, note};
use crate::convert::pattern::pattern;

/// Why a line in a block is for no request.
const OUTSIDE: &str = "a path outside of its block";

impl Builder<'_> {
    pub(super) fn directive(&mut self, line: &Segment, spot: &Spot) {
        match line.name() {
            name if name.starts_with('@') => return,
            "root" | "tls" | "bind" => return,
            "route" => return self.route(line, spot),
            "handle_errors" => return self.handle_errors(line),
            "log" => {
                let lines = logs::lines(line, self.files);
                return self.shared.extend(lines.into_iter().map(Shared::whole));
            }
            "encode" => return self.encode(line),
            "import" | "invoke" => {
                return self.closed(line, "what it names is not known", spot);
            }
            _ => {}
        }
        let (place, args) = match self.matched(line) {
            Ok(found) => (found.place, found.args),
            Err(why) if guards::has_any(line) => return self.closed(line, &why, spot),
            Err(why) if guards::answers(line) && why != OUTSIDE => {
                return self.closed_to(line, &why, spot);
            }
            Err(why) => return self.left_out(line, &why),
        };
        let spot = spot.and(place);
        match line.name() {
            "reverse_proxy" => self.reverse_proxy(line, &args, &spot, None),
            "php_fastcgi" => self.php_fastcgi(line, &args, &spot),
            "file_server" => self.file_server(line, &args, &spot),
            "redir" => self.redir(line, &args, &spot),
            "respond" | "error" | "abort" => self.respond(line, &args, &spot),
            "rewrite" => self.rewrite(line, &args, &spot),
            "uri" => self.uri(line, &args, &spot),
            "try_files" => self.try_files(line, &args, &spot),
            "header" => self.header(line, &args, &spot),
            "basic_auth" | "basicauth" => self.basic_auth(line, &args, &spot),
            "request_body" => self.request_body(line, &spot),
            "templates" => self.templates(line, &spot),
            "request_header" => self.request_header(line, &args, &spot),
            "log_skip" | "skip_log" => self.left_out(line, "write `except PATH` in `log`"),
            _ if guards::is_unknown(line) => {
                self.closed(line, "its decision is not asked for", &spot);
            }
            name => {
                let here = caddyfile::counterpart_of_caddy2(name);
                self.left_out(line, here.unwrap_or("not known here"));
            }
        }
    }

    pub(super) fn left_out(&mut self, line: &Segment, why: &str) {
        self.lines.push(note(&line.at, format!("{}: not carried over; {why}", line.shown())));
    }

    /// A rule that protects and that cannot be carried over: nobody is let in.
    pub(super) fn closed(&mut self, line: &Segment, why: &str, spot: &Spot) {
        self.left_out(line, &format!("{why}; nobody is let in"));
        let path = spot.place.path().or(spot.place.exact()).map(str::to_owned);
        match path {
            Some(path) => {
                let item = Line::new(["status", "403", &path]).into();
                self.shared.push(Shared { path, item });
            }
            None => {
                let item = led(spot.conditions(), "/@closed");
                self.shared.push(Shared { path: "/".to_owned(), item });
                let ends = |line: &Line| line.words().last().is_some_and(|word| word == "/@closed");
                let is_there = |one: &Shared| matches!(&one.item, Item::Line(line) if ends(line));
                if !self.shared.iter().any(is_there) {
                    self.shared.push(Shared::whole(Line::new(["status", "403", "/@closed"])));
                }
            }
        }
    }

    /// A line that takes requests from those behind it and cannot be carried over: none of them are
    /// answered.
    pub(super) fn closed_to(&mut self, line: &Segment, why: &str, spot: &Spot) {
        let conditions = spot.conditions();
        let place = if conditions.is_empty() { Where::All } else { Where::When(conditions) };
        self.closed(line, why, &Spot { place, except: Vec::new(), ..spot.clone() });
    }

    /// The matcher of a directive, as the site sees paths.
    pub(super) fn matched(&self, line: &Segment) -> Result<Matched, String> {
        // Only a path, `*` or a name can be one.
        let (place, args) = match line.name() {
            "try_files" | "templates"
                if !line.arg(0).starts_with('@') && line.name() == "try_files" =>
            {
                (Where::All, line.args())
            }
            "redir" | "rewrite" if line.args().len() == 1 => (Where::All, line.args()),
            "respond" | "error" if line.args().len() == 1 && !is_matcher(line.arg(0)) => {
                (Where::All, line.args())
            }
            _ => matcher::of(line, &self.named)?,
        };
        let place = match (place, self.base.is_empty(), self.is_stripped) {
            (Where::Prefix(path), false, false) => {
                let begins = |path: &str, by: &str| {
                    path.get(..by.len()).is_some_and(|start| start.eq_ignore_ascii_case(by))
                };
                let below = format!("{}/", self.base);
                match (begins(&path, &below), begins(&below, &path)) {
                    (true, _) => Where::Prefix(path[self.base.len()..].to_owned()),
                    (false, true) => Where::All,
                    (false, false) => return Err(OUTSIDE.to_owned()),
                }
            }
            (Where::When(_) | Where::Exact(_), false, true) => {
                return Err("a condition in a block whose path is removed".to_owned());
            }
            (place, _, _) => place,
        };
        Ok(Matched { place, args: args.to_vec() })
    }

    pub(super) fn reverse_proxy(
        &mut self,
        line: &Segment,
        upstreams: &[String],
        spot: &Spot,
        without: Option<&str>,
    ) {
        let mark = match spot.place {
            Where::When(_) | Where::Exact(_) => self.mark(spot.conditions()),
            _ => String::new(),
        };
        let from = match spot.place.path() {
            Some(path) => path.to_owned(),
            None => mark.clone(),
        };
        self.answers_all |= from == "/";
        let own = if self.is_stripped { "" } else { &*self.base };
        match proxy::rule(line, upstreams, &from, own, self.files) {
            Ok(mut rule) => {
                self.request_fields.iter().for_each(|one| one.add_to(line, &mut rule));
                let without = format!("{mark}{}", without.unwrap_or_default());
                if !without.is_empty() {
                    rule.add(Line::new(["without", &without]));
                }
                self.lines.push(rule.into());
            }
            Err(note) => {
                // The files in its place are not for clients.
                self.lines.push(note);
                self.lines.push(Line::new(["status", "403", &from]).into());
            }
        }
    }

    fn rewrite(&mut self, line: &Segment, args: &[String], spot: &Spot) {
        let (Some(to), conditions) = (args.first(), spot.conditions()) else {
            return self.left_out(line, "no target");
        };
        match values::text(to) {
            Ok(to) => {
                let mut rule = Line::new(["rewrite"]);
                conditions.into_iter().for_each(|condition| rule.add(condition));
                self.rewrites.push(rule.with(Line::new(["to", &to])).into());
            }
            Err(name) => self.left_out(line, &format!("{name} has no placeholder")),
        }
    }

    fn uri(&mut self, line: &Segment, args: &[String], spot: &Spot) {
        let mut words = args.iter().map(String::as_str);
        let (from, to) = match (words.next(), words.next(), words.next()) {
            (Some("strip_prefix"), Some(prefix), None) => {
                let prefix = crate::convert::pattern::escaped(prefix.trim_end_matches('/'));
                (format!("^{prefix}(/.*)$"), "{1}".to_owned())
            }
            (Some("strip_suffix"), Some(suffix), None) => {
                let suffix = crate::convert::pattern::escaped(suffix);
                (format!("^(.*){suffix}$"), "{1}".to_owned())
            }
            (Some("path_regexp"), Some(from), Some(to)) if from.starts_with('^') => {
                (from.to_owned(), groups(to))
            }
            _ => return self.left_out(line, "write `rewrite`"),
        };
        let Some(from) = pattern(&from, false) else {
            return self.left_out(line, "no regular expression of ours");
        };
        let mut rule = Line::new(["rewrite"]).with(Line::new(["regexp", &from]));
        spot.conditions().into_iter().for_each(|condition| rule.add(condition));
        self.rewrites.push(rule.with(Line::new(["to", &to])).into());
    }
}

/// A directive's matcher, and the words behind it.
pub(super) struct Matched {
    pub(super) place: Where,
    pub(super) args: Vec<String>,
}

fn is_matcher(word: &str) -> bool {
    word == "*" || word.starts_with(['/', '@'])
}

/// `$1` and `${1}` as groups of ours.
fn groups(to: &str) -> String {
    let mut out = to.to_owned();
    for group in 1..=9 {
        out = out.replace(&format!("${{{group}}}"), &format!("{{{group}}}"));
        out = out.replace(&format!("${group}"), &format!("{{{group}}}"));
    }
    out
}
