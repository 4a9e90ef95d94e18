//! What a client gets whose credentials nobody accepts.

use http::{HeaderValue, Response, StatusCode, header};

use super::pairs::{self, Pairs};
use crate::caddyfile::{Args, ConfigError};
use crate::http::placeholders::Template;
use crate::http::{Body, Fault, Reply, Request};

pub(super) enum Failure {
    /// 401 with a challenge; the realm is the host by default.
    Basic(Option<String>),
    Redirect(Template, StatusCode),
    Status(StatusCode),
}

impl Default for Failure {
    fn default() -> Self {
        Self::Basic(None)
    }
}

/// Reads `failure KIND [OPTIONS]`.
pub(super) fn read(args: &mut Args<'_>) -> Result<Failure, ConfigError> {
    #[derive(Clone, Copy)]
    enum Kind {
        Basic,
        Redirect,
        Status,
    }
    let kinds = [
        ("httpbasic", Kind::Basic),
        ("basicauth", Kind::Basic),
        ("redirect", Kind::Redirect),
        ("status", Kind::Status),
    ];
    let kind = args.one_of("failure", &kinds)?;
    let written = args.clone().next_arg();
    let pairs = if written { pairs::read(args)? } else { Pairs::default() };
    let made = match kind {
        Kind::Basic => basic(pairs),
        Kind::Redirect => redirect(pairs),
        Kind::Status => status(pairs),
    };
    made.map_err(|message| args.error(format!("reauth: {message}")))
}

fn basic(mut pairs: Pairs) -> Result<Failure, String> {
    let realm = pairs.take("realm");
    pairs.finish("realm")?;
    if let Some(realm) = &realm {
        challenge(realm).ok_or_else(|| format!("'{realm}' cannot be sent as a realm"))?;
    }
    Ok(Failure::Basic(realm))
}

fn redirect(mut pairs: Pairs) -> Result<Failure, String> {
    let target = pairs.take("target").ok_or("a redirect needs target=URL")?;
    let code = code(&mut pairs, StatusCode::FOUND, 300..=308)?;
    pairs.finish("target and code")?;
    Ok(Failure::Redirect(Template::parse(&target), code))
}

fn status(mut pairs: Pairs) -> Result<Failure, String> {
    let code = code(&mut pairs, StatusCode::UNAUTHORIZED, 400..=599)?;
    pairs.finish("code")?;
    Ok(Failure::Status(code))
}

/// A code that does not look like success: the response says that the client may not.
fn code(
    pairs: &mut Pairs,
    default: StatusCode,
    bounds: std::ops::RangeInclusive<u16>,
) -> Result<StatusCode, String> {
    let Some(text) = pairs.take("code") else { return Ok(default) };
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.and_then(|number| StatusCode::from_u16(number).ok()).ok_or_else(|| {
        format!("code must be a status from {} to {}, not '{text}'", bounds.start(), bounds.end())
    })
}

fn challenge(realm: &str) -> Option<HeaderValue> {
    let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::try_from(format!("Basic realm=\"{quoted}\", charset=\"UTF-8\"")).ok()
}

impl Failure {
    pub(super) fn reply(&self, req: &Request) -> Reply {
        match self {
            Self::Basic(realm) => {
                let mut fault = Fault::status(StatusCode::UNAUTHORIZED);
                if let Some(challenge) = challenge(realm.as_deref().unwrap_or(&req.host)) {
                    fault.headers.insert(header::WWW_AUTHENTICATE, challenge);
                }
                Err(fault)
            }
            Self::Redirect(target, code) => {
                let target = target.expand_location(req);
                let Ok(location) = HeaderValue::try_from(target) else {
                    return Err(Fault::status(StatusCode::BAD_REQUEST));
                };
                let mut response = Response::new(Body::empty());
                *response.status_mut() = *code;
                response.headers_mut().insert(header::LOCATION, location);
                Ok(response)
            }
            Self::Status(code) => Err(Fault::status(*code)),
        }
    }
}
