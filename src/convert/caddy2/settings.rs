//! What holds for responses and requests whatever answers them: `encode`, `header`, `basic_auth`,
//! `request_body`, `request_header` and `templates`.

use std::collections::BTreeMap;

use super::guards::RequestField;
use super::matcher::Where;
use super::site::{Builder, Shared, Spot};
use super::syntax::Segment;
use super::values;
use crate::convert::page::{Item, Line, note};

impl Builder<'_> {
    pub(super) fn encode(&mut self, line: &Segment) {
        let mut line_of = Line::new(["gzip"]);
        let mut names: Vec<String> =
            line.args().iter().filter(|word| *word != "*").cloned().collect();
        for option in line.block() {
            match option.name() {
                "gzip" | "zstd" | "br" => {
                    names.push(option.name().to_owned());
                    if option.name() == "gzip" && !option.arg(0).is_empty() {
                        line_of.add(Line::new(["level", option.arg(0)]));
                    }
                }
                "minimum_length" => line_of.add(Line::new(["min_length", option.arg(0)])),
                _ => self.left_out(option, "the types are those that gzip knows"),
            }
        }
        if names.is_empty() {
            names = vec!["zstd".to_owned(), "gzip".to_owned()];
        }
        if names.iter().any(|name| !matches!(&**name, "gzip" | "zstd" | "br")) {
            return self.left_out(line, "a coding or a matcher that `gzip` does not have");
        }
        self.shared.push(Shared::whole(line_of.with(Line::new(["codings"]).and(names))));
    }

    pub(super) fn header(&mut self, line: &Segment, args: &[String], spot: &Spot) {
        let Some(path) = spot.place.path().map(str::to_owned) else {
            return self.left_out(line, "`header` is for a path that requests begin with");
        };
        let mut rule = Line::new(["header", &path]);
        let own = (!args.is_empty()).then(|| args.to_vec()).into_iter();
        let inner = line.block().iter().map(|one| one.words.clone());
        for words in own.chain(inner) {
            match field(&words) {
                Ok(Some(line)) => rule.add(line),
                Ok(None) => {}
                Err(why) => self.left_out(line, &why),
            }
        }
        if rule.has_block() {
            match spot.except.is_empty() {
                true => self.shared.push(Shared { path, item: rule.into() }),
                false => self.lines.push(rule.into()),
            }
        }
    }

    /// `request_header`, which holds for all upstreams behind it. Where it is not for all requests
    /// or has no placeholder, no upstream gets the field.
    pub(super) fn request_header(&mut self, line: &Segment, args: &[String], spot: &Spot) {
        let own = (!args.is_empty()).then(|| args.to_vec()).into_iter();
        let inner = line.block().iter().map(|one| one.words.clone());
        for words in own.chain(inner) {
            let (name, value) = match &words[..] {
                [name] => (name.trim_start_matches('-'), None),
                [name, value] if !name.starts_with('+') => (&**name, Some(values::text(value))),
                _ => {
                    self.left_out(line, "write `header_upstream` in the block of `proxy`");
                    continue;
                }
            };
            if name.contains('*') || name.is_empty() {
                self.closed(line, "which fields they are is not known", spot);
                continue;
            }
            let is_whole = matches!(spot.place, Where::All) && spot.except.is_empty();
            let value = match value {
                Some(Ok(value)) if is_whole => Some(value),
                None if is_whole => None,
                _ => {
                    let text = format!("{}: no upstream gets the field", line.shown());
                    self.lines.push(note(&line.at, text));
                    None
                }
            };
            self.request_fields.push(RequestField { name: name.to_owned(), value });
        }
    }

    pub(super) fn basic_auth(&mut self, line: &Segment, args: &[String], spot: &Spot) {
        let realm = args.iter().find(|word| !matches!(&***word, "bcrypt" | "argon2id"));
        let exact = spot.place.exact().map(str::to_owned);
        let path = spot.place.path().map(str::to_owned).or_else(|| exact.clone());
        let Some(protected) = &path else {
            return self.closed(line, "`basicauth` is for a path that requests begin with", spot);
        };
        if exact.is_some() {
            let text = format!("{}: longer paths are protected, too", line.shown());
            self.lines.push(note(&line.at, text));
        }
        let is_known =
            |hash: &str| ["$2a$", "$2b$", "$2y$"].iter().any(|start| hash.starts_with(start));
        if line.block().is_empty() || !line.block().iter().all(|user| is_known(user.arg(0))) {
            return self.closed(line, "passwords are hashes of bcrypt", spot);
        }
        let word = |user: &Segment| {
            Line::new(["basicauth", user.name(), &format!("hash={}", user.arg(0))])
        };
        let users: Vec<Line> = line.block().iter().map(word).collect();
        if self.is_asked_already(line, protected, &users, spot) {
            return;
        }
        for user in users {
            let realm = realm.map_or("restricted", String::as_str);
            let rule = user.with(Line::new([&**protected]));
            let rule: Item = rule.with(Line::new(["realm", realm])).into();
            self.shared.push(Shared { path: protected.clone(), item: rule });
        }
    }

    /// Caddy 2 asks for all passwords of a path, and `basicauth` for one of them. So each path has
    /// the users of one line: of the shorter path if these are in both, else nobody is let in.
    fn is_asked_already(
        &mut self,
        line: &Segment,
        path: &str,
        users: &[Line],
        spot: &Spot,
    ) -> bool {
        let why = "a user would have to be one of another line, too";
        let is_begun = |path: &str, by: &str| path.to_lowercase().starts_with(&by.to_lowercase());
        let all_in = |some: &[Line], all: &[Line]| {
            some.iter().all(|one| all.iter().any(|other| other.words == one.words))
        };
        let mut is_asked = false;
        for (other, others) in self.users() {
            if is_begun(path, &other) {
                if !all_in(&others, users) {
                    self.closed(line, why, spot);
                    return true;
                }
                is_asked = true;
            } else if is_begun(&other, path) {
                if !all_in(users, &others) {
                    let spot = Spot { place: Where::Prefix(other.clone()), ..Spot::default() };
                    self.closed(line, why, &spot);
                }
                self.shared.retain(|one| one.path != other || one.user().is_none());
            }
        }
        is_asked
    }

    /// The lines of `basicauth` by path.
    fn users(&self) -> BTreeMap<String, Vec<Line>> {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in &self.shared {
            if let Some(user) = one.user() {
                all.entry(one.path.clone()).or_default().push(user.clone());
            }
        }
        all
    }

    pub(super) fn request_body(&mut self, line: &Segment, spot: &Spot) {
        let exact = spot.place.exact().map(str::to_owned);
        if exact.is_some() {
            let text = format!("{}: longer paths have the limit, too", line.shown());
            self.lines.push(note(&line.at, text));
        }
        let path = spot.place.path().map(str::to_owned).or(exact);
        for option in line.block() {
            match (option.name(), values::size(option.arg(0)), &path) {
                ("max_size", Some(size), Some(path)) => {
                    let path = (path != "/").then(|| path.clone());
                    self.limits.push(Line::new(["body"]).and(path).and([size]));
                }
                _ => self.left_out(option, "`limits` has a size for a path"),
            }
        }
    }

    pub(super) fn templates(&mut self, line: &Segment, spot: &Spot) {
        let Some(path) = spot.place.path() else {
            return self.left_out(line, "`templates` is for a path that requests begin with");
        };
        let rule = Line::new(["templates", path]);
        self.lines.push(rule.into());
        let text = format!("{}: functions in templates have other names here", line.shown());
        self.lines.push(note(&line.at, text));
    }
}

/// One change of a field, as `header` writes it.
fn field(words: &[String]) -> Result<Option<Line>, String> {
    let text =
        |value: &String| values::text(value).map_err(|name| format!("{name} has no placeholder"));
    match words {
        [name] if name == "defer" => Ok(None),
        [name] if name.starts_with('-') && !name.contains('*') => Ok(Some(Line::new([&**name]))),
        [name, value] => {
            let bare = name.trim_start_matches(['?', '>']);
            Ok(Some(Line::new([bare, &text(value)?])))
        }
        _ => Err("a field is set, added or removed".to_owned()),
    }
}
