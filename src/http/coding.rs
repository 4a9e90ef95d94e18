//! Which content codings a client takes: the Accept-Encoding field (RFC 9110 section 12.5.3).

use super::Request;

/// Thousandths, as a weight has three digits at most (RFC 9110 section 12.4.2).
const FULL: u16 = 1000;

/// An Accept-Encoding field, read.
#[derive(Debug, Default)]
pub struct Codings {
    /// In lower case, with their weights.
    named: Vec<(String, u16)>,
    /// What `*` gives to the codings that are not named.
    others: Option<u16>,
}

impl Codings {
    /// What the client of this request takes. Without the field it takes anything, but then
    /// nothing says that it can decode: it gets the content as it is.
    pub fn of(req: &Request) -> Self {
        req.field("accept-encoding").map_or_else(Self::default, |field| Self::parse(&field))
    }

    fn parse(field: &str) -> Self {
        let mut codings = Self::default();
        for entry in field.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            // A weight that cannot be read is none to rely on.
            let weight = parts.next().map_or(FULL, |text| weight(text).unwrap_or(0));
            match name.as_str() {
                "" => {}
                "*" => codings.others = Some(weight),
                // The same coding under its old name (RFC 9110 section 8.4.1.3).
                "x-gzip" => codings.named.push(("gzip".to_owned(), weight)),
                _ => codings.named.push((name, weight)),
            }
        }
        codings
    }

    /// Whether content in this coding is acceptable and not less welcome than content as it is.
    pub fn take(&self, coding: &str) -> bool {
        let weight = self.weight(coding).or(self.others).unwrap_or(0);
        weight > 0 && weight >= self.weight("identity").unwrap_or(0)
    }

    /// The acceptable ones of `offered`, the most welcome first, else in the order of the offer.
    pub fn choose<'a>(&self, offered: &[&'a str]) -> Vec<&'a str> {
        let mut taken: Vec<_> = offered.iter().copied().filter(|one| self.take(one)).collect();
        taken.sort_by_key(|one| std::cmp::Reverse(self.weight(one).or(self.others)));
        taken
    }

    fn weight(&self, coding: &str) -> Option<u16> {
        self.named.iter().find(|(name, _)| name == coding).map(|(_, weight)| *weight)
    }
}

/// `q=0.5` in thousandths.
fn weight(text: &str) -> Option<u16> {
    let value = text.strip_prefix("q=").or_else(|| text.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if !matches!(whole, "0" | "1") || fraction.len() > 3 {
        return None;
    }
    let thousandths: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (thousandths <= FULL).then_some(thousandths)
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
            let codings = Codings::parse(field);
            assert_eq!((codings.take("gzip"), codings.take("br")), (gzip, br), "{field}");
        }
    }

    #[test]
    fn which_is_chosen() {
        for (field, expected) in [
            ("gzip, br", &["br", "gzip"][..]),
            ("gzip, br;q=0.9", &["gzip", "br"]),
            ("*;q=0.1, gzip;q=0.2", &["gzip", "br"]),
            ("gzip, br;q=0", &["gzip"]),
            ("", &[]),
        ] {
            assert_eq!(Codings::parse(field).choose(&["br", "gzip"]), expected, "{field}");
        }
    }
}
