//! What a template of a page can reach, as in Caddy v1: facts of the request, files below the
//! site's root, Markdown, and functions on text. For the directives that have templates.

mod commonmark;
mod context;
mod facts;
mod folder;
mod functions;
mod request;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use commonmark::{summary, to_html};
pub use facts::Facts;
pub use folder::{OpenFile, Root, Template};

use crate::limits::{TEMPLATE_BLOCKS, TEMPLATE_DEPTH, TEMPLATE_STEPS, TEMPLATE_TEXT};
use crate::text_template::{BLOCKS, Bounds, Error, Set, Setting, Value};
use context::{Context, Effects};

/// A page that is to be made.
pub struct Page {
    pub root: Arc<Root>,
    pub facts: Facts,
    /// Whether foreign text in it is escaped.
    pub is_html: bool,
    /// Fields of the directive's own.
    pub fields: BTreeMap<String, Value>,
}

/// A page.
pub struct Rendered {
    pub text: String,
    /// The `Link` fields that it asks for.
    pub links: Vec<String>,
    /// Whether it depends on more than the template and the directive's own fields: the request,
    /// the time, other files.
    pub varies: bool,
}

impl Page {
    /// Executes a template of a set. Blocks: templates may read files.
    pub fn render(self, set: &Set, name: &str) -> Result<Rendered, Error> {
        self.render_within(set, name, BOUNDS)
    }

    /// [`Self::render`] within other bounds.
    pub fn render_within(self, set: &Set, name: &str, bounds: Bounds) -> Result<Rendered, Error> {
        let effects = Arc::new(Effects::default());
        let data = Value::object(Context {
            root: self.root,
            facts: Arc::new(self.facts),
            fields: Arc::new(self.fields),
            args: Vec::new(),
            effects: effects.clone(),
        });
        let setting = Setting { bounds, is_html: self.is_html };
        let text = setting.execute(set, name, &data)?;
        let links = effects.links.lock().map(|mut links| std::mem::take(&mut *links));
        Ok(Rendered {
            text,
            links: links.unwrap_or_default(),
            varies: effects.varies.load(Ordering::Relaxed),
        })
    }
}

/// What one page may use.
pub const BOUNDS: Bounds =
    Bounds { steps: TEMPLATE_STEPS, depth: TEMPLATE_DEPTH, bytes: TEMPLATE_TEXT };

const _: () = assert!(BLOCKS == TEMPLATE_BLOCKS, "what the parser refuses is what the table says");

#[cfg(test)]
mod tests;
