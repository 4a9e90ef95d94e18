//! The punctuators of JavaScript.

/// Longer ones before those that they begin with.
const ALL: [&str; 58] = [
    ">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "??=", "=>", "==", "!=",
    "<=", ">=", "&&", "||", "??", "?.", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
    "<<", ">>", "**", "{", "}", "(", ")", "[", "]", ";", ",", "<", ">", "+", "-", "*", "/", "%",
    "&", "|", "^", "!", "~", "?", ":", "=", ".", "@",
];

/// The one that a text begins with.
pub(super) fn at(text: &str) -> Option<&'static str> {
    let digit_follows = text.as_bytes().get(2).is_some_and(u8::is_ascii_digit);
    // `a?.5:1` is no chain.
    let is_it = |one: &&&str| text.starts_with(**one) && !(**one == "?." && digit_follows);
    ALL.iter().find(is_it).copied()
}
