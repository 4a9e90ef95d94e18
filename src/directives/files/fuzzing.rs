//! Properties of requests for a file, for arbitrary input.

use std::time::{Duration, UNIX_EPOCH};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::fuzzing::{Target, text, two};
use crate::http::byte_ranges::{self as ranges, ByteRanges};
use crate::http::preconditions::{Validators, Verdict};

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "ranges", run: ranges, seeds: RANGES },
    Target { name: "preconditions", run: preconditions, seeds: CONDITIONS },
];

const RANGES: &[&[u8]] = &[
    b"10\nbytes=0-0",
    b"10\nBytes = 2- , -3,5-99999999999999999999999,",
    b"18446744073709551615\nbytes=0-18446744073709551615",
    b"0\nbytes=0-5",
    b"1000\nbytes=0-1,20-30,40-50,60-70,80-90,1-2,3-4,5-6,7-8,9-9,11-11,12-12,13-13,14-14,15-15,16-16",
];
const CONDITIONS: &[&[u8]] = &[
    b"if-none-match: \"x\", W/\"de0b6b3a7640000-1f\"",
    b"if-match: *\nif-unmodified-since: Sun, 09 Sep 2001 01:46:40 GMT",
    b"if-modified-since: Sun, 09 Sep 2001 01:46:39 GMT\nif-range: W/\"x\"",
    b"if-none-match: *\nif-none-match: \"a,b\"",
];

/// Ranges lie within the file, do not exceed its size in total, and a single one equals that of RFC
/// 9110 section 14.1.2.
fn ranges(data: &[u8]) {
    let (size, field) = two(data);
    let (size, field) = (text(size), text(field));
    let Ok(size) = size.parse::<u64>() else { return };
    let parsed = ranges::parse(&field, size);
    if let ByteRanges::Spans(spans) = &parsed {
        assert!(!spans.is_empty() && spans.len() <= 16, "{spans:?}");
        let mut sum = 0_u64;
        for span in spans {
            assert!(span.len > 0 && span.start < size && span.len <= size - span.start, "{span:?}");
            sum = sum.saturating_add(span.len);
            let last = span.start + (span.len - 1);
            assert_eq!(span.content_range(size), format!("bytes {}-{last}/{size}", span.start));
        }
        assert!(sum <= size, "{sum} of {size}");
    }
    let Some((first, last)) = field.strip_prefix("bytes=").and_then(|set| set.split_once('-'))
    else {
        return;
    };
    if let (Ok(first), Ok(last)) = (first.parse::<u64>(), last.parse::<u64>())
        && field == format!("bytes={first}-{last}")
        && size > 0
    {
        let expected = match (first <= last, first < size) {
            (false, _) => ByteRanges::Whole,
            (true, false) => ByteRanges::Unsatisfiable,
            (true, true) => {
                let len = last.min(size - 1) - first + 1;
                ByteRanges::Spans(vec![ranges::ByteRange { start: first, len }])
            }
        };
        assert_eq!(parsed, expected, "{field} of {size}");
    }
}

/// The result of all preconditions equals that of each one, in the order of RFC 9110 section
/// 13.2.2.
fn preconditions(data: &[u8]) {
    let validators = Validators::new(Some(UNIX_EPOCH + Duration::from_secs(1_000_000_000)), 31);
    let mut fields = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    let only = |names: &[HeaderName]| {
        let some = fields.iter().filter(|(name, _)| names.contains(name));
        validators.check(&some.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    let has = |name: HeaderName| fields.contains_key(name);
    let of_state =
        if has(header::IF_MATCH) { header::IF_MATCH } else { header::IF_UNMODIFIED_SINCE };
    let of_copy =
        if has(header::IF_NONE_MATCH) { header::IF_NONE_MATCH } else { header::IF_MODIFIED_SINCE };
    let (state, copy) = (only(&[of_state]), only(&[of_copy]));
    let expected = if state == Verdict::Send { copy } else { state };
    assert_eq!(validators.check(&fields), expected, "{fields:?}");
    // A list with our tag matches, wherever the tag is.
    if let Some(tag) = &validators.etag {
        fields.append(header::IF_NONE_MATCH, tag.clone());
        assert_ne!(validators.check(&fields), Verdict::Send);
    }
}
