//! Renders the page of a list by the built-in template or the operator's.

use std::io;

use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde_json::json;

use super::listing::{By, Folder, Order};

/// Ends with `.html`, so that values are escaped.
const NAME: &str = "browse.html";

/// A parsed template.
pub(super) struct Page(Environment<'static>);

/// The values of a page.
pub(super) struct View<'a> {
    pub(super) folder: &'a Folder,
    /// As the client sees it.
    pub(super) path: &'a str,
    pub(super) can_go_up: bool,
    pub(super) order: Order,
}

impl Page {
    pub(super) fn ours() -> Result<Self, String> {
        Self::parse(include_str!("page.html").to_owned())
    }

    /// Reads the operator's template from a file.
    pub(super) fn read(file: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read the template {file}: {error}"))?;
        Self::parse(text).map_err(|error| format!("invalid template {file}: {error}"))
    }

    fn parse(text: String) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.add_template_owned(NAME, text).map_err(|error| error.to_string())?;
        Ok(Self(environment))
    }

    pub(super) fn render(&self, view: &View<'_>) -> io::Result<String> {
        let template = self.0.get_template(NAME).map_err(io::Error::other)?;
        template.render(Value::from(Serde(context(view)))).map_err(io::Error::other)
    }
}

fn context(view: &View<'_>) -> serde_json::Value {
    let Order { by, descending, limit } = view.order;
    let items = view.folder.entries.iter().map(|entry| {
        json!({
            "name": entry.name,
            "url": entry.url,
            "is_dir": entry.is_dir,
            "size": entry.size,
            "human_size": human_size(entry.size),
            "mod_time": entry.modified(),
        })
    });
    json!({
        "path": view.path,
        "can_go_up": view.can_go_up,
        "items": items.collect::<Vec<_>>(),
        "num_dirs": view.folder.dirs,
        "num_files": view.folder.files,
        "sort": if by == By::NameDirFirst { By::Name } else { by }.word(),
        "order": view.order.direction(),
        "turned": if descending { "asc" } else { "desc" },
        "limit": limit,
    })
}

/// Three digits and a unit.
fn human_size(bytes: u64) -> String {
    let mut unit = "B";
    let mut tenths = u128::from(bytes) * 10;
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if tenths < 10 * 1024 {
            break;
        }
        (tenths, unit) = (tenths / 1024, larger);
    }
    if unit == "B" || tenths >= 1000 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::human_size;

    #[test]
    fn sizes() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (200 << 10, "200 KiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16383 PiB"),
        ] {
            assert_eq!(human_size(bytes), expected);
        }
    }
}
