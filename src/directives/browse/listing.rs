//! The sorted list of a directory. Functions that read the disk block.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use crate::http::Request;
use crate::http::paths::is_git;
use crate::http::placeholders::Template;
use crate::own_files::is_hidden;

/// The sort key of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Name,
    /// Directories come before files.
    NameDirFirst,
    Size,
    Time,
}

const WORDS: [(&str, By); 4] = [
    ("name", By::Name),
    ("namedirfirst", By::NameDirFirst),
    ("size", By::Size),
    ("time", By::Time),
];

impl By {
    pub(super) fn word(self) -> &'static str {
        WORDS.iter().find(|(_, by)| *by == self).map_or("", |(word, _)| word)
    }
}

/// The order in which a client wants the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) by: By,
    pub(super) descending: bool,
    pub(super) limit: Option<usize>,
}

impl Order {
    /// The order by the query, else by the cookies of an earlier choice; and the choice, if it is
    /// new.
    pub(super) fn of(req: &Request) -> (Self, Option<Self>) {
        let value = |name: &str| Template::parse(name).expand(req, None, "");
        let by = |word: String| WORDS.iter().find(|(name, _)| *name == word).map(|(_, by)| *by);
        let descending = |word: String| match word.as_str() {
            "asc" => Some(false),
            "desc" => Some(true),
            _ => None,
        };
        let asked = (by(value("{?sort}")), descending(value("{?order}")));
        let order = Self {
            by: asked.0.or_else(|| by(value("{~sort}"))).unwrap_or(By::NameDirFirst),
            descending: asked.1.or_else(|| descending(value("{~order}"))).unwrap_or(false),
            limit: value("{?limit}").parse().ok().filter(|limit| *limit > 0),
        };
        let is_new = asked.0.is_some() || asked.1.is_some();
        (order, is_new.then_some(order))
    }

    pub(super) fn direction(self) -> &'static str {
        if self.descending { "desc" } else { "asc" }
    }
}

pub(super) struct Entry {
    pub(super) name: String,
    /// Relative to the directory.
    pub(super) url: String,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    pub(super) is_dir: bool,
    pub(super) is_symlink: bool,
    mode: u32,
}

pub(super) struct Folder {
    pub(super) entries: Vec<Entry>,
    pub(super) dirs: usize,
    pub(super) files: usize,
}

impl Folder {
    /// `None` if `path` is not a directory, or if it has an index file.
    pub(super) fn read(
        path: &Path,
        index: &[String],
        hidden: &[PathBuf],
        order: Order,
    ) -> io::Result<Option<Self>> {
        if !path.is_dir() || index.iter().any(|name| path.join(name).is_file()) {
            return Ok(None);
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if is_git(entry.file_name().as_bytes()) {
                continue;
            }
            // Symbolic links are followed; a dangling one is left out, as a request for it is a
            // 404.
            let Ok(about) = fs::metadata(entry.path()) else { continue };
            if (about.is_dir() || about.is_file()) && !is_hidden(hidden, &about) {
                let is_symlink = entry.file_type()?.is_symlink();
                entries.push(Entry::new(&entry.file_name(), &about, is_symlink));
            }
        }
        let dirs = entries.iter().filter(|entry| entry.is_dir).count();
        let files = entries.len() - dirs;
        sort(&mut entries, order);
        entries.truncate(order.limit.unwrap_or(usize::MAX));
        Ok(Some(Self { entries, dirs, files }))
    }

    /// The list in the JSON format of Caddy v1.
    pub(super) fn json(&self) -> Vec<u8> {
        let entries: Vec<Value> = self.entries.iter().map(Entry::json).collect();
        Value::from(entries).to_string().into_bytes()
    }
}

/// Characters that a path segment cannot contain (RFC 3986 section 3.3), and those with a meaning
/// in it.
const IN_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Entry {
    fn new(name: &std::ffi::OsStr, about: &Metadata, is_symlink: bool) -> Self {
        let end = if about.is_dir() { "/" } else { "" };
        Self {
            name: name.to_string_lossy().into_owned(),
            url: format!("./{}{end}", percent_encode(name.as_bytes(), IN_SEGMENT)),
            size: if about.is_dir() { 0 } else { about.len() },
            modified: about.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            is_dir: about.is_dir(),
            is_symlink,
            mode: about.permissions().mode() & 0o777,
        }
    }

    /// As Go prints the mode, `drwxr-xr-x`.
    pub(super) fn go_mode(&self) -> String {
        let mut mode = String::from(if self.is_dir { "d" } else { "-" });
        for (at, letter) in "rwxrwxrwx".chars().enumerate() {
            mode.push(if self.mode & (0o400 >> at) == 0 { '-' } else { letter });
        }
        mode
    }

    fn json(&self) -> Value {
        // Go's mode bit for a directory.
        let mode = self.mode | if self.is_dir { 1 << 31 } else { 0 };
        json!({
            "IsDir": self.is_dir,
            "Name": self.name,
            "Size": self.size,
            "URL": self.url,
            "ModTime": DateTime::<Utc>::from(self.modified)
                .to_rfc3339_opts(SecondsFormat::Secs, true),
            "Mode": mode,
            "IsSymlink": self.is_symlink,
        })
    }
}

fn sort(entries: &mut [Entry], order: Order) {
    let name = |entry: &Entry| (natural(&entry.name.to_lowercase()), entry.name.clone());
    match order.by {
        By::Name => entries.sort_by_cached_key(name),
        By::NameDirFirst => entries.sort_by_cached_key(|entry| (!entry.is_dir, name(entry))),
        By::Size => entries.sort_by_cached_key(|entry| (!entry.is_dir, entry.size, name(entry))),
        By::Time => entries.sort_by_cached_key(|entry| (entry.modified, name(entry))),
    }
    if order.descending {
        entries.reverse();
    }
}

/// A character, or `0` for a run of digits with their count and themselves, without leading zeros.
type Part = (char, usize, String);

/// The parts of a name, by which `file2` is before `file10`.
fn natural(name: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = name.chars();
    while let Some(next) = rest.as_str().chars().next() {
        if !next.is_ascii_digit() {
            parts.push((next, 0, String::new()));
            rest.next();
            continue;
        }
        let text = rest.as_str();
        let end = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
        let number = text[..end].trim_start_matches('0');
        parts.push(('0', number.len(), number.to_owned()));
        rest = text[end..].chars();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn numbers_in_names_count_by_value() {
        let sorted = [
            "", "-", "0", "2", "10", "a", "a-1", "a2b", "a02c", "a10", "a10b", "aa", "b1", "é2",
            "é10",
        ];
        for (at, name) in sorted.iter().enumerate() {
            for later in &sorted[at + 1..] {
                assert!(natural(name) < natural(later), "{name} {later}");
            }
        }
        assert!(natural("18446744073709551617") > natural("18446744073709551616"));
    }
}
