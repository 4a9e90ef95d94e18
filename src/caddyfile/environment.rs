//! `{$NAME}` and `{%NAME%}`: values of the environment inside words.

/// Looks a variable up.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own environment.
pub(super) fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Replaces every reference; one that is not set becomes empty. What is put in is not read
/// again.
pub(super) fn expand(text: &str, env: Lookup<'_>) -> String {
    let text = replace(text, ("{%", "%}"), env);
    replace(&text, ("{$", "}"), env)
}

fn replace(text: &str, (open, close): (&str, &str), env: Lookup<'_>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(open) {
        let (before, reference) = rest.split_at(start);
        let name_on = &reference[open.len()..];
        let Some(end) = name_on.find(close).filter(|end| *end > 0) else {
            // Unterminated or empty: left as it is.
            expanded.push_str(before);
            expanded.push_str(open);
            rest = name_on;
            continue;
        };
        expanded.push_str(before);
        expanded.push_str(&env(&name_on[..end]).unwrap_or_default());
        rest = &name_on[end + close.len()..];
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let env = |name: &str| match name {
            "PORT" => Some("8080".to_owned()),
            "ADDRESS" => Some("servername.com".to_owned()),
            "SNEAKY" => Some("{$PORT}".to_owned()),
            _ => None,
        };
        for (text, expected) in [
            ("{$ADDRESS}", "servername.com"),
            ("{$ADDRESS}:{%PORT%}", "servername.com:8080"),
            ("{%ADDRESS}", "{%ADDRESS}"),
            (":{$PORT$}", ":"),
            ("{$}", "{$}"),
            ("{%%}", "{%%}"),
            ("{$UNSET}x", "x"),
            ("{$SNEAKY}", "{$PORT}"),
            ("{{ .Name }} {$PORT}", "{{ .Name }} 8080"),
        ] {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }
}
