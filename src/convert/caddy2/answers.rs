//! Answers without files: `redir`, `respond`, `error`, and the pages of `handle_errors`.

use super::matcher::Where;
use super::site::{Builder, Shared, Spot, led};
use super::syntax::Segment;
use super::values;
use crate::convert::answers::Answer;
use crate::convert::page::{Item, Line, note};

impl Builder<'_> {
    pub(super) fn redir(&mut self, line: &Segment, args: &[String], spot: &Spot) {
        let Some(to) = args.first() else { return self.left_out(line, "no target") };
        let code = match args.get(1).map_or("temporary", String::as_str) {
            "temporary" => "302",
            "permanent" => "301",
            "html" => "meta",
            code @ ("300" | "301" | "302" | "303" | "304" | "305" | "307" | "308") => code,
            _ => return self.closed_to(line, "no status of a redirect", spot),
        };
        let to = match values::text(to) {
            Ok(to) => to,
            Err(name) => {
                return self.closed_to(line, &format!("{name} has no placeholder"), spot);
            }
        };
        let conditions = spot.conditions();
        self.answers_all |= conditions.is_empty();
        let exact = spot.place.exact().filter(|path| *path != "/" && spot.except.is_empty());
        let whole = match conditions.is_empty() {
            true => Line::new(["redir", "/", &to, code]),
            false => {
                let mut rule = Line::new(["redir", code]);
                conditions.into_iter().for_each(|condition| rule.add(condition));
                rule.with(Line::new(["/", &to]))
            }
        };
        self.note_redirect(line, spot, &whole);
        let rule = match exact {
            // A path that `rewrite` may have changed is asked for in a condition.
            Some(path) if !self.has_rewrites && self.base.is_empty() => {
                Line::new(["redir", path, &to, code])
            }
            _ => whole,
        };
        self.lines.push(rule.into());
    }

    pub(super) fn respond(&mut self, line: &Segment, args: &[String], spot: &Spot) {
        let code =
            |word: &String| word.parse::<u16>().ok().filter(|code| (200..600).contains(code));
        let body = line.block().iter().find(|one| one.name() == "body");
        let (text, status) = match (line.name(), args) {
            ("abort", _) => {
                self.lines.push(note(&line.at, "abort: the answer is 403"));
                ("", Some(403))
            }
            ("error", [text, status]) => (&**text, code(status)),
            ("error", [status]) => match code(status) {
                Some(status) => ("", Some(status)),
                None => (&**status, Some(500)),
            },
            (_, [text, status]) => (&**text, code(status)),
            (_, [one]) => match code(one).filter(|_| one.len() == 3) {
                Some(status) => ("", Some(status)),
                None => (&**one, Some(200)),
            },
            (_, _) => ("", Some(200)),
        };
        let Some(status) = status else { return self.closed_to(line, "no status", spot) };
        let text = body.map_or(text, |one| one.arg(0));
        // The text of `error` is for pages of errors only.
        let answer = match values::text(text) {
            Ok(ours) if line.name() == "respond" => Answer::new(status, ours, type_of(text)),
            Ok(_) => status.into(),
            Err(name) => {
                let text = format!("{}: {name} has no placeholder; no text", line.shown());
                self.lines.push(note(&line.at, text));
                status.into()
            }
        };
        let path = spot.place.path().filter(|_| spot.except.is_empty());
        match path.map(str::to_owned) {
            // Before this the site may send requests elsewhere, which a path for all would end.
            Some(path) if path != "/" || !self.is_shared() => {
                self.answers_all |= path == "/";
                self.lines.push(answer.line(&path).into());
            }
            Some(_) => self.left_out(line, "write `status` with the paths that it is for"),
            None if status >= 400 && spot.is_rewritten => self.refuse(line, answer, spot),
            None => self.status(spot.conditions(), answer),
        }
    }

    /// A refusal whose condition Caddy 2 asks behind the changes of the path, and `rewrite` first.
    fn refuse(&mut self, line: &Segment, answer: Answer, spot: &Spot) {
        let asks_path = |one: &Line| one.words().iter().any(|word| word == "{path}");
        match spot.place.exact() {
            Some(path) if spot.except.is_empty() => {
                let text = format!("{}: longer paths, too", line.shown());
                self.lines.push(note(&line.at, text));
                self.lines.push(answer.line(path).into());
            }
            _ if spot.conditions().iter().any(asks_path) => {
                let why = "its condition asks for a path that `rewrite` changes";
                self.closed(line, why, &Spot::default());
            }
            _ => self.status(spot.conditions(), answer),
        }
    }

    /// Whether other lines answer some requests before one for all.
    fn is_shared(&self) -> bool {
        self.has_files
    }

    /// Answers requests with these conditions with a status.
    pub(super) fn status(&mut self, conditions: Vec<Line>, answer: impl Into<Answer>) {
        let path = self.status_path(answer);
        self.early.push(led(conditions, &path));
    }

    /// The path whose requests get an answer.
    pub(super) fn status_path(&mut self, answer: impl Into<Answer>) -> String {
        let (path, line) = self.answers.path(answer.into());
        self.lines.extend(line.map(Item::from));
        path
    }

    /// Pages of errors: a file for each status, or one for all.
    pub(super) fn handle_errors(&mut self, line: &Segment) {
        let mut rule = Line::new(["errors"]);
        let page = line.block().iter().find(|one| one.name() == "rewrite");
        let page = page.and_then(|one| one.args().last()).map(|page| page.trim_start_matches('/'));
        let rest = line
            .block()
            .iter()
            .all(|one| matches!(one.name(), "rewrite" | "file_server" | "root" | "templates"));
        let codes: Vec<&str> = match line.args() {
            [] => vec!["*"],
            codes => codes.iter().map(String::as_str).collect(),
        };
        let is_code = |code: &&str| *code == "*" || code.parse::<u16>().is_ok();
        match page {
            Some(page) if rest && codes.iter().all(is_code) && !page.is_empty() => {
                if page.contains("err.status_code") || page.contains("http.error.status_code") {
                    let name = page
                        .replace("{err.status_code}", "CODE")
                        .replace("{http.error.status_code}", "CODE");
                    for code in ["403", "404", "500", "502", "503"] {
                        rule.add(Line::new([code, &name.replace("CODE", code)]));
                    }
                    let text = "handle_errors: pages of these statuses only; add others";
                    self.lines.push(note(&line.at, text));
                } else if page.contains('{') {
                    return self.left_out(line, "a page is a file");
                } else {
                    codes.iter().for_each(|code| rule.add(Line::new([*code, page])));
                }
                self.shared.push(Shared::whole(rule));
            }
            _ => self.left_out(line, "write `errors`, with a block of lines CODE FILE"),
        }
    }
}

/// Caddy 2 looks whether a text is JSON.
fn type_of(text: &str) -> &'static str {
    let text = text.trim();
    let is_framed = text.starts_with(['{', '[']);
    let is_json = is_framed && serde_json::from_str::<serde_json::Value>(text).is_ok();
    if is_json { "application/json" } else { "" }
}

/// The conditions of all other requests, if they can be written.
pub(super) fn negated(place: &Where) -> Option<Vec<Line>> {
    match place {
        Where::All => None,
        _ => {
            let lines = place.conditions();
            let [line] = &lines[..] else { return None };
            let [_, left, operator, right] = line.words() else { return None };
            let inverse = match &**operator {
                "is" => "not".to_owned(),
                "not" => "is".to_owned(),
                other => match other.strip_prefix("not_") {
                    Some(bare) => bare.to_owned(),
                    None => format!("not_{other}"),
                },
            };
            Some(vec![Line::new(["if", left, &inverse, right])])
        }
    }
}
