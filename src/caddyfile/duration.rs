//! Durations in Go's syntax.
use std::time::Duration;

const UNITS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `1h30m`, `250ms`, `1.5s`, `0`, units ns us µs ms s m h.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let fail = |why: &str| format!("must be a duration such as 30s, not '{text}'{why}");
    if text.starts_with('-') {
        return Err(fail(", which is negative"));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(fail(""));
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        if unit.is_empty() {
            return Err(fail(", which has no unit; the units are ns, us, ms, s, m and h"));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(fail(&if number.is_empty() {
                String::new()
            } else {
                format!("; '{unit}' is not a unit: use ns, us, ms, s, m or h")
            }));
        };
        nanos += scaled(number, *scale).ok_or_else(|| fail(""))?;
        rest = tail;
    }
    // Go counts in a signed 64-bit number; what does not fit there is a typing error.
    let nanos = i64::try_from(nanos).map_err(|_| fail(", which is too long"))?;
    Ok(Duration::from_nanos(nanos.unsigned_abs()))
}

/// `number`, digits with at most one point, times `scale`.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || whole.len() > 19 || fraction.contains('.') {
        return None;
    }
    let mut total = if whole.is_empty() { 0 } else { whole.parse::<u128>().ok()? * scale };
    let mut place = scale;
    for digit in fraction.bytes() {
        place /= 10;
        total += place * u128::from(digit - b'0');
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::parse_duration;

    #[test]
    fn reads_what_go_reads() {
        let cases: &[(&str, u64)] = &[
            ("0", 0),
            ("0s", 0),
            ("10s", 10_000_000_000),
            ("+5m", 300_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("3us", 3_000),
            ("3\u{b5}s", 3_000),
            ("7ns", 7),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_duration(text).map(|d| d.as_nanos()), Ok(u128::from(*nanos)));
        }
    }

    #[test]
    fn refuses_the_rest_by_name() {
        for text in ["", "10", "x", "1x", "-1s", ".s", "1..5s", "1 s", "+", "9999999h", "s"] {
            let error = parse_duration(text).unwrap_err();
            let start = format!("must be a duration such as 30s, not '{text}'");
            assert!(error.starts_with(&start), "{error}");
        }
    }
}
