//! JSON without white space.

/// `None` for what is no JSON.
pub(super) fn minified(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut made = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let begun = at;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'"' => at += string(&bytes[at..])?,
            b'{' | b'}' | b'[' | b']' | b':' | b',' => at += 1,
            _ => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                at += bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                (at > begun).then_some(())?;
            }
        }
        // Values that follow one another are lines of JSON, which need their ends.
        let ends = made.as_bytes().last().is_some_and(|last| !b"{[:,".contains(last));
        if ends && !b"}]:,".contains(byte) {
            return None;
        }
        made.push_str(&text[begun..at]);
    }
    Some(made)
}

fn string(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            b'\n' | b'\r' => return None,
            _ => at += 1,
        }
    }
}
