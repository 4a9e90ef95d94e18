//! `jwt`: requires a signed token (JSON Web Token).

mod claims;
mod keyring;
mod keyset;
mod options;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT,
    HeaderMap, HeaderValue, LOCATION, ORIGIN, SET_COOKIE, TRAILER, TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
};
use http::{Method, Response, StatusCode};

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::{Prefix, Readings};
use crate::http::placeholders::Template;
use crate::http::request::Authenticated;
use crate::http::{Body, Fault, Reply, Request, vouched};
use crate::site::SiteBuilder;
use crate::tokens::{Claims, Refused, verify};

use claims::{AccessRule, FIELDS};
use keyring::Keyring;
pub(super) use options::OPTIONS;
use source::Source;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        let rule = options::read(args, site)?;
        rule.keys.start(site);
        if rule.except.is_empty() && !rule.allow_root && !rule.passthrough {
            site.authenticated.push(rule.path.clone());
        }
        rules.push(rule);
    }
    site.push(Jwt { rules });
    Ok(())
}

/// One block.
struct Rule {
    path: Prefix,
    except: Vec<Prefix>,
    /// Whether `/` itself needs no token.
    allow_root: bool,
    /// Whether the claim `path` must be the path of the request.
    check_path: bool,
    /// Whether requests without a valid token pass too, without claims.
    passthrough: bool,
    access: Vec<AccessRule>,
    redirect: Option<Template>,
    strip_header: bool,
    sources: Vec<Source>,
    keys: Arc<Keyring>,
}

struct Jwt {
    rules: Vec<Rule>,
}

/// Why a request may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    NoToken,
    InvalidToken,
    Forbidden,
}

impl Rule {
    fn protects(&self, req: &Request, readings: &Readings<'_>) -> bool {
        let is_root = || req.route() == "/" && !readings.differ();
        readings.touch(&self.path)
            && !self.except.iter().any(|except| readings.lie_in(except))
            && !(self.allow_root && is_root())
    }

    /// The claims of the request's token, if they let it pass.
    async fn claims(&self, req: &Request) -> Result<Claims, Denied> {
        let token = self.sources.iter().find_map(|source| source.token(req));
        let token = token.ok_or(Denied::NoToken)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        self.keys.ready().await;
        let verified = verify(&token, self.keys.now().iter().flat_map(|keys| keys.iter()), now);
        if verified == Err(Refused::Signature) {
            self.keys.refresh();
        }
        let found = verified.map_err(|_| Denied::InvalidToken)?;
        if self.passthrough {
            return Ok(found);
        }
        if self.check_path
            && let Some(path) = found.get("path")
            && (path.as_str() != Some(&req.route()) || req.readings().differ())
        {
            return Err(Denied::InvalidToken);
        }
        if claims::allow(&self.access, &found) { Ok(found) } else { Err(Denied::Forbidden) }
    }

    fn refuse(&self, req: &Request, why: Denied) -> Reply {
        if let Some(redirect) = &self.redirect {
            let Ok(location) = HeaderValue::try_from(redirect.expand_location(req)) else {
                return Err(Fault::status(StatusCode::BAD_REQUEST));
            };
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(LOCATION, location);
            return Ok(response);
        }
        let (status, error) = match why {
            Denied::NoToken => (StatusCode::UNAUTHORIZED, ""),
            Denied::InvalidToken => (StatusCode::UNAUTHORIZED, ", error=\"invalid_token\""),
            Denied::Forbidden => (StatusCode::FORBIDDEN, ", error=\"insufficient_scope\""),
        };
        let mut fault = Fault::status(status);
        if let Ok(challenge) =
            HeaderValue::try_from(format!("Bearer realm=\"{}\"{error}", req.host))
        {
            fault.headers.insert(WWW_AUTHENTICATE, challenge);
        }
        Err(fault)
    }
}

impl Jwt {
    /// Every rule that protects the path must hold.
    async fn decide(&self, rules: Vec<&Rule>, req: &mut Request, next: Next<'_>) -> Reply {
        for rule in rules {
            match rule.claims(req).await {
                Ok(found) => {
                    claims::tell(&found, rule.strip_header, &mut req.head.headers);
                    req.user = claims::user(&found).or(req.user.take());
                    req.head.extensions.insert(Authenticated);
                }
                Err(Denied::NoToken | Denied::InvalidToken) if rule.passthrough => {}
                Err(why) => return rule.refuse(req, why),
            }
        }
        next.run(req).await
    }
}

/// Whether a browser asks before a request of another origin; it sends no token with that.
fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Nothing that the rules protect goes with a preflight: of the request its content, of the answer
/// all that is not in its head. What is behind may not look at the method.
async fn preflight(req: &mut Request, next: Next<'_>) -> Reply {
    req.body = Body::empty();
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_TYPE, CONTENT_ENCODING, EXPECT] {
        req.head.headers.remove(name);
    }
    let mut answer = next.run(req).await?;
    *answer.body_mut() = Body::empty();
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, TRAILER, SET_COOKIE] {
        answer.headers_mut().remove(name);
    }
    Ok(answer)
}

impl Handler for Jwt {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        // Also where no token is required: the server behind may trust the fields everywhere.
        vouched::remove(&mut req.head.headers, |name| vouched::starts_as(name, FIELDS));
        let readings = req.readings();
        let rules = self.rules.iter().filter(|rule| rule.protects(req, &readings));
        let rules: Vec<&Rule> = rules.collect();
        drop(readings);
        if rules.is_empty() {
            return next.run(req);
        }
        if is_preflight(&req.head.method, &req.head.headers) {
            return Box::pin(preflight(req, next));
        }
        Box::pin(self.decide(rules, req, next))
    }
}
