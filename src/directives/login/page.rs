//! Renders the page by the built-in template or the operator's.

use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde_json::json;

/// Ends with `.html`, so that values are escaped.
const NAME: &str = "login.html";

/// A parsed template.
pub(super) struct Page(Environment<'static>);

/// Whether a text is a template of Go, of which some parts are valid here and mean nothing.
fn is_of_go(text: &str) -> bool {
    let actions = ["if", "with", "range", "template", "define", "block", "else", "end"];
    text.split("{{").skip(1).any(|rest| {
        let rest = rest.trim_start_matches('-').trim_start();
        let word = rest.split([' ', '}', '-']).next().unwrap_or_default();
        rest.starts_with('.') || actions.contains(&word)
    })
}

/// What a page says.
#[derive(Default)]
pub(super) struct View {
    pub(super) is_authenticated: bool,
    /// The credentials were wrong.
    pub(super) has_failed: bool,
    /// There were too many attempts.
    pub(super) is_late: bool,
    pub(super) user: String,
}

impl Page {
    pub(super) fn parse(text: String) -> Result<Self, String> {
        if is_of_go(&text) {
            return Err("it is a template of Go, as Caddy 1's plugin had; write {% if failure %} \
                        for {{ if .Failure }}"
                .to_owned());
        }
        let mut environment = Environment::new();
        environment.add_template_owned(NAME, text).map_err(|error| error.to_string())?;
        Ok(Self(environment))
    }

    pub(super) fn ours() -> Result<Self, String> {
        Self::parse(include_str!("page.html").to_owned())
    }

    pub(super) fn render(&self, action: &str, path: &str, view: View) -> Result<String, String> {
        let values = json!({
            "action": action,
            "logout": format!("{path}?logout=true"),
            "authenticated": view.is_authenticated,
            "failure": view.has_failed,
            "too_many": view.is_late,
            "user": view.user,
        });
        let template = self.0.get_template(NAME).map_err(|error| error.to_string())?;
        template.render(Value::from(Serde(values))).map_err(|error| error.to_string())
    }
}
