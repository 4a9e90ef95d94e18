//! The rules for a request head or trailers over HTTP/2 (RFC 9113 sections 8.1 to 8.3) and HTTP/3
//! (RFC 9114 sections 4.1 to 4.4). What the RFCs call malformed ends the stream. Other violations
//! of HTTP, and names that are not ASCII, are answered with 400 as over HTTP/1.

use std::sync::LazyLock;

use http::uri::{Authority, Scheme};
use http::{Method, StatusCode};

use crate::http::hop::is_connection_specific;
use crate::http::target;
use crate::limits::URI_BYTES;
use crate::server::compression::hpack::{self, Field, Judged};

/// Pseudo-header fields of requests, as bits.
const AUTHORITY: u8 = 1;
const METHOD: u8 = 2;
const PATH: u8 = 4;
const PROTOCOL: u8 = 8;
const SCHEME: u8 = 16;

/// Most digits of a length; h2 has the same bound.
const LENGTH_DIGITS: usize = 19;

/// Faults in order of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Refused,
    Malformed,
}

/// The role of a field in its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    kind: Kind,
    fault: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Field,
    Length,
    Pseudo(u8),
    /// The method CONNECT.
    Connect,
}

/// The result of checking a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// The stream is reset with PROTOCOL_ERROR.
    Malformed,
    /// The request gets a response.
    Refused(StatusCode),
}

/// The state of a section while its fields are checked.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// The size as SETTINGS_MAX_HEADER_LIST_SIZE counts it.
    pub(crate) size: usize,
    seen: u8,
    pub(crate) is_connect: bool,
    has_field: bool,
    has_pseudo: bool,
    pub(crate) path_length: usize,
    /// The value of Content-Length.
    pub(crate) length: Option<u64>,
    fault: Option<Fault>,
}

impl Section {
    pub(crate) fn add(&mut self, line: Line, field: Field<'_>) {
        self.size += field.size();
        self.fault = self.fault.max(line.fault);
        let bit = match line.kind {
            Kind::Field => {
                self.has_field = true;
                return;
            }
            Kind::Length => {
                self.has_field = true;
                let length = parse_length(field.value);
                // A second Content-Length is an error, as over the other protocols.
                if self.length.replace(length.unwrap_or_default()).is_some() {
                    self.fault = Some(Fault::Malformed);
                }
                return;
            }
            Kind::Connect => {
                self.is_connect = true;
                METHOD
            }
            Kind::Pseudo(bit) => bit,
        };
        if self.has_field || self.seen & bit != 0 {
            self.fault = Some(Fault::Malformed);
        }
        self.has_pseudo = true;
        self.seen |= bit;
        if bit == PATH {
            self.path_length = field.value.len();
        }
    }

    /// The verdict on a header section. `ends`: the stream ends with it. `most` bytes or more are
    /// too large.
    pub(crate) fn as_head(&self, ends: bool, most: usize) -> Verdict {
        let is_plain_connect = self.is_connect && self.seen & PROTOCOL == 0;
        let is_whole = match self.seen & (METHOD | PATH | SCHEME) {
            METHOD => is_plain_connect,
            seen => seen == METHOD | PATH | SCHEME && !is_plain_connect,
        };
        let asks_for_protocol = self.seen & PROTOCOL != 0 && !self.is_connect;
        let has_content = self.length.is_some_and(|length| length > 0);
        if !is_whole || asks_for_protocol || ends && has_content {
            return Verdict::Malformed;
        }
        match self.fault {
            Some(Fault::Malformed) => Verdict::Malformed,
            _ if self.size >= most => Verdict::Refused(self.too_large()),
            Some(Fault::Refused) => Verdict::Refused(StatusCode::BAD_REQUEST),
            None => Verdict::Pass,
        }
    }

    /// The verdict on a trailer section. It is never a response, as the client would not read it.
    pub(crate) fn as_trailers(&self, most: usize) -> Verdict {
        let is_well_formed = self.fault.is_none() && !self.has_pseudo && self.size < most;
        if is_well_formed { Verdict::Pass } else { Verdict::Malformed }
    }

    pub(crate) fn too_large(&self) -> StatusCode {
        if self.path_length > URI_BYTES {
            StatusCode::URI_TOO_LONG
        } else {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
    }
}

impl Judged for Line {
    fn judge(field: Field<'_>) -> Self {
        let Field { name, value } = field;
        let by_value = value_fault(value);
        if let [b':', ..] = name {
            let (kind, fault) = pseudo(name, value);
            // Pseudo-header fields have stricter rules of their own.
            return Self { kind, fault: fault.max(by_value.filter(|by| *by == Fault::Malformed)) };
        }
        let is_length = name == b"content-length";
        let is_malformed = if is_length {
            parse_length(value).is_none()
        } else {
            // h2 allows `trailers` in this case only.
            is_connection_specific(name, value) || name == b"te" && value != b"trailers"
        };
        let fault = name_fault(name).max(by_value).max(is_malformed.then_some(Fault::Malformed));
        Self { kind: if is_length { Kind::Length } else { Kind::Field }, fault }
    }

    fn of_static(index: usize) -> Self {
        static LINES: LazyLock<Vec<Line>> =
            LazyLock::new(|| (1..).map_while(hpack::fixed).map(Line::judge).collect());
        let unknown = Self { kind: Kind::Field, fault: Some(Fault::Malformed) };
        LINES.get(index.wrapping_sub(1)).copied().unwrap_or(unknown)
    }
}

fn pseudo(name: &[u8], value: &[u8]) -> (Kind, Option<Fault>) {
    use Fault::{Malformed, Refused};
    match name {
        b":authority" => {
            let fault = Authority::try_from(value).is_err().then_some(Refused);
            (Kind::Pseudo(AUTHORITY), fault)
        }
        b":method" if value == b"CONNECT" => (Kind::Connect, None),
        b":method" => {
            let fault = Method::from_bytes(value).is_err().then_some(Malformed);
            (Kind::Pseudo(METHOD), fault)
        }
        b":path" => {
            let is_right = match value {
                [b'/', ..] => target::is_allowed(value),
                _ => value == b"*",
            };
            let fault = if value.is_empty() { Malformed } else { Refused };
            (Kind::Pseudo(PATH), (!is_right).then_some(fault))
        }
        b":protocol" => {
            let is_right = !value.is_empty() && value.iter().all(u8::is_ascii_graphic);
            (Kind::Pseudo(PROTOCOL), (!is_right).then_some(Malformed))
        }
        b":scheme" => {
            let is_right = !value.is_empty() && Scheme::try_from(value).is_ok();
            (Kind::Pseudo(SCHEME), (!is_right).then_some(Malformed))
        }
        // Pseudo-header fields of responses, or unknown ones.
        _ => (Kind::Field, Some(Malformed)),
    }
}

/// RFC 9113 section 8.2.1, and the characters of a token (RFC 9110 section 5.6.2).
fn name_fault(name: &[u8]) -> Option<Fault> {
    if name.is_empty() {
        return Some(Fault::Malformed);
    }
    name.iter().filter_map(|byte| NAME[usize::from(*byte)]).max()
}

/// The same for values.
fn value_fault(value: &[u8]) -> Option<Fault> {
    value.iter().filter_map(|byte| VALUE[usize::from(*byte)]).max()
}

const NAME: [Option<Fault>; 256] = name_faults();
const VALUE: [Option<Fault>; 256] = value_faults();

const fn name_faults() -> [Option<Fault>; 256] {
    let mut faults = [Some(Fault::Refused); 256];
    let mut byte = 0;
    while byte < 0x80 {
        faults[byte] = match byte as u8 {
            b'a'..=b'z'
            | b'0'..=b'9'
            | b'!'
            | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~' => None,
            0..=b' ' | b'A'..=b'Z' | b':' | 0x7f => Some(Fault::Malformed),
            _ => Some(Fault::Refused),
        };
        byte += 1;
    }
    faults
}

const fn value_faults() -> [Option<Fault>; 256] {
    let mut faults = [None; 256];
    let mut byte = 0;
    while byte < 0x80 {
        faults[byte] = match byte as u8 {
            0 | b'\r' | b'\n' => Some(Fault::Malformed),
            b'\t' | b' '..=b'~' => None,
            _ => Some(Fault::Refused),
        };
        byte += 1;
    }
    faults
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let is_number = (1..=LENGTH_DIGITS).contains(&value.len());
    if !is_number || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};

    use super::*;

    /// h2 closes the connection for what http cannot parse.
    #[test]
    fn what_passes_is_what_http_reads() {
        for byte in 0..=255_u8 {
            let (name, value) = ([b'x', byte], [byte, b'x']);
            let is_name = HeaderName::from_bytes(&name).is_ok() && !byte.is_ascii_uppercase();
            assert_eq!(name_fault(&name).is_none(), is_name, "{byte:#x} in a name");
            assert!(!is_name || HeaderName::from_lowercase(&name).is_ok(), "{byte:#x}");
            let is_read = HeaderValue::from_bytes(&value).is_ok();
            assert_eq!(value_fault(&value).is_none(), is_read, "{byte:#x} in a value");
        }
    }

    fn head(lines: &[(&str, &str)], ends: bool, most: usize) -> Verdict {
        let mut section = Section::default();
        for (name, value) in lines {
            let latin = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<_>>();
            let (name, value) = (latin(name), latin(value));
            let field = Field { name: &name, value: &value };
            section.add(Line::judge(field), field);
        }
        if lines.is_empty() { Verdict::Malformed } else { section.as_head(ends, most) }
    }

    const GET: [(&str, &str); 4] =
        [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")];

    #[test]
    fn fields() {
        use Verdict::{Malformed, Pass, Refused};
        let bad = Refused(StatusCode::BAD_REQUEST);
        for (name, value, want) in [
            ("x-a", "b\t\u{e9}", Pass),
            ("te", "trailers", Pass),
            ("content-length", "0", Pass),
            ("x-\u{e9}", "b", bad),
            ("x(a)", "b", bad),
            ("x-a", "\u{1}", bad),
            ("x-a", "\u{7f}", bad),
            ("X-A", "b", Malformed),
            ("x a", "b", Malformed),
            ("x:a", "b", Malformed),
            ("", "b", Malformed),
            ("x-a", "a\0", Malformed),
            ("x-a", "a\nb", Malformed),
            ("X-\u{e9}", "b", Malformed),
            ("connection", "close", Malformed),
            ("keep-alive", "5", Malformed),
            ("te", "gzip", Malformed),
            ("content-length", "", Malformed),
            ("content-length", "3", Malformed),
            ("content-length", "00000000000000000000", Malformed),
            (":status", "200", Malformed),
            (":x", "y", Malformed),
            (":path", "/", Malformed),
        ] {
            let got = head(&[&GET[..], &[(name, value)]].concat(), true, 1000);
            assert_eq!(got, want, "{name}: {value:?}");
        }
        let sized = [&GET[..], &[("content-length", "3")]].concat();
        assert_eq!(head(&sized, false, 1000), Pass);
        assert_eq!(head(&[&sized[..], &sized[4..]].concat(), false, 1000), Malformed);
    }

    #[test]
    fn pseudo_fields() {
        use Verdict::{Malformed, Pass, Refused};
        let bad = Refused(StatusCode::BAD_REQUEST);
        for (name, value, want) in [
            (":path", "/a?b", Pass),
            (":path", "*", Pass),
            (":path", "/a#b", bad),
            (":path", "/a b", bad),
            (":path", "/<", bad),
            (":path", "/\u{e9}", bad),
            (":path", "a", bad),
            (":path", "?a", bad),
            (":path", "", Malformed),
            (":path", "/\n", Malformed),
            (":method", "QUERY", Pass),
            (":method", "G T", Malformed),
            (":method", "", Malformed),
            (":scheme", "ftp", Pass),
            (":scheme", "", Malformed),
            (":scheme", "a b", Malformed),
            (":authority", "a:1", Pass),
            (":authority", "", bad),
            (":authority", "a b", bad),
            (":authority", "a\r", Malformed),
            // A protocol is required, or nothing but an authority.
            (":method", "CONNECT", Malformed),
        ] {
            let lines = GET.map(|(own, fine)| (own, if own == name { value } else { fine }));
            assert_eq!(head(&lines, true, 1000), want, "{name}: {value:?}");
        }
        for missing in [":method", ":scheme", ":path"] {
            let lines: Vec<_> = GET.into_iter().filter(|(name, _)| *name != missing).collect();
            assert_eq!(head(&lines, true, 1000), Malformed, "no {missing}");
        }
        let connect = [(":method", "CONNECT"), (":authority", "a:1")];
        assert_eq!(head(&connect, false, 1000), Pass);
        let protocol = [(":protocol", "websocket")];
        let extended = [&connect[..1], &GET[1..], &protocol].concat();
        assert_eq!(head(&extended, false, 1000), Pass);
        assert_eq!(head(&[&GET[..], &protocol].concat(), true, 1000), Malformed);
        let late = [&GET[..3], &[("x-a", "b")], &GET[3..]].concat();
        assert_eq!(head(&late, true, 1000), Malformed);
    }

    #[test]
    fn sizes() {
        let size = GET.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        assert_eq!(head(&GET, true, size + 1), Verdict::Pass);
        let over = Verdict::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(head(&GET, true, size), over);
        let path = format!("/{}", "a".repeat(URI_BYTES));
        let long = [&GET[..3], &[(":path", path.as_str())]].concat();
        assert_eq!(head(&long, true, 1000), Verdict::Refused(StatusCode::URI_TOO_LONG));
    }
}
