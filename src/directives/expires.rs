//! `expires`: tells caches how long responses live, by path or by a field of the response.

use std::time::{Duration, SystemTime};

use http::header::{CACHE_CONTROL, EXPIRES, HeaderMap};
use http::{HeaderName, HeaderValue, StatusCode};
use regex::Regex;

use crate::arguments;
use crate::caddyfile::Repeat::Accumulates;
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::Request;
use crate::site::SiteBuilder;

/// What RFC 9111 section 1.2.2 has caches take for more.
const MOST_SECONDS: u64 = 1 << 31;

pub(super) static OPTIONS: Options<Expires> = Options::new(&[
    option("match PATTERN DURATION, such as: match \\.css$ 1d", Accumulates, |expires, args| {
        let word = args.required()?;
        let path = arguments::pattern(args, word)?;
        expires.add(Matcher::Path(path), args)
    }),
    option(
        "match_header NAME PATTERN DURATION, such as: match_header Content-Type ^image/ 1m",
        Accumulates,
        |expires, args| {
            let (name, word) = (args.required()?, args.required()?);
            let name = arguments::field_name(args, name)?;
            let value = arguments::pattern(args, word)?;
            expires.add(Matcher::Field(name, value), args)
        },
    ),
]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut expires = Expires { rules: Vec::new() };
    while args.next() {
        args.no_more()?;
        OPTIONS.read(&mut expires, args)?;
    }
    if expires.rules.is_empty() {
        let hint = "write in its block: match PATTERN DURATION";
        return Err(args.error("expires: no rule: the directive has no effect").hint(hint));
    }
    site.push(expires);
    Ok(())
}

/// The first rule that matches is used.
pub(super) struct Expires {
    rules: Vec<Rule>,
}

struct Rule {
    matcher: Matcher,
    lifetime: Duration,
    /// The value of `Cache-Control`.
    max_age: HeaderValue,
}

enum Matcher {
    Path(Regex),
    Field(HeaderName, Regex),
}

impl Expires {
    fn add(&mut self, matcher: Matcher, args: &mut Args<'_>) -> Result<(), ConfigError> {
        let word = args.required()?;
        let lifetime = args.parsed(word, parse_lifetime)?;
        let max_age = HeaderValue::try_from(format!("max-age={}", lifetime.as_secs()))
            .map_err(|_| args.error_at(word, "the duration cannot be sent"))?;
        self.rules.push(Rule { matcher, lifetime, max_age });
        Ok(())
    }

    fn rule(&self, by_path: Option<usize>, response: &HeaderMap) -> Option<&Rule> {
        let before = &self.rules[..by_path.unwrap_or(self.rules.len())];
        let by_field = before.iter().find(|rule| match &rule.matcher {
            Matcher::Path(_) => false,
            Matcher::Field(name, pattern) => {
                let mut values = response.get_all(name).iter();
                values.any(|value| value.to_str().is_ok_and(|value| pattern.is_match(value)))
            }
        });
        by_field.or_else(|| by_path.and_then(|at| self.rules.get(at)))
    }
}

/// `1y2m3d4h5i6s`: years of 365 days, months of 30, days, hours, minutes and seconds, each at most
/// once and in this order. A `T` may precede the hours.
fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("must be a duration such as 1y, 6m, 30d, 12h, 5i or 30s, or several, not '{text}'")
    };
    let units = [('y', 365 * 86_400), ('m', 30 * 86_400), ('d', 86_400), ('h', 3600), ('i', 60)];
    let mut units = units.into_iter().chain([('s', 1)]);
    let (mut seconds, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        rest = rest.strip_prefix('T').unwrap_or(rest);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let letter = rest[digits..].chars().next().ok_or_else(wrong)?;
        let (_, unit) = units.find(|(unit, _)| *unit == letter).ok_or_else(wrong)?;
        seconds = seconds.saturating_add(number.saturating_mul(unit));
        rest = &rest[digits + 1..];
    }
    match seconds {
        _ if text.is_empty() => Err(wrong()),
        ..=MOST_SECONDS => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("must be at most 68 years, not '{text}'")),
    }
}

/// Whether it is the resource, or where it is, and not an error, which a cache would keep.
fn lives(status: StatusCode) -> bool {
    status.is_success() || matches!(status.as_u16(), 301..=304 | 307 | 308)
}

impl Handler for Expires {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let path = req.route();
        let by_path = self.rules.iter().position(|rule| match &rule.matcher {
            Matcher::Path(pattern) => pattern.is_match(&path),
            Matcher::Field(..) => false,
        });
        drop(path);
        Box::pin(async move {
            let mut response = next.run(req).await?;
            let status = response.status();
            let headers = response.headers_mut();
            // What made the response knows better.
            let is_known = headers.contains_key(EXPIRES) || headers.contains_key(CACHE_CONTROL);
            if is_known || !lives(status) {
                return Ok(response);
            }
            if let Some(rule) = self.rule(by_path, headers) {
                let until = httpdate::fmt_http_date(SystemTime::now() + rule.lifetime);
                headers.insert(CACHE_CONTROL, rule.max_age.clone());
                if let Ok(until) = HeaderValue::try_from(until) {
                    headers.insert(EXPIRES, until);
                }
            }
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;
    use crate::directives::testing;
    use crate::http::Body;
    use crate::http::request::tests::request;

    const RULES: &str = "expires {\nmatch ^/a/.*\\.css$ 1y\nmatch_header Content-Type json 1d\n\
                         match \\.js(on)?$ 1i\nmatch 0$ 0s\n}";

    async fn answer(target: &str, status: u16, fields: &'static [(&str, &str)]) -> HeaderMap {
        let mut site = testing::site("expires", setup, RULES).unwrap();
        site.push(testing::Answer(move |_: &mut Request| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in fields {
                response.headers_mut().append(*name, value.parse().unwrap());
            }
            Ok(response)
        }));
        site.build().handle(&mut request("GET", target)).await.unwrap().into_parts().0.headers
    }

    #[tokio::test]
    async fn the_first_rule_that_matches_is_used() {
        const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
        for (target, status, fields, age) in [
            ("/a/x.css", 200, &[][..], Some(365 * 86_400)),
            ("/a/x.css", 200, JSON, Some(365 * 86_400)),
            ("/%61/x.css?y=.js", 200, &[], Some(365 * 86_400)),
            ("/x.css", 200, &[], None),
            ("/x.json", 200, JSON, Some(86_400)),
            ("/x.json", 200, &[], Some(60)),
            ("/x", 304, JSON, Some(86_400)),
            ("/x.js", 301, &[], Some(60)),
            ("/0", 206, &[], Some(0)),
            ("/x.js", 404, &[], None),
            ("/x.js", 500, JSON, None),
            ("/x.js", 100, &[], None),
        ] {
            let headers = answer(target, status, fields).await;
            let control = headers.get(CACHE_CONTROL).map(|value| value.to_str().unwrap());
            let wanted = age.map(|age| format!("max-age={age}"));
            assert_eq!(control, wanted.as_deref(), "{target} {status} {fields:?}");
            let until = headers.get(EXPIRES).map(|value| value.to_str().unwrap());
            let until = until.map(|until| httpdate::parse_http_date(until).unwrap());
            let in_time = until.zip(age).is_none_or(|(until, age)| {
                let after = Duration::from_secs(age);
                let now = SystemTime::now();
                // The date has no fractions.
                until <= now + after && until + Duration::from_secs(60) > now + after
            });
            assert!(in_time && until.is_some() == age.is_some(), "{target}: {until:?}");
        }
    }

    #[tokio::test]
    async fn what_the_response_says_itself_stays() {
        let headers = answer("/a.js", 200, &[("cache-control", "no-store")]).await;
        assert_eq!(
            (&headers[CACHE_CONTROL], headers.get(EXPIRES)),
            (&"no-store".parse().unwrap(), None)
        );
        let headers = answer("/a.js", 200, &[("expires", "0")]).await;
        assert_eq!((&headers[EXPIRES], headers.get(CACHE_CONTROL)), (&"0".parse().unwrap(), None));
    }

    #[test]
    fn lifetimes() {
        for (text, seconds) in [
            ("1y", Some(365 * 86_400)),
            ("1m", Some(30 * 86_400)),
            ("2d12h", Some(2 * 86_400 + 12 * 3600)),
            ("1dT1h", Some(86_400 + 3600)),
            ("1i", Some(60)),
            ("5i30s", Some(330)),
            ("1y1m1d1h1i1s", Some(396 * 86_400 + 3661)),
            ("0s", Some(0)),
            ("68y", Some(68 * 365 * 86_400)),
            ("69y", None),
            ("99999999999999999999y", None),
            ("99999999999999999y", None),
            ("", None),
            ("T", None),
            ("1", None),
            ("1s1h", None),
            ("1h1h", None),
            ("-1d", None),
            ("1w", None),
            ("1ü", None),
            ("30 s", None),
        ] {
            assert_eq!(parse_lifetime(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (lines, message) in [
            ("expires", "expires: no rule: the directive has no effect"),
            ("expires 1d", "Wrong argument count or unexpected line ending after '1d'"),
            (
                "expires {\nmatch .css\n}",
                "Wrong argument count or unexpected line ending after '.css'",
            ),
            ("expires {\nmatch ( 1d\n}", "invalid regular expression '('"),
            ("expires {\nmatch_header a:b x 1d\n}", "'a:b' is not a header field name"),
        ] {
            assert_eq!(testing::site("expires", setup, lines).err().as_deref(), Some(message));
        }
    }
}
