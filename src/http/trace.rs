//! W3C Trace Context: the `traceparent` of a request, read strictly and written anew.

use http::{HeaderMap, HeaderName, HeaderValue};

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `00-TRACE-SPAN-FLAGS`.
const LEN: usize = 55;
/// The caller may have recorded the trace.
const SAMPLED: u8 = 1;
/// What flags mean in version 00: that, and a random trace ID. Others are not passed on.
const FLAGS: u8 = SAMPLED | 2;

/// The trace of a request and the request's span in it, as text; in the request's extensions.
#[derive(Debug, Clone)]
pub struct Trace([u8; LEN]);

impl Trace {
    /// A new span of the trace that the request belongs to. `None` if it belongs to none: without a
    /// `traceparent`, with several, or with one that is invalid.
    pub fn continued(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACEPARENT).iter();
        let (one, None) = (all.next()?, all.next()) else { return None };
        let Read { id, flags } = read(one.as_bytes())?;
        Some(Self::new(id, flags))
    }

    /// A new trace.
    pub fn begun(is_sampled: bool) -> Self {
        // Unique, but not secret.
        Self::new(fastrand::u128(1..), u8::from(is_sampled))
    }

    fn new(id: u128, flags: u8) -> Self {
        let mut text = [b'-'; LEN];
        let span = fastrand::u64(1..);
        hex(&mut text[..2], 0);
        hex(&mut text[3..35], id);
        hex(&mut text[36..52], span.into());
        hex(&mut text[53..], flags.into());
        Self(text)
    }

    /// The trace ID, in hexadecimal.
    pub fn id(&self) -> &str {
        self.part(3, 35)
    }

    /// The span ID.
    pub fn span(&self) -> &str {
        self.part(36, 52)
    }

    /// The `traceparent` of requests that this one causes.
    pub fn value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.0.get(from..to).and_then(|part| str::from_utf8(part).ok()).unwrap_or_default()
    }
}

/// What counts of a valid `traceparent`.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    id: u128,
    flags: u8,
}

fn read(text: &[u8]) -> Option<Read> {
    let (known, rest) = text.split_at_checked(LEN)?;
    if [2, 35, 52].iter().any(|at| known[*at] != b'-') {
        return None;
    }
    let version = number(&known[..2])?;
    let (id, span) = (number(&known[3..35])?, number(&known[36..52])?);
    let flags = u8::try_from(number(&known[53..])?).ok()?;
    let ends = match version {
        0 => rest.is_empty(),
        0xff => false,
        // A later version may have more fields.
        _ => rest.first().is_none_or(|byte| *byte == b'-'),
    };
    (ends && id != 0 && span != 0).then_some(Read { id, flags: flags & FLAGS })
}

/// Hexadecimal digits, in lower case only.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, byte| match byte {
        b'0'..=b'9' => Some(number << 4 | u128::from(byte - b'0')),
        b'a'..=b'f' => Some(number << 4 | u128::from(byte - b'a' + 10)),
        _ => None,
    })
}

fn hex(digits: &mut [u8], number: u128) {
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn continued(values: &[&str]) -> Option<Trace> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, value.parse().unwrap());
        }
        Trace::continued(&headers)
    }

    #[test]
    fn what_is_continued() {
        for (value, flags) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "01"),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "00"),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", "03"),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09", "01"),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-next", "01"),
            ("fe-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", "01"),
        ] {
            let trace = continued(&[value]).unwrap_or_else(|| panic!("{value}"));
            assert_eq!(trace.id(), ID);
            assert_ne!(trace.span(), "00f067aa0ba902b7");
            let expected = format!("00-{ID}-{}-{flags}", trace.span());
            assert_eq!(trace.value().to_str().unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not() {
        for value in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0111",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0G",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e47-3600f067aa0ba902b7-01-",
        ] {
            assert!(continued(&[value]).is_none(), "{value}");
        }
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(continued(&[good, good]).is_none() && continued(&[]).is_none());
    }

    #[test]
    fn new_traces_differ() {
        let (one, other) = (Trace::begun(true), Trace::begun(false));
        assert!(one.id() != other.id() && one.span() != other.span());
        for (trace, flags) in [(one, 1), (other, 0)] {
            let id = number(trace.id().as_bytes()).unwrap();
            assert_eq!(read(trace.value().as_bytes()), Some(Read { id, flags }));
        }
    }
}
