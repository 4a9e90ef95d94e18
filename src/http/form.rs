//! Text of `application/x-www-form-urlencoded`: queries and forms.

use percent_encoding::percent_decode_str;

/// Names and values, decoded, in their order.
pub fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// The first value of a name.
pub fn value(text: &str, wanted: &str) -> Option<String> {
    pairs(text).find_map(|(name, value)| (name == wanted).then_some(value))
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let text = "a=1&&b+c=%2B+%26&d&a=2&=e&f=g=h&%ff";
        let found: Vec<_> = pairs(text).collect();
        let wanted = [("a", "1"), ("b c", "+ &"), ("d", ""), ("a", "2"), ("", "e"), ("f", "g=h")];
        let wanted = wanted.iter().chain(&[("\u{fffd}", "")]);
        assert!(found.iter().map(|(a, b)| (&**a, &**b)).eq(wanted.copied()), "{found:?}");
        assert_eq!((value(text, "a"), value(text, "x")), (Some("1".to_owned()), None));
    }
}
