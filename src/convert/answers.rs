//! Answers by `status`, with a text or without.

use super::page::Line;

/// What one line of `status` answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    code: u16,
    /// With placeholders of ours; empty without one.
    text: String,
    /// The type of the text, if it is another than that of plain text.
    content_type: Option<String>,
}

impl From<u16> for Answer {
    fn from(code: u16) -> Self {
        Self { code, text: String::new(), content_type: None }
    }
}

impl Answer {
    /// A text of this type, `text/plain` if that is empty. Where a response has no content, the
    /// text is nobody's.
    pub(super) fn new(code: u16, text: String, content_type: &str) -> Self {
        if matches!(code, 204 | 205 | 304) || text.is_empty() {
            return code.into();
        }
        let content_type = Some(content_type.to_owned());
        let content_type = content_type.filter(|one| !matches!(&**one, "" | "text/plain"));
        Self { code, text, content_type }
    }

    /// The line that answers requests for a path.
    pub(super) fn line(&self, path: &str) -> Line {
        let mut line = Line::new(["status", &self.code.to_string(), path]);
        if !self.text.is_empty() {
            line.add(Line::new(["text", &self.text]));
        }
        if let Some(content_type) = &self.content_type {
            line.add(Line::new(["type", content_type]));
        }
        line
    }
}

/// The answers of a site to which `rewrite` leads requests, each at a path of its own.
#[derive(Default)]
pub(super) struct Answers {
    texts: Vec<Answer>,
    codes: Vec<u16>,
}

impl Answers {
    /// The path of an answer, and its line unless the site has it.
    pub(super) fn path(&mut self, answer: Answer) -> (String, Option<Line>) {
        let (path, is_new) = if answer.text.is_empty() {
            let is_new = !self.codes.contains(&answer.code);
            if is_new {
                self.codes.push(answer.code);
            }
            (format!("/@status-{}", answer.code), is_new)
        } else {
            let known = self.texts.iter().position(|other| *other == answer);
            let nth = known.unwrap_or_else(|| {
                self.texts.push(answer.clone());
                self.texts.len() - 1
            });
            (format!("/@text-{}", nth + 1), known.is_none())
        };
        let line = is_new.then(|| answer.line(&path));
        (path, line)
    }
}
