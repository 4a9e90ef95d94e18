//! The option `label`.

use crate::caddyfile::{Args, ConfigError};

/// The labels that metrics have already, and those that the format reserves.
const TAKEN: [&str; 8] = ["host", "family", "proto", "status", "le", "quantile", "job", "instance"];

/// Reads `label NAME VALUE`.
pub(super) fn read(
    labels: &mut Vec<(String, String)>,
    args: &mut Args<'_>,
) -> Result<(), ConfigError> {
    let (name, value) = (args.required()?, args.required()?);
    if !is_name(name) {
        return Err(args.error_at(name, format!("'{name}' is not the name of a label")).hint(
            "a name has letters, digits and '_', and begins with no digit and not with '__'",
        ));
    }
    if TAKEN.contains(&name) {
        return Err(args
            .error_at(name, format!("the metrics or Prometheus have a label '{name}' already"))
            .hint(match name {
                "host" => "write: hostname NAME, or choose another name",
                _ => "choose another name",
            }));
    }
    if labels.iter().any(|(known, _)| known == name) {
        return Err(args
            .error_at(name, format!("the label '{name}' is written twice"))
            .hint("keep one of the lines"));
    }
    if value.contains('{') && value.contains('}') {
        return Err(args
            .error_at(value, format!("the value of the label '{name}' is not fixed: '{value}'"))
            .hint(
                "write a fixed text: each value of a placeholder would be a series of its own, \
                 and clients could make any number of them",
            ));
    }
    labels.push((name.to_owned(), value.to_owned()));
    Ok(())
}

/// As the Prometheus data model has it.
fn is_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && name.bytes().all(is_word)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("__")
}
