//! The If field (RFC 4918 section 10.4).

/// Lists of conditions; one that holds suffices.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct If(pub(super) Vec<List>);

/// Conditions on one resource, which hold together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    /// None: that of the request.
    pub(super) resource: Option<String>,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) is_not: bool,
    pub(super) what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The resource is locked by it.
    Token(String),
    /// Its entity tag.
    Tag(String),
}

impl If {
    pub(super) fn parse(field: &str) -> Option<Self> {
        let mut lists = Vec::new();
        let mut resource = None;
        let mut rest = field.trim();
        while !rest.is_empty() {
            match rest.split_at_checked(1)? {
                ("<", behind) => {
                    let (url, behind) = behind.split_once('>')?;
                    resource = Some(url.to_owned());
                    rest = behind.trim_start();
                    // A tag has at least one list.
                    rest.starts_with('(').then_some(())?;
                }
                ("(", behind) => {
                    let (conditions, behind) = conditions(behind)?;
                    lists.push(List { resource: resource.clone(), conditions });
                    rest = behind.trim_start();
                }
                _ => return None,
            }
        }
        (!lists.is_empty()).then_some(Self(lists))
    }

    /// All tokens that the client shows, also in lists that do not hold.
    pub(super) fn tokens(&self) -> Vec<String> {
        let all = self.0.iter().flat_map(|list| &list.conditions);
        let tokens = all.filter_map(|condition| match &condition.what {
            What::Token(token) => Some(token.clone()),
            What::Tag(_) => None,
        });
        tokens.collect()
    }
}

/// The conditions up to the end of a list, and what is behind it.
fn conditions(text: &str) -> Option<(Vec<Condition>, &str)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(behind) = rest.strip_prefix(')') {
            return (!found.is_empty()).then_some((found, behind));
        }
        let is_not = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("not"));
        if is_not {
            rest = rest[3..].trim_start();
        }
        let (what, behind) = if let Some(behind) = rest.strip_prefix('<') {
            let (token, behind) = behind.split_once('>')?;
            (What::Token(token.to_owned()), behind)
        } else {
            let (tag, behind) = tag(rest.strip_prefix('[')?)?;
            (What::Tag(tag.to_owned()), behind)
        };
        found.push(Condition { is_not, what });
        rest = behind.trim_start();
    }
}

/// An entity tag up to its bracket, which may stand within its quotes too.
fn tag(text: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    let end = text.find(|c| {
        is_quoted ^= c == '"';
        c == ']' && !is_quoted
    })?;
    Some((text[..end].trim(), &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(field: &str) -> Option<String> {
        let mut out = Vec::new();
        for list in If::parse(field)?.0 {
            let each = list.conditions.iter().map(|condition| {
                let not = if condition.is_not { "!" } else { "" };
                match &condition.what {
                    What::Token(token) => format!("{not}{token}"),
                    What::Tag(tag) => format!("{not}[{tag}]"),
                }
            });
            let each: Vec<_> = each.collect();
            out.push(format!("{}:{}", list.resource.unwrap_or_default(), each.join("&")));
        }
        Some(out.join(" | "))
    }

    #[test]
    fn lists() {
        for (field, expected) in [
            ("(<urn:a>)", Some(":urn:a")),
            (" ( <urn:a> [\"x\"] ) (Not <DAV:no-lock>)", Some(":urn:a&[\"x\"] | :!DAV:no-lock")),
            ("</a>(<t>)(not[W/\"]\"]) </b> ([\"y\"])", Some("/a:t | /a:![W/\"]\"] | /b:[\"y\"]")),
            ("", None),
            ("()", None),
            ("</a>", None),
            ("<urn:a>", None),
            ("(<urn:a>", None),
            ("(<urn:a)", None),
            ("(urn:a)", None),
            ("([\"x]\")", None),
            ("(<urn:a>) x", None),
            ("ä", None),
        ] {
            assert_eq!(written(field).as_deref(), expected, "{field}");
        }
    }
}
