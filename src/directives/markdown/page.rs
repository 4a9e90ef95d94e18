//! A page of a file of Markdown, by the template that its front matter names.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::Document;
use crate::limits::TEMPLATE_LIST;
use crate::pages::{self, Facts, Page, Rendered, Root};
use crate::text_template::{Moment, Object, Run, Set, Value};

/// The name of the template for files that name none.
pub(super) const DEFAULT: &str = "";

/// Names of front matter that become `meta` elements.
const META: [&str; 4] = ["author", "copyright", "description", "subject"];

/// How pages of one rule are made.
pub(super) struct Look {
    pub(super) templates: Set,
    pub(super) styles: Vec<String>,
    pub(super) scripts: Vec<String>,
}

impl Default for Look {
    fn default() -> Self {
        let mut templates = Set::default();
        // A test makes a page of it.
        let _ = templates.add(DEFAULT, include_str!("page.html"));
        Self { templates, styles: Vec::new(), scripts: Vec::new() }
    }
}

/// A file to make a page of.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    /// The folder whose index it is.
    pub(super) folder: Option<&'a Path>,
}

impl Look {
    pub(super) fn render(
        &self,
        source: &Source<'_>,
        root: &Arc<Root>,
        facts: Facts,
    ) -> Result<Rendered, String> {
        let document = Document::read(source.text);
        let template = document.word("template").unwrap_or(DEFAULT);
        let name = source.path.file_name().unwrap_or_default().to_string_lossy();
        if !self.templates.has(template) {
            return Err(format!(
                "{name}: there is no template '{template}'; write: template {template} FILE"
            ));
        }
        let mut fields = self.fields(&document, source.path);
        let files = source.folder.map(|folder| files(folder, root)).unwrap_or_default();
        let lists = !files.is_empty();
        fields.insert("Files".to_owned(), Value::list(files));
        let page = Page { root: root.clone(), facts, is_html: true, fields };
        let made = page.render(&self.templates, template);
        let mut rendered = made.map_err(|error| format!("{name}: template {error}"))?;
        // What the folder holds is in no state of a file.
        rendered.varies |= lists && template != DEFAULT;
        Ok(rendered)
    }

    fn fields(&self, document: &Document<'_>, path: &Path) -> BTreeMap<String, Value> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let title = document.word("title").filter(|title| !title.is_empty()).unwrap_or(&stem);
        let entries = document.matter.iter();
        let mut doc: BTreeMap<String, Value> =
            entries.map(|(key, value)| (key.clone(), value.clone().into())).collect();
        doc.insert("title".to_owned(), Value::foreign(title));
        doc.insert("raw".to_owned(), Value::foreign(document.text));
        doc.insert("body".to_owned(), Value::own(pages::to_html(document.text)));
        let flags = document.matter.iter().filter(|(_, value)| value.is_boolean());
        let meta = META.iter().filter_map(|name| Some((*name, document.word(name)?)));
        let list =
            |words: &[String]| Value::list(words.iter().map(|word| Value::own(word.as_str())));
        BTreeMap::from([
            ("Doc".to_owned(), Value::map(doc)),
            (
                "DocFlags".to_owned(),
                Value::map(flags.map(|(key, value)| (key.clone(), value.clone().into()))),
            ),
            (
                "Meta".to_owned(),
                Value::map(meta.map(|(name, value)| (name.to_owned(), Value::foreign(value)))),
            ),
            ("Styles".to_owned(), list(&self.styles)),
            ("Scripts".to_owned(), list(&self.scripts)),
        ])
    }
}

/// What a folder holds, by name; nothing if it cannot be read.
fn files(folder: &Path, root: &Arc<Root>) -> Vec<Value> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(TEMPLATE_LIST);
    let mut names: Vec<_> = entries.map(|entry| entry.path()).collect();
    names.sort_unstable();
    names.into_iter().map(|path| Value::object(Listed { path, root: root.clone() })).collect()
}

/// An entry of `.Files`.
struct Listed {
    path: PathBuf,
    root: Arc<Root>,
}

impl Object for Listed {
    fn name(&self) -> &'static str {
        "FileInfo"
    }

    fn get(&self, name: &str, args: &[Value], run: &mut Run) -> Result<Option<Value>, String> {
        let about = || fs::metadata(&self.path).map_err(|error| error.to_string());
        let value = match (name, args) {
            ("Name", []) => {
                let name = self.path.file_name().unwrap_or_default();
                Value::foreign(&*name.to_string_lossy())
            }
            ("Size", []) => Value::Int(i64::try_from(about()?.len()).unwrap_or(i64::MAX)),
            ("IsDir", []) => Value::Bool(about()?.is_dir()),
            ("Mode", []) => Value::own(format!("{:04o}", about()?.permissions().mode() & 0o7777)),
            ("ModTime", []) => {
                Value::Moment(Moment::local(about()?.modified().map_err(|e| e.to_string())?))
            }
            ("Summarize", [Value::Int(words)]) => {
                let text = self.root.read_at(&self.path)?;
                run.work(text.len())?;
                let words = usize::try_from(*words).unwrap_or(0);
                Value::foreign(pages::summary(Document::read(&text).text, words))
            }
            ("Summarize", _) => return Err("Summarize needs an int".to_owned()),
            _ => return Ok(None),
        };
        Ok(Some(value))
    }
}
