//! HTML, SVG and XML without comments, and with less white space between tags and attributes.

mod tag;

use tag::{Tag, is_space};

/// What becomes of white space between tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Space {
    #[default]
    Less,
    Kept,
}

/// In HTML a comment stays unless it is prose: scripts and frameworks find places by others.
/// White space that has a line end becomes one line end.
pub(super) fn html(text: &str, space: Space) -> Option<String> {
    Markup::new(text, Dialect::Html, space).read()
}

/// In SVG white space between elements that have no text is drawn nowhere.
pub(super) fn svg(text: &str, space: Space) -> Option<String> {
    Markup::new(text, Dialect::Svg, space).read()
}

pub(super) fn xml(text: &str, space: Space) -> Option<String> {
    Markup::new(text, Dialect::Xml, space).read()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Html,
    Svg,
    Xml,
}

/// Elements of HTML whose content has no tags.
const RAW: [&str; 9] =
    ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript"];

/// Elements of HTML whose white space is shown, or often is.
const SHOWN: [&str; 5] = ["pre", "listing", "code", "samp", "kbd"];

/// Elements of SVG that have text.
const TEXTS: [&str; 7] = ["text", "tspan", "textPath", "title", "desc", "foreignObject", "switch"];

/// Languages of XML in which white space means something.
const SPACED: [&str; 3] =
    ["xml:space", "http://www.w3.org/1999/xhtml", "http://www.w3.org/1999/XSL/Transform"];

struct Markup<'a> {
    text: &'a str,
    at: usize,
    made: String,
    dialect: Dialect,
    space: Space,
    /// The element whose white space stays, and how many of its name are open.
    kept: Option<(&'a str, usize)>,
    /// Whether the last thing was a start tag.
    is_begun: bool,
}

impl<'a> Markup<'a> {
    fn new(text: &'a str, dialect: Dialect, space: Space) -> Self {
        let is_spaced = dialect != Dialect::Html && SPACED.iter().any(|mark| text.contains(mark));
        let space = if is_spaced { Space::Kept } else { space };
        let made = String::with_capacity(text.len());
        Self { text, at: 0, made, dialect, space, kept: None, is_begun: false }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn put(&mut self, length: usize) {
        self.made.push_str(&self.rest()[..length]);
        self.at += length;
    }

    fn read(mut self) -> Option<String> {
        while self.at < self.text.len() {
            let rest = self.rest();
            let name = rest.strip_prefix("</").or_else(|| rest.strip_prefix('<'));
            let begins_tag = name.is_some_and(|name| name.starts_with(is_name_start));
            if rest.starts_with("<!--") {
                self.comment()?;
            } else if rest.starts_with("<!") || rest.starts_with("<?") {
                self.declaration()?;
            } else if begins_tag {
                self.tag()?;
            } else {
                self.characters();
            }
        }
        Some(self.made)
    }

    fn comment(&mut self) -> Option<()> {
        let rest = self.rest();
        // What browsers take for its end, too.
        let ends: &[_] = if self.dialect == Dialect::Html { &["-->", "--!>"] } else { &["-->"] };
        let (text, length) = match rest {
            rest if rest.starts_with("<!-->") => ("", 5),
            rest if rest.starts_with("<!--->") => ("", 6),
            rest => {
                let end = |end: &&str| rest[4..].find(end).map(|at| (at, end.len()));
                let (at, end) = ends.iter().filter_map(end).min()?;
                (&rest[4..4 + at], 4 + at + end)
            }
        };
        let is_prose = || is_prose(text);
        let stays = self.dialect == Dialect::Html && (self.kept.is_some() || !is_prose());
        if stays {
            self.put(length);
            self.is_begun = false;
        } else {
            self.at += length;
        }
        Some(())
    }

    /// A document type, an instruction or characters as they are.
    fn declaration(&mut self) -> Option<()> {
        let rest = self.rest();
        let is_xml = self.dialect != Dialect::Html;
        let end = match rest {
            rest if rest.starts_with("<![CDATA[") && is_xml => "]]>",
            rest if rest.starts_with("<?") && is_xml => "?>",
            _ => ">",
        };
        let length = rest.find(end)? + end.len();
        // Entities may be declared in it, in a language of its own.
        let has_subset = rest.starts_with("<!DOCTYPE") && rest[..length].contains('[');
        // In HTML it depends on the element what it is.
        if has_subset || rest.starts_with("<![CDATA[") && !is_xml {
            return None;
        }
        self.put(length);
        self.is_begun = false;
        Some(())
    }

    fn tag(&mut self) -> Option<()> {
        let tag = Tag::read(self.rest())?;
        tag.write(&mut self.made);
        self.at += tag.length;
        // HTML takes no notice of the slash.
        let is_empty = tag.is_empty && self.dialect != Dialect::Html;
        self.is_begun = !tag.is_end && !is_empty;
        let name = tag.name;
        if let Some((kept, depth)) = &mut self.kept {
            if kept.eq_ignore_ascii_case(name) && !is_empty {
                *depth = if tag.is_end { *depth - 1 } else { *depth + 1 };
            }
            if *depth == 0 {
                self.kept = None;
            }
        } else if self.is_begun && self.keeps(&tag) {
            self.kept = Some((name, 1));
        }
        let is_raw = match self.dialect {
            Dialect::Html => RAW.iter().any(|raw| name.eq_ignore_ascii_case(raw)),
            Dialect::Svg => matches!(local(name), "script" | "style"),
            Dialect::Xml => false,
        };
        if is_raw && self.is_begun { self.raw(name) } else { Some(()) }
    }

    /// Whether white space within an element stays.
    fn keeps(&self, tag: &Tag<'_>) -> bool {
        match self.dialect {
            Dialect::Html => {
                SHOWN.iter().any(|shown| tag.name.eq_ignore_ascii_case(shown))
                    || tag.has("white-space")
                    // Classes of Tailwind.
                    || tag.has("whitespace-")
                    || tag.has("contenteditable")
            }
            Dialect::Svg => TEXTS.contains(&local(tag.name)),
            Dialect::Xml => false,
        }
    }

    /// The content of an element that has no tags, up to its end tag.
    fn raw(&mut self, name: &str) -> Option<()> {
        let rest = self.rest();
        let ends = |at: &usize| {
            let (end, next) = (at + 2 + name.len(), rest.as_bytes().get(at + 2 + name.len()));
            let is_whole =
                next.is_none_or(|next| matches!(next, b'>' | b'/' | b'\t'..=b'\r' | b' '));
            let behind = rest.get(at + 2..end);
            is_whole && behind.is_some_and(|behind| behind.eq_ignore_ascii_case(name))
        };
        let length = rest.match_indices("</").map(|(at, _)| at).find(ends)?;
        // A script within a comment of a script ends otherwise.
        if rest[..length].contains("<!--") && name.eq_ignore_ascii_case("script") {
            return None;
        }
        self.put(length);
        self.is_begun = false;
        Some(())
    }

    /// Text up to the next tag.
    fn characters(&mut self) {
        let rest = self.rest();
        let next = rest.bytes().skip(1).position(|byte| byte == b'<');
        let length = next.map_or(rest.len(), |next| next + 1);
        let run = &rest[..length];
        let is_blank = run.bytes().all(is_space);
        let ends = rest[length..].starts_with("</");
        let is_leaf = is_blank && self.is_begun && ends;
        self.is_begun = false;
        if self.kept.is_some() || self.space == Space::Kept {
            self.made.push_str(run);
        } else {
            match self.dialect {
                Dialect::Html => self.flow(run),
                Dialect::Svg if is_blank => {}
                Dialect::Xml if is_blank && !is_leaf => self.flow(run),
                _ => self.made.push_str(run),
            }
        }
        self.at += length;
    }

    /// Text, in which white space with a line end becomes one line end.
    fn flow(&mut self, mut run: &str) {
        while let Some(begin) = run.bytes().position(is_space) {
            let length = run[begin..].bytes().take_while(|byte| is_space(*byte)).count();
            self.made.push_str(&run[..begin]);
            let white = &run[begin..begin + length];
            if !white.contains(['\n', '\r']) {
                self.made.push_str(white);
            } else if !self.made.ends_with('\n') {
                self.made.push('\n');
            }
            run = &run[begin + length..];
        }
        self.made.push_str(run);
    }
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':' || !c.is_ascii()
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Whether a comment is written for readers: it begins with white space and a word. Knockout's and
/// those that search engines know are not.
fn is_prose(comment: &str) -> bool {
    let first = comment.split_ascii_whitespace().next().unwrap_or_default();
    let is_word = first.chars().all(|c| c.is_alphanumeric() || "'-,.:()&/".contains(c));
    let is_mark = matches!(first, "ko" | "/ko") || first.starts_with('/') || first.contains(':');
    comment.starts_with(|c: char| c.is_ascii_whitespace())
        && !first.is_empty()
        && is_word
        && !is_mark
}
