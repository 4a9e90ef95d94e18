//! What sends files and runs scripts: `file_server`, `try_files` and `php_fastcgi`.

use super::answers::negated;
use super::matcher::Where;
use super::site::{Builder, Spot, led};
use super::syntax::Segment;
use super::values;
use crate::convert::page::{Item, Line, Place, note};
use crate::convert::pattern::escaped;

impl Builder<'_> {
    pub(super) fn file_server(&mut self, line: &Segment, args: &[String], spot: &Spot) {
        let is_browsing = args.iter().any(|word| word == "browse")
            || line.block().iter().any(|one| one.name() == "browse");
        match &spot.place {
            Where::All => self.sends_all = true,
            place if negated(place).is_some() => self.file_places.push(place.clone()),
            _ => {
                self.sends_all = true;
                let text = format!("{}: files are sent for all paths here", line.shown());
                self.lines.push(note(&line.at, text));
            }
        }
        let mut index = vec!["index.html".to_owned(), "index.txt".to_owned()];
        for option in line.block() {
            match option.name() {
                "index" => index = option.args().to_vec(),
                "browse" | "precompressed" => {}
                "root" => self.set_root(option, spot),
                "hide" => self.hide(option),
                _ => self.left_out(option, "an option of file_server"),
            }
        }
        if !self.has_files {
            self.index = Some(Line::new(["index"]).and(index));
        }
        self.has_files = true;
        if is_browsing {
            let path = spot.place.path().unwrap_or("/").to_owned();
            self.lines.push(Line::new(["browse", &path]).into());
        }
    }

    /// Where files are sent for some requests only, others get 404 unless another line answers.
    pub(super) fn end_files(&mut self, at: &Place) {
        let places = std::mem::take(&mut self.file_places);
        let answers_rest = |item: &Item| match item {
            Item::Line(line) => matches!(line.words(), [name, path, ..]
                if path == "/" && matches!(&**name, "proxy" | "fastcgi" | "redir")),
            Item::Note { .. } => false,
        };
        if self.sends_all || places.is_empty() || self.lines.iter().any(answers_rest) {
            return;
        }
        let mut conditions: Vec<Line> = places.iter().filter_map(negated).flatten().collect();
        let taken = self.lines.iter().filter_map(|item| match item {
            Item::Line(line) => match line.words() {
                [name, path, ..] if matches!(&**name, "proxy" | "fastcgi") => Some(path),
                [name, _, path] if name == "status" => Some(path),
                _ => None,
            },
            Item::Note { .. } => None,
        });
        let taken: Vec<_> =
            taken.filter(|path| !path.starts_with("/@")).map(|p| escaped(p)).collect();
        if !taken.is_empty() {
            let pattern = format!("(?i)^(?:{})", taken.join("|"));
            conditions.push(Line::new(["if", "{path}", "not_match", &pattern]));
        }
        let path = self.status_path(404);
        let rest = led(conditions, &path);
        // A path that was changed is not compared once more.
        match self.rewrites.is_empty() {
            true => self.rest = Some(rest),
            false => {
                let text = "file_server: other paths are 404, though `rewrite` could lead here";
                self.lines.push(note(at, text));
                self.early.push(rest);
            }
        }
    }

    /// Files that are not there for clients.
    fn hide(&mut self, option: &Segment) {
        for name in option.args() {
            let is_path = name.contains('/');
            let below = match (is_path, self.root.as_deref()) {
                (false, _) => Some(format!("/{name}")),
                (true, Some(root)) if !root.contains('{') => {
                    let whole = self.files.absolute(name);
                    let below = whole.strip_prefix(root.trim_end_matches('/'));
                    match below.filter(|path| path.starts_with('/')) {
                        Some(path) => Some(path.to_owned()),
                        // Nothing that clients can ask for.
                        None => continue,
                    }
                }
                _ => None,
            };
            let Some(below) = below.filter(|path| !path.contains(['{', '?', '[', '\\'])) else {
                self.closed(option, "which file that is, is not known", &Spot::default());
                continue;
            };
            let parts: Vec<_> = below.split('*').map(escaped).collect();
            let start = if is_path { "^" } else { "" };
            let regex = format!("{start}{}(/|$)", parts.join("[^/]*"));
            self.status(vec![Line::new(["if", "{path}", "match", &regex])], 404);
        }
    }

    pub(super) fn try_files(&mut self, line: &Segment, args: &[String], spot: &Spot) {
        let mut to = Vec::new();
        for word in args {
            let own = match (self.is_stripped, word.strip_prefix(&*self.base)) {
                (false, Some(rest)) if rest.starts_with('/') => rest,
                (false, _) if !self.base.is_empty() && word.starts_with('/') => {
                    return self.left_out(line, "a file outside of its block");
                }
                _ => word,
            };
            match values::text(own) {
                Ok(text) if text.starts_with(['/', '{']) => to.push(text),
                Ok(text) if text.starts_with('=') => match text[1..].parse::<u16>() {
                    Ok(code @ 400..600) => to.push(self.status_path(code)),
                    _ => return self.left_out(line, "no status"),
                },
                Ok(text) => to.push(format!("/{text}")),
                Err(name) => return self.left_out(line, &format!("{name} has no placeholder")),
            }
        }
        if to.is_empty() || line.block.is_some() {
            return self.left_out(line, "write `rewrite` with `to`");
        }
        // Where none is there, Caddy 2 leaves the path as it is.
        let is_certain = to.last().is_some_and(|last| !last.starts_with('{'));
        if !is_certain {
            to.push("{path}".to_owned());
        } else if !to.iter().any(|word| word.ends_with('/')) {
            // Caddy 2 asks for a file only, also where the path ends in a slash.
            let mut folder = Line::new(["rewrite"]);
            spot.conditions().into_iter().for_each(|condition| folder.add(condition));
            folder.add(Line::new(["if", "{path}", "ends_with", "/"]));
            let last = to.last().map_or("/", String::as_str);
            self.rewrites.push(folder.with(Line::new(["to", last])).into());
        }
        let mut rule = Line::new(["rewrite"]);
        spot.conditions().into_iter().for_each(|condition| rule.add(condition));
        self.rewrites.push(rule.with(Line::new(["to"]).and(to)).into());
    }

    pub(super) fn php_fastcgi(&mut self, line: &Segment, args: &[String], spot: &Spot) {
        let (Some(path), false) = (spot.place.path().map(str::to_owned), args.is_empty()) else {
            // The scripts are not sent as files.
            return self.closed(line, "`fastcgi` is for a path and an address", spot);
        };
        let addresses = args.iter().map(|word| match word.strip_prefix("unix/") {
            Some(socket) => format!("unix:{socket}"),
            None => word.clone(),
        });
        let mut addresses = addresses.collect::<Vec<_>>().into_iter();
        let mut rule = Line::new(["fastcgi", &path]).and(addresses.next()).and(["php".to_owned()]);
        let others: Vec<_> = addresses.collect();
        if !others.is_empty() {
            rule.add(Line::new(["upstream"]).and(others));
        }
        self.request_fields.iter().for_each(|one| rule.add(one.variable()));
        let mut has_index = true;
        for option in line.block() {
            let time = values::duration(option.arg(0));
            let ours = match option.name() {
                "dial_timeout" => "connect_timeout",
                "read_timeout" => "read_timeout",
                "write_timeout" => "send_timeout",
                "root" => {
                    rule.add(Line::new(["root", option.arg(0)]));
                    continue;
                }
                "env" => {
                    match values::text(option.arg(1)) {
                        Ok(value) => rule.add(Line::new(["env", option.arg(0), &value])),
                        Err(name) => {
                            self.left_out(option, &format!("{name} has no placeholder"));
                        }
                    }
                    continue;
                }
                "index" if option.arg(0) == "off" => {
                    has_index = false;
                    continue;
                }
                _ => {
                    self.left_out(option, "an option of php_fastcgi");
                    continue;
                }
            };
            match time {
                Some(time) => rule.add(Line::new([ours, &time])),
                None => self.left_out(option, "no time"),
            }
        }
        self.lines.push(rule.into());
        if has_index {
            let mut rule = Line::new(["rewrite"]);
            spot.conditions().into_iter().for_each(|condition| rule.add(condition));
            let index = format!("{}/index.php", path.trim_end_matches('/'));
            let to = Line::new(["to", "{path}", "{path}/", &index]);
            self.rewrites.push(rule.with(to).into());
        }
    }
}
