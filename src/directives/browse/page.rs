//! Renders the page of a list by the built-in template or the operator's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::listing::{Entry, Folder, Order};
use crate::limits::{TEMPLATE_STEPS, TEMPLATE_TEXT};
use crate::pages::{self, Facts, Rendered, Root};
use crate::text_template::{Bounds, Moment, Object, Run, Set, Value};

const NAME: &str = "browse";

/// A parsed template.
pub(super) struct Page(Set);

/// What a page is made of.
pub(super) struct View {
    pub(super) folder: Folder,
    /// As the client sees it.
    pub(super) path: String,
    pub(super) can_go_up: bool,
    pub(super) order: Order,
    pub(super) root: Arc<Root>,
    pub(super) facts: Facts,
}

impl Page {
    pub(super) fn ours() -> Result<Self, String> {
        Self::parse(include_str!("page.html"))
    }

    /// Reads the operator's template from a file.
    pub(super) fn read(file: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read the template {file}: {error}"))?;
        Self::parse(&text).map_err(|error| format!("invalid template {file}: {error}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut set = Set::default();
        set.add(NAME, text).map_err(|error| format!("line {}: {}", error.line, error.message))?;
        Ok(Self(set))
    }

    pub(super) fn render(&self, view: View) -> Result<Rendered, String> {
        let View { folder, path, can_go_up, order, root, facts } = view;
        let (steps, bytes) = (ENTRY_STEPS * folder.entries.len() as u64, folder.entries.len());
        let bounds = Bounds {
            steps: TEMPLATE_STEPS + steps,
            bytes: TEMPLATE_TEXT + ENTRY_TEXT * bytes,
            ..pages::BOUNDS
        };
        let int = |count: usize| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let fields = [
            ("Name", Value::foreign(name_of(&path))),
            ("Breadcrumbs", breadcrumbs(&path)),
            ("Path", Value::foreign(path)),
            ("CanGoUp", Value::Bool(can_go_up)),
            ("NumDirs", int(folder.dirs)),
            ("NumFiles", int(folder.files)),
            ("Sort", Value::own(order.by.word())),
            ("Order", Value::own(order.direction())),
            ("ItemsLimitedTo", int(order.limit.unwrap_or(0))),
            ("Items", Value::list(folder.entries.into_iter().map(Value::object))),
            ("User", Value::Nil),
        ];
        let fields: BTreeMap<_, _> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let page = pages::Page { root, facts, is_html: true, fields };
        page.render_within(&self.0, NAME, bounds).map_err(|error| error.to_string())
    }
}

/// Steps that a template may take more for each entry; the built-in one takes about 20.
const ENTRY_STEPS: u64 = 200;
/// Bytes that it may make more.
const ENTRY_TEXT: usize = 4096;

/// The last segment of a path.
fn name_of(path: &str) -> &str {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if name.is_empty() { "/" } else { name }
}

/// A link to each folder on the way to this one, the root of the site first.
fn breadcrumbs(path: &str) -> Value {
    let parts: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    let crumb = |(at, part): (usize, &&str)| {
        let text = if at == 0 && part.is_empty() { "/" } else { part };
        let link = "../".repeat(parts.len() - at - 1);
        Value::map([
            ("Link".to_owned(), Value::own(link)),
            ("Text".to_owned(), Value::foreign(text)),
        ])
    };
    Value::list(parts.iter().enumerate().map(crumb))
}

impl Object for Entry {
    fn name(&self) -> &'static str {
        "FileInfo"
    }

    fn get(&self, name: &str, args: &[Value], _: &mut Run) -> Result<Option<Value>, String> {
        let modified = || Moment::utc(self.modified);
        let value = match (name, args) {
            ("Name", []) => Value::foreign(self.name.as_str()),
            // Has no character with a meaning in HTML.
            ("URL", []) => Value::own(self.url.as_str()),
            ("Size", []) => Value::Int(i64::try_from(self.size).unwrap_or(i64::MAX)),
            ("HumanSize", []) => Value::own(human_size(self.size)),
            ("ModTime", []) => Value::Moment(modified()),
            ("HumanModTime", [Value::Text(layout)]) => Value::own(modified().format(&layout.text)),
            ("HumanModTime", _) => return Err("HumanModTime needs a layout".to_owned()),
            ("Mode", []) => Value::own(self.go_mode()),
            ("IsDir", []) => Value::Bool(self.is_dir),
            ("IsSymlink", []) => Value::Bool(self.is_symlink),
            _ => return Ok(None),
        };
        Ok(Some(value))
    }
}

/// Two digits and a unit, as v1 showed sizes.
fn human_size(bytes: u64) -> String {
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut below = 1024_u128;
    while u128::from(bytes) >= below && unit + 1 < UNITS.len() {
        (below, unit) = (below * 1024, unit + 1);
    }
    let size = below / 1024;
    // Rounded to a tenth.
    let tenths = (u128::from(bytes) * 10 + size / 2) / size;
    match tenths {
        ..100 => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", (tenths + 5) / 10, UNITS[unit]),
    }
}

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, expected) in [
            (0, "0 B"),
            (9, "9 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10_188, "9.9 KiB"),
            (10_240, "10 KiB"),
            (12_700, "12 KiB"),
            (200 << 10, "200 KiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(human_size(bytes), expected);
        }
    }

    #[test]
    fn names() {
        for (path, name) in [("/", "/"), ("/a/", "a"), ("/a/b/", "b")] {
            assert_eq!(name_of(path), name);
        }
    }
}
