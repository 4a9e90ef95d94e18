//! What the claims of a token allow, and how servers behind this one are told of them.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::tokens::Claims;

/// What the names of fields with claims begin with.
pub(super) const FIELDS: &str = "token-claim-";

/// `allow` or `deny`, with a claim and its value.
pub(super) struct AccessRule {
    pub(super) is_allow: bool,
    pub(super) claim: String,
    pub(super) value: String,
}

/// Whether the rules let a token pass: one that allows it is enough; else none may deny it; and
/// where all rules allow, one must.
pub(super) fn allow(rules: &[AccessRule], claims: &Claims) -> bool {
    let holds =
        |rule: &&AccessRule| found(claims, &rule.claim).is_some_and(|value| is(value, &rule.value));
    let (allowing, denying): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.is_allow);
    rules.is_empty()
        || allowing.iter().any(holds)
        || !denying.is_empty() && !denying.iter().any(holds)
}

/// A claim by its name; `.` leads into objects.
fn found<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        name.match_indices('.').find_map(|(at, _)| match claims.get(&name[..at])? {
            Value::Object(inner) => found(inner, &name[at + 1..]),
            _ => None,
        })
    })
}

/// Whether a claim is a value, or a list that holds it.
fn is(claim: &Value, value: &str) -> bool {
    match claim {
        Value::Array(list) => list.iter().any(|one| scalar(one).is_some_and(|text| text == value)),
        one => scalar(one).is_some_and(|text| text == value),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The user whom a token names.
pub(super) fn user(claims: &Claims) -> Option<String> {
    let named = |claim| claims.get(claim).and_then(Value::as_str).map(str::to_owned);
    named("sub").or_else(|| named("user"))
}

/// Bytes that a field's name cannot have (RFC 9110 section 5.6.2) are encoded.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'*')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Adds the claims as fields `Token-Claim-NAME`. With `strip` the name is what follows the last
/// slash of a claim's.
pub(super) fn tell(claims: &Claims, strip: bool, headers: &mut HeaderMap) {
    tell_below("", claims, strip, headers);
}

fn tell_below(above: &str, claims: &Claims, strip: bool, headers: &mut HeaderMap) {
    for (claim, value) in claims {
        let name = format!("{above}{claim}");
        let text = match value {
            Value::Object(inner) => {
                tell_below(&format!("{name}."), inner, strip, headers);
                continue;
            }
            Value::Array(list) => {
                let parts: Vec<_> = list.iter().filter_map(scalar).collect();
                parts.join(",")
            }
            one => match scalar(one) {
                Some(text) => text,
                None => continue,
            },
        };
        let short = name.rsplit('/').next().filter(|_| strip).unwrap_or(&name);
        let field = format!("{FIELDS}{}", utf8_percent_encode(short, NAME));
        if let (Ok(field), Ok(value)) = (HeaderName::try_from(field), HeaderValue::try_from(text)) {
            headers.insert(field, value);
        }
    }
}
