//! Numbers and characters as Go writes them.

use super::value::Value;

/// Reads a number; `None` if it is none.
pub(super) fn parse(word: &str) -> Option<Value> {
    let (sign, bare) = match word.strip_prefix('-') {
        Some(bare) => (-1, bare),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    let plain: String = bare.chars().filter(|c| *c != '_').collect();
    if plain.len() != bare.len() && (bare.starts_with('_') || bare.ends_with('_')) {
        return None;
    }
    if !plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let lower = plain.to_ascii_lowercase();
    let bases = [("0x", 16), ("0o", 8), ("0b", 2)];
    let based = bases.iter().find_map(|(prefix, base)| Some((lower.strip_prefix(prefix)?, *base)));
    let (digits, base) = based.unwrap_or_else(|| {
        let is_octal = lower.len() > 1 && lower.starts_with('0');
        let is_octal = is_octal && lower.bytes().all(|byte| byte.is_ascii_digit());
        (lower.as_str(), if is_octal { 8 } else { 10 })
    });
    if let Ok(value) = i128::from_str_radix(digits, base) {
        return i64::try_from(value * sign).ok().map(Value::Int);
    }
    let is_float = base == 10 && lower.bytes().all(|b| b.is_ascii_digit() || b".e+-".contains(&b));
    let float: f64 = lower.parse().ok().filter(|_| is_float)?;
    float.is_finite().then_some(Value::Float(float * sign as f64))
}

/// The text of a quoted string or the number of a quoted character, without its quotes.
pub(super) fn unquote(inner: &str) -> Option<String> {
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(next) = chars.next() {
        if next != '\\' {
            out.extend(next.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let escaped = chars.next()?;
        match escaped {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' | '"' | '\'' => out.push(escaped as u8),
            'x' => out.push(u8::try_from(code(&mut chars, 2, 16)?).ok()?),
            'u' | 'U' => {
                let digits = if escaped == 'u' { 4 } else { 8 };
                let symbol = char::from_u32(code(&mut chars, digits, 16)?)?;
                out.extend(symbol.encode_utf8(&mut [0; 4]).bytes());
            }
            '0'..='7' => {
                let high = escaped.to_digit(8)? * 64;
                out.push(u8::try_from(high + code(&mut chars, 2, 8)?).ok()?);
            }
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn code(chars: &mut std::str::Chars<'_>, digits: usize, base: u32) -> Option<u32> {
    let mut value = 0_u32;
    for _ in 0..digits {
        value = value.checked_mul(base)?.checked_add(chars.next()?.to_digit(base)?)?;
    }
    Some(value)
}
