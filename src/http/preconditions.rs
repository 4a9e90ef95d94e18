//! Conditional requests (RFC 9110 section 13), for files and stored responses.

use std::hash::Hasher as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fnv::FnvHasher;
use http::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};

/// Fields with conditions on a response.
pub const CONDITIONS: [HeaderName; 4] =
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// Fields that ask for a part of it.
pub const RANGES: [HeaderName; 2] = [RANGE, IF_RANGE];

/// Fields that a request has lost for a while.
#[derive(Debug, Default)]
pub struct Taken {
    names: Vec<HeaderName>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Taken {
    pub fn take(&mut self, headers: &mut HeaderMap, names: &[HeaderName]) {
        for name in names {
            let values = headers.get_all(name).iter().map(|value| (name.clone(), value.clone()));
            self.fields.extend(values);
            headers.remove(name);
            self.names.push(name.clone());
        }
    }

    /// Puts them back, in the place of those that have their names now.
    pub fn give_back(self, headers: &mut HeaderMap) {
        for name in &self.names {
            headers.remove(name);
        }
        for (name, value) in self.fields {
            headers.append(name, value);
        }
    }
}

/// Validators, which identify a state of a resource.
#[derive(Debug)]
pub struct Validators {
    /// With quotes, and `W/` if it is weak.
    pub etag: Option<HeaderValue>,
    pub last_modified: Option<HeaderValue>,
    /// In whole seconds, the resolution of HTTP dates.
    modified: Option<SystemTime>,
}

/// The result of the preconditions of a GET or HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Send,
    NotModified,
    Failed,
}

impl Validators {
    /// Those of a file.
    pub fn new(modified: Option<SystemTime>, size: u64) -> Self {
        let age = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let etag = age.map(|age| format!("W/\"{:x}-{size:x}\"", age.as_nanos()));
        let modified = age.map(|age| UNIX_EPOCH + Duration::from_secs(age.as_secs()));
        Self {
            etag: etag.and_then(|tag| HeaderValue::try_from(tag).ok()),
            last_modified: modified
                .and_then(|time| HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()),
            modified,
        }
    }

    /// Those of a response.
    pub fn of(response: &HeaderMap) -> Self {
        Self {
            etag: response.get(ETAG).cloned(),
            last_modified: response.get(LAST_MODIFIED).cloned(),
            modified: date(response, &LAST_MODIFIED),
        }
    }

    /// Those of content that was made, and has no time.
    pub fn of_content(content: &[u8]) -> Self {
        let mut hasher = FnvHasher::default();
        hasher.write(content);
        let etag = format!("W/\"{:x}-{:x}\"", hasher.finish(), content.len());
        Self { etag: HeaderValue::try_from(etag).ok(), last_modified: None, modified: None }
    }

    /// In the order of RFC 9110 section 13.2.2.
    pub fn check(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(IF_MATCH) {
            if !tags(headers, IF_MATCH).any(|tag| tag == "*" || self.is_strongly(tag)) {
                return Verdict::Failed;
            }
        } else if self.modified_since(headers, &IF_UNMODIFIED_SINCE) == Some(true) {
            return Verdict::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            if tags(headers, IF_NONE_MATCH).any(|tag| tag == "*" || self.is(tag)) {
                return Verdict::NotModified;
            }
        } else if self.modified_since(headers, &IF_MODIFIED_SINCE) == Some(false) {
            return Verdict::NotModified;
        }
        Verdict::Send
    }

    /// Whether Range applies (RFC 9110 section 13.1.5).
    pub fn allow_range(&self, headers: &HeaderMap) -> bool {
        !headers.contains_key(IF_RANGE)
            || date(headers, &IF_RANGE).is_some_and(|date| self.modified == Some(date))
            || tags(headers, IF_RANGE).any(|tag| self.is_strongly(tag))
    }

    /// Strong comparison (RFC 9110 section 8.8.3.2): a weak tag equals none.
    fn is_strongly(&self, tag: &str) -> bool {
        self.etag.as_ref().is_some_and(|own| own == tag && tag.starts_with('"'))
    }

    fn is(&self, tag: &str) -> bool {
        let own = self.etag.as_ref().map(HeaderValue::as_bytes);
        own.is_some_and(|own| bare(own) == bare(tag.as_bytes()))
    }

    fn modified_since(&self, headers: &HeaderMap, name: &HeaderName) -> Option<bool> {
        Some(self.modified? > date(headers, name)?)
    }
}

/// An entity tag for weak comparison (RFC 9110 section 8.8.3.2).
fn bare(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The entity tags of a field.
fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    values.filter_map(|v| v.to_str().ok()).flat_map(|value| {
        let mut rest = value;
        std::iter::from_fn(move || {
            rest = rest.trim_start_matches([',', ' ', '\t']);
            let (tag, behind) = rest.split_at(end_of_tag(rest));
            rest = behind;
            (!tag.is_empty()).then(|| tag.trim_end())
        })
    })
}

/// Where the tag ends that a list begins with. It may contain commas.
fn end_of_tag(list: &str) -> usize {
    let mut is_quoted = false;
    let end = list.find(|c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    end.unwrap_or(list.len())
}

/// The date of a field, if it occurs once (RFC 9110 section 13.1.3).
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).into_iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    httpdate::parse_http_date(only.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
    const AT: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

    fn validators() -> Validators {
        Validators::new(Some(UNIX_EPOCH + Duration::from_millis(1_000_000_000_500)), 31)
    }

    fn fields(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.clone(), v.parse().unwrap())).collect()
    }

    #[test]
    fn conditions() {
        let etag = validators().etag.unwrap().to_str().unwrap().to_owned();
        assert_eq!(etag, format!("W/\"{:x}-1f\"", 1_000_000_000_500_000_000_u64));
        let listed = format!("\"x\", {}", etag.trim_start_matches("W/"));
        for (given, expected) in [
            (vec![], Verdict::Send),
            (vec![(IF_NONE_MATCH, etag.as_str())], Verdict::NotModified),
            (vec![(IF_NONE_MATCH, listed.as_str())], Verdict::NotModified),
            (vec![(IF_NONE_MATCH, "*")], Verdict::NotModified),
            (vec![(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, AT)], Verdict::Send),
            (vec![(IF_MODIFIED_SINCE, AT)], Verdict::NotModified),
            (vec![(IF_MODIFIED_SINCE, BEFORE)], Verdict::Send),
            (vec![(IF_MODIFIED_SINCE, "yesterday")], Verdict::Send),
            (vec![(IF_MODIFIED_SINCE, AT), (IF_MODIFIED_SINCE, AT)], Verdict::Send),
            (vec![(IF_UNMODIFIED_SINCE, BEFORE), (IF_UNMODIFIED_SINCE, BEFORE)], Verdict::Send),
            (vec![(IF_MATCH, etag.as_str())], Verdict::Failed),
            (vec![(IF_MATCH, "*")], Verdict::Send),
            (vec![(IF_UNMODIFIED_SINCE, BEFORE)], Verdict::Failed),
            (vec![(IF_UNMODIFIED_SINCE, AT)], Verdict::Send),
        ] {
            assert_eq!(validators().check(&fields(&given)), expected, "{given:?}");
        }
    }

    #[test]
    fn fields_are_taken_for_a_while() {
        let own = [(IF_NONE_MATCH, "\"a\""), (IF_NONE_MATCH, "\"b\""), (RANGE, "bytes=0-")];
        let mut headers = fields(&own);
        let before = headers.clone();
        let mut taken = Taken::default();
        taken.take(&mut headers, &CONDITIONS);
        taken.take(&mut headers, &RANGES);
        assert!(headers.is_empty());
        for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            headers.insert(name, HeaderValue::from_static("ours"));
        }
        taken.take(&mut headers, &RANGES);
        taken.give_back(&mut headers);
        assert_eq!(headers, before);
    }

    #[test]
    fn ranges_of_the_same_state_only() {
        let etag = validators().etag.unwrap().to_str().unwrap().to_owned();
        for (value, expected) in [(AT, true), (BEFORE, false), (&etag, false), ("\"x\"", false)] {
            let given = fields(&[(IF_RANGE, value)]);
            assert_eq!(validators().allow_range(&given), expected, "{value}");
        }
        assert!(validators().allow_range(&HeaderMap::new()));
    }

    #[test]
    fn tags_of_responses() {
        let of = |etag: &str| Validators::of(&fields(&[(ETAG, etag), (LAST_MODIFIED, AT)]));
        for (etag, name, value, expected) in [
            ("\"a\"", IF_MATCH, "\"x\", \"a\"", Verdict::Send),
            ("W/\"a\"", IF_MATCH, "W/\"a\"", Verdict::Failed),
            ("\"a\"", IF_MATCH, "W/\"a\"", Verdict::Failed),
            ("\"a\"", IF_NONE_MATCH, "W/\"a\"", Verdict::NotModified),
            ("\"a, b\"", IF_NONE_MATCH, "\"x\" , \"a, b\"", Verdict::NotModified),
            ("\"a\"", IF_NONE_MATCH, "\"x, \"a\"", Verdict::Send),
            ("\"a\"", IF_NONE_MATCH, ", ,\"a\"", Verdict::NotModified),
            ("\"a\"", IF_MODIFIED_SINCE, AT, Verdict::NotModified),
        ] {
            let given = fields(&[(name, value)]);
            assert_eq!(of(etag).check(&given), expected, "{etag}: {given:?}");
        }
        for (etag, value, expected) in
            [("\"a\"", "\"a\"", true), ("W/\"a\"", "W/\"a\"", false), ("\"a\"", "\"b\"", false)]
        {
            assert_eq!(of(etag).allow_range(&fields(&[(IF_RANGE, value)])), expected, "{etag}");
        }
    }
}
