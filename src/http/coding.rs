//! The content codings that a client accepts: Accept-Encoding (RFC 9110 section 12.5.3).

use std::array;
use std::borrow::Cow;
use std::cmp::Reverse;

use http::header::ACCEPT_ENCODING;

use super::Request;

/// Weights in thousandths, as they have at most three digits (RFC 9110 section 12.4.2).
const FULL: u16 = 1000;

/// An Accept-Encoding field. It is parsed for each query: there are one or two per request, and a
/// list of its entries would cost more.
#[derive(Debug)]
pub struct Codings<'a>(pub(super) Cow<'a, str>);

impl<'a> Codings<'a> {
    /// The codings of this request. Without the field only identity is used, as the client may not
    /// support any other coding.
    pub fn of(req: &'a Request) -> Self {
        let mut values = req.head.headers.get_all(ACCEPT_ENCODING).iter();
        match (values.next(), values.next()) {
            (None, _) => Self(Cow::Borrowed("")),
            (Some(one), None) => Self(String::from_utf8_lossy(one.as_bytes())),
            _ => Self(Cow::Owned(req.field(ACCEPT_ENCODING.as_str()).unwrap_or_default())),
        }
    }

    /// Whether this coding is acceptable and not less preferred than identity.
    pub fn take(&self, coding: &str) -> bool {
        let weight = self.weight(coding).unwrap_or(0);
        weight > 0 && weight >= self.named("identity").unwrap_or(0)
    }

    /// The acceptable one of `offered` with the highest weight; of several, the first.
    pub fn best<C: Copy>(
        &self,
        offered: impl Iterator<Item = C>,
        name: impl Fn(C) -> &'static str,
    ) -> Option<C> {
        let mut best = None;
        for coding in offered.filter(|coding| self.take(name(*coding))) {
            let weight = self.weight(name(coding));
            if best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, coding));
            }
        }
        best.map(|(_, coding)| coding)
    }

    /// The acceptable ones of `offered`, by weight, then in the order of the offer. The field is
    /// read once: every request of a file comes here.
    pub fn choose<'c, const N: usize>(&self, offered: [&'c str; N]) -> [Option<&'c str>; N] {
        let mut weights = [None; N];
        let (mut identity, mut others) = (None, None);
        for (name, parameter) in self.entries() {
            let is = |coding: &&str| name.eq_ignore_ascii_case(coding);
            let known = match offered.iter().position(is) {
                Some(at) => &mut weights[at],
                None if is(&"identity") => &mut identity,
                None if name == "*" => &mut others,
                None => continue,
            };
            known.get_or_insert_with(|| weight_of(parameter));
        }
        let least = identity.unwrap_or(0).max(1);
        let weights = weights.map(|named| named.or(others).filter(|weight| *weight >= least));
        let mut order = array::from_fn(|at| (Reverse(weights[at]), at));
        order.sort_unstable();
        order.map(|(Reverse(weight), at)| weight.map(|_| offered[at]))
    }

    fn weight(&self, coding: &str) -> Option<u16> {
        // `*` applies to codings that are not named.
        self.named(coding).or_else(|| self.named("*"))
    }

    fn named(&self, coding: &str) -> Option<u16> {
        let mut entries = self.entries();
        let entry = entries.find(|(name, _)| name.eq_ignore_ascii_case(coding));
        entry.map(|(_, parameter)| weight_of(parameter))
    }

    /// Each coding with its first parameter.
    fn entries(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.split(',').map(|entry| {
            let (name, parameters) = match entry.split_once(';') {
                Some((name, parameters)) => (name, parameters.split(';').next()),
                None => (entry, None),
            };
            let name = name.trim();
            // An alias of gzip (RFC 9110 section 8.4.1.3).
            let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
            (name, parameters.map(str::trim))
        })
    }
}

/// An invalid weight counts as 0.
fn weight_of(parameter: Option<&str>) -> u16 {
    parameter.map_or(FULL, |text| weight(text).unwrap_or(0))
}

/// Parses `q=0.5` to thousandths.
fn weight(text: &str) -> Option<u16> {
    let value = text.strip_prefix("q=").or_else(|| text.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let whole = match whole {
        "0" => 0,
        "1" => FULL,
        _ => return None,
    };
    let digits = fraction.as_bytes().iter().zip([100, 10, 1]);
    let value = digits.fold(whole, |sum, (digit, unit)| sum + u16::from(digit & 0x0f) * unit);
    let valid = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    (valid && value <= FULL).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::Codings;

    #[test]
    fn what_is_taken() {
        for (field, gzip, br) in [
            ("gzip", true, false),
            ("GZIP, br", true, true),
            ("x-gzip", true, false),
            ("gzip;q=0", false, false),
            ("gzip; q=0.000", false, false),
            ("gzip;q=0.001", true, false),
            ("gzip;Q=1.0", true, false),
            ("gzip;q=2", false, false),
            ("gzip;q=+1", false, false),
            ("gzip;q=0.5000", false, false),
            ("gzip;q=", false, false),
            ("gzip;level=9", false, false),
            ("deflate", false, false),
            ("*", true, true),
            ("*;q=0", false, false),
            ("br, *;q=0", false, true),
            ("gzip;q=0, *", false, true),
            ("identity;q=0", false, false),
            ("identity;q=0, *", true, true),
            ("identity, gzip;q=0.5", false, false),
            ("identity;q=0.5, gzip", true, false),
            ("gzipped", false, false),
            ("", false, false),
            (",,gzip,", true, false),
        ] {
            let codings = Codings(field.into());
            assert_eq!((codings.take("gzip"), codings.take("br")), (gzip, br), "{field}");
        }
    }

    #[test]
    fn which_is_chosen() {
        for (field, expected) in [
            ("gzip, br", [Some("br"), Some("gzip")]),
            ("gzip, br;q=0.9", [Some("gzip"), Some("br")]),
            ("*;q=0.1, gzip;q=0.2", [Some("gzip"), Some("br")]),
            ("gzip, br;q=0", [Some("gzip"), None]),
            ("", [None, None]),
        ] {
            assert_eq!(Codings(field.into()).choose(["br", "gzip"]), expected, "{field}");
        }
    }
}
