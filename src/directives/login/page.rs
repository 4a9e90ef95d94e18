//! Renders the page by the built-in template or the operator's, with the names of the plugin.

use std::collections::BTreeMap;

use crate::pages;
use crate::text_template::{Set, Setting, Value};
use crate::tokens::Claims;

/// Not the name of a part.
const NAME: &str = "page";

/// A parsed template.
pub(super) struct Page(Set);

/// What a page says.
#[derive(Default)]
pub(super) struct View {
    /// Of the user who is logged in.
    pub(super) claims: Option<Claims>,
    /// The credentials were wrong.
    pub(super) has_failed: bool,
    /// There were too many attempts.
    pub(super) is_late: bool,
    /// Whose password was wrong.
    pub(super) user: String,
}

/// The claims that a template may name: a field, and its claim.
const USER_INFO: [(&str, &str); 8] = [
    ("Sub", "sub"),
    ("Name", "name"),
    ("Email", "email"),
    ("Picture", "picture"),
    ("Origin", "origin"),
    ("Domain", "domain"),
    ("Expiry", "exp"),
    ("Refreshes", "refs"),
];

impl Page {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut set = Set::default();
        for (name, text) in [("parts", include_str!("parts.html")), (NAME, text)] {
            let added = set.add(name, text);
            added.map_err(|error| format!("line {}: {}", error.line, error.message))?;
        }
        Ok(Self(set))
    }

    pub(super) fn ours() -> Result<Self, String> {
        Self::parse(include_str!("page.html"))
    }

    pub(super) fn render(&self, action: &str, path: &str, view: View) -> Result<String, String> {
        let claims = view.claims.unwrap_or_default();
        let is_authenticated = !claims.is_empty();
        let claim = |name: &str| match claims.get(name) {
            None => Value::own(""),
            Some(value) => value.clone().into(),
        };
        let user_info = USER_INFO.map(|(field, name)| (field.to_owned(), claim(name)));
        let config = [("LoginPath".to_owned(), Value::own(path))];
        let values = [
            ("Authenticated", Value::Bool(is_authenticated)),
            ("UserInfo", Value::map(user_info)),
            ("Config", Value::map(config)),
            ("Failure", Value::Bool(view.has_failed)),
            // An error of the server has a page of its own.
            ("Error", Value::Bool(false)),
            ("TooMany", Value::Bool(view.is_late)),
            ("User", Value::foreign(view.user)),
            ("Action", Value::foreign(action)),
            ("Logout", Value::foreign(format!("{path}?logout=true"))),
        ];
        let values: BTreeMap<_, _> =
            values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let setting = Setting { bounds: pages::BOUNDS, is_html: true };
        let done = setting.execute(&self.0, NAME, &Value::map(values));
        done.map_err(|error| error.to_string())
    }
}
