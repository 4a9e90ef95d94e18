//! Lines that keep requests out, and fields that requests lose before an upstream sees them.

use super::syntax::Segment;
use crate::convert::page::Line;

/// Directives of plugins that keep requests out, and those whose content is not known here.
const UNKNOWN: &[&str] =
    &["authenticate", "forward_auth", "import", "invoke", "jwt", "oidc", "saml"];

/// Whether a line keeps requests out in a way that is not known here. Plugins name what they do.
pub(super) fn is_unknown(line: &Segment) -> bool {
    let name = line.name();
    let is_plain = matches!(name, "basic_auth" | "basicauth") || name.starts_with('@');
    !is_plain && (UNKNOWN.contains(&name) || name.contains("auth"))
}

/// Whether a line, or one in its block, keeps requests out.
pub(super) fn has_any(line: &Segment) -> bool {
    let is_own = matches!(line.name(), "basic_auth" | "basicauth") || is_unknown(line);
    let is_block = matches!(line.name(), "handle" | "handle_path" | "route");
    is_own || refuses(line) || is_block && line.block().iter().any(has_any)
}

/// Whether a line answers with an error.
fn refuses(line: &Segment) -> bool {
    let is_code = |word: &String| word.len() == 3 && word.starts_with(['4', '5']);
    match line.name() {
        "abort" | "error" => true,
        "respond" => line.args().iter().any(is_code),
        _ => false,
    }
}

/// Whether a line answers its requests, so that none of those behind it gets them.
pub(super) fn answers(line: &Segment) -> bool {
    let all = ["file_server", "php_fastcgi", "redir", "respond", "reverse_proxy"];
    all.contains(&line.name())
}

/// A change of a field of requests.
#[derive(Clone)]
pub(super) struct RequestField {
    pub(super) name: String,
    /// `None`: it is removed.
    pub(super) value: Option<String>,
}

impl RequestField {
    /// The change as an option of `proxy`, unless the upstream's own follows.
    pub(super) fn add_to(&self, upstream: &Segment, rule: &mut Line) {
        let is_own = |option: &Segment| {
            option.name() == "header_up" && option.arg(0).eq_ignore_ascii_case(&self.name)
        };
        // Caddy 2 sets these behind it.
        let is_set = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&self.name));
        if is_set || upstream.block().iter().any(is_own) {
            return;
        }
        match &self.value {
            Some(value) => rule.add(Line::new(["header_upstream", &self.name, value])),
            None => rule.add(Line::new(["header_upstream", &format!("-{}", self.name)])),
        }
    }

    /// The change as a variable of scripts.
    pub(super) fn variable(&self) -> Line {
        let name = self.name.to_ascii_uppercase().replace('-', "_");
        Line::new(["env", &format!("HTTP_{name}"), self.value.as_deref().unwrap_or_default()])
    }
}
