//! The Range field (RFC 9110 section 14.2). Requests for many or overlapping ranges get the whole
//! file.

use crate::limits::FILE_RANGES;

/// A range of bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub start: u64,
    pub len: u64,
}

impl ByteRange {
    /// `bytes 0-1/10`, as in Content-Range.
    pub fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.start + self.len - 1)
    }
}

/// The result of a Range field.
#[derive(Debug, PartialEq, Eq)]
pub enum ByteRanges {
    /// No Range, or one that is ignored: invalid, or for more bytes than the file has.
    Whole,
    /// At least one range.
    Spans(Vec<ByteRange>),
    /// All ranges start behind the end of the file.
    Unsatisfiable,
}

/// Parses a Range field for a file of `size` bytes.
pub fn parse(field: &str, size: u64) -> ByteRanges {
    // Some clients send a Range with every request: for an empty file it is ignored.
    match spans(field, size) {
        Some(_) if size == 0 => ByteRanges::Whole,
        Some(spans) if spans.is_empty() => ByteRanges::Unsatisfiable,
        Some(spans) if spans.iter().map(|s| s.len).sum::<u64>() <= size => ByteRanges::Spans(spans),
        _ => ByteRanges::Whole,
    }
}

fn spans(field: &str, size: u64) -> Option<Vec<ByteRange>> {
    let (unit, set) = field.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut spans = Vec::new();
    let mut seen = 0;
    for text in set.split(',').map(str::trim).filter(|t| !t.is_empty()) {
        seen += 1;
        if seen > FILE_RANGES {
            return None;
        }
        spans.extend(span(text, size)?);
    }
    if seen == 0 { None } else { Some(spans) }
}

/// The outer `None` is a syntax error, the inner one a range behind the end.
fn span(text: &str, size: u64) -> Option<Option<ByteRange>> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let len = number(last)?.min(size);
        return Some((len > 0).then_some(ByteRange { start: size - len, len }));
    }
    let start = number(first)?;
    let end = if last.is_empty() { u64::MAX } else { number(last)? };
    if end < start {
        return None;
    }
    Some((start < size).then(|| ByteRange { start, len: end.min(size - 1) - start + 1 }))
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(spans: &[(u64, u64)]) -> ByteRanges {
        ByteRanges::Spans(spans.iter().map(|&(start, len)| ByteRange { start, len }).collect())
    }

    #[test]
    fn fields() {
        for (field, expected) in [
            ("bytes=0-0", some(&[(0, 1)])),
            ("Bytes=2-", some(&[(2, 8)])),
            ("bytes=-3", some(&[(7, 3)])),
            ("bytes=-30", some(&[(0, 10)])),
            ("bytes=5-99999999999999999999999", some(&[(5, 5)])),
            ("bytes=0-1, 8-9", some(&[(0, 2), (8, 2)])),
            ("bytes=0-1,20-30", some(&[(0, 2)])),
            ("bytes=10-", ByteRanges::Unsatisfiable),
            ("bytes=-0", ByteRanges::Unsatisfiable),
            ("bytes=3-2", ByteRanges::Whole),
            ("bytes=", ByteRanges::Whole),
            ("bytes=a-b", ByteRanges::Whole),
            ("bytes=+1-2", ByteRanges::Whole),
            ("lines=0-1", ByteRanges::Whole),
            ("bytes=0-,0-", ByteRanges::Whole),
        ] {
            assert_eq!(parse(field, 10), expected, "{field}");
        }
    }

    #[test]
    fn bombs_get_the_whole() {
        assert_eq!(parse(&format!("bytes={}", "0-,".repeat(1000)), 10), ByteRanges::Whole);
        assert_eq!(parse(&format!("bytes={}", "0-0,".repeat(17)), 1000), ByteRanges::Whole);
        assert_eq!(parse("bytes=0-5", 0), ByteRanges::Whole);
        assert_eq!(parse("bytes=0-18446744073709551615", u64::MAX), some(&[(0, u64::MAX)]));
    }
}
