//! `basicauth`: requires a user name and a password (RFC 7617).

mod htpasswd;

use std::sync::{Arc, OnceLock};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, StatusCode, header};

use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::{Prefix, Readings};
use crate::http::{Fault, Request};
use crate::passwords::{Secret, compare};
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<Block> = Options::<Block>::new(&[option(
    "realm NAME, such as: realm Staff",
    LastWins,
    |block, args| args.required().map(|name| name.clone_into(&mut block.realm)),
)])
.others(option("PATH", Accumulates, |block, args| {
    let path = args.val();
    args.no_more()?;
    arguments::prefix(args, path).map(|path| block.paths.push(path))
}));

pub(super) struct Block {
    paths: Vec<Prefix>,
    realm: String,
}

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        let (path, user, password) = match args.remaining()[..] {
            [user, password] => (None, user, password),
            [user, _, path] if path.starts_with('/') && !user.starts_with('/') => {
                let error =
                    args.error_at(path, format!("basicauth: the path '{path}' comes first"));
                return Err(error.hint(format!("write: basicauth {path} USER PASSWORD")));
            }
            [path, user, password] => (Some(path), user, password),
            _ => return Err(args.arg_error()),
        };
        let secret = match password.strip_prefix("htpasswd=") {
            Some(file) => htpasswd::find(file, user, args, site)?,
            None => match password.strip_prefix("hash=").filter(|hash| is_hash(hash)) {
                Some(hash) => Secret::parse(hash).map_err(|reason| {
                    args.error(format!("basicauth: invalid password of '{user}': {reason}"))
                })?,
                None => {
                    if is_hash(password) {
                        let message = "basicauth: this hash is read as the password itself";
                        let warning = args.error_at(password, message);
                        args.warn(warning.hint("write hash= before it, or the password"));
                    }
                    Secret::plain(password)
                }
            },
        };
        let mut block = Block { paths: Vec::new(), realm: "Restricted".to_owned() };
        if let Some(path) = path {
            block.paths.push(arguments::prefix(args, path)?);
        }
        OPTIONS.read(&mut block, args)?;
        if block.paths.is_empty() {
            let error = args.error("basicauth: no path is protected");
            return Err(match password.split_once(':').filter(|_| user.starts_with('/')) {
                Some((name, _)) => error.hint(format!("write: basicauth {user} {name} PASSWORD")),
                None => {
                    error.hint("write: basicauth / USER PASSWORD, or list the paths in a block")
                }
            });
        }
        let challenge = challenge(&block.realm).ok_or_else(|| {
            args.error(format!("basicauth: '{}' cannot be sent as a realm", block.realm))
        })?;
        site.authenticated.extend_from_slice(&block.paths);
        rules.push(Rule::new(block.paths, user, secret, challenge));
    }
    let mut salt = vec![0; 16];
    aws_lc_rs::rand::fill(&mut salt)
        .map_err(|_| args.error("basicauth: the system's random numbers are unavailable"))?;
    site.push(BasicAuth { rules, salt });
    Ok(())
}

/// Whether it is a stored form and no part of a password.
fn is_hash(text: &str) -> bool {
    text.starts_with('$') || text.starts_with("{SHA}") || text.starts_with("{SSHA}")
}

/// The value of `WWW-Authenticate`. User names and passwords are compared as UTF-8, which the
/// client must be told (RFC 7617 section 2.1).
fn challenge(realm: &str) -> Option<HeaderValue> {
    let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::try_from(format!("Basic realm=\"{quoted}\", charset=\"UTF-8\"")).ok()
}

struct BasicAuth {
    rules: Vec<Rule>,
    salt: Vec<u8>,
}

struct Rule {
    paths: Vec<Prefix>,
    user: String,
    secret: Arc<Secret>,
    challenge: HeaderValue,
    /// Salted hash of a password that a slow comparison has accepted, so that later requests are
    /// fast.
    accepted: OnceLock<Vec<u8>>,
}

/// The credentials of a client.
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Credentials {
    fn of(req: &Request) -> Option<Self> {
        let value = req.head.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let mut user = BASE64_STANDARD.decode(encoded.trim()).ok()?;
        let colon = user.iter().position(|byte| *byte == b':')?;
        let password = user.split_off(colon + 1);
        user.pop();
        Some(Self { user, password })
    }
}

impl Rule {
    fn new(paths: Vec<Prefix>, user: &str, secret: Secret, challenge: HeaderValue) -> Self {
        let (user, secret) = (user.to_owned(), Arc::new(secret));
        Self { paths, user, secret, challenge, accepted: OnceLock::new() }
    }

    fn protects(&self, readings: &Readings<'_>) -> bool {
        self.paths.iter().any(|path| readings.touch(path))
    }

    fn names(&self, credentials: &Credentials) -> bool {
        let sum = |text: &[u8]| digest(&SHA256, text);
        let (ours, theirs) = (sum(self.user.as_bytes()), sum(&credentials.user));
        verify_slices_are_equal(ours.as_ref(), theirs.as_ref()).is_ok()
    }

    async fn accepts(&self, credentials: &Credentials, salt: &[u8]) -> bool {
        if !self.secret.is_slow() {
            return self.secret.is(&credentials.password);
        }
        let salted = [salt, &credentials.password].concat();
        let sum = digest(&SHA256, &salted).as_ref().to_vec();
        let known = self.accepted.get();
        if known.is_some_and(|known| verify_slices_are_equal(known, &sum).is_ok()) {
            return true;
        }
        let accepted = compare(self.secret.clone(), credentials.password.clone()).await;
        if accepted {
            // Another request may have set it first.
            let _ = self.accepted.set(sum);
        }
        accepted
    }
}

impl BasicAuth {
    /// The rule that accepts the credentials.
    async fn admitting(&self, rules: &[&Rule], credentials: &Credentials) -> Option<String> {
        let mut compared = false;
        for rule in rules {
            if rule.names(credentials) {
                if rule.accepts(credentials, &self.salt).await {
                    return Some(rule.user.clone());
                }
                compared |= rule.secret.is_slow();
            }
        }
        // An unknown user takes as long as a wrong password.
        let slow = rules.iter().find(|rule| rule.secret.is_slow());
        if let Some(decoy) = slow.filter(|_| !compared) {
            compare(decoy.secret.clone(), credentials.password.clone()).await;
        }
        None
    }
}

impl Handler for BasicAuth {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let readings = req.readings();
        let rules = self.rules.iter().filter(|rule| rule.protects(&readings));
        let rules: Vec<&Rule> = rules.collect();
        drop(readings);
        let Some(first) = rules.first().copied() else { return next.run(req) };
        Box::pin(async move {
            let user = match Credentials::of(req) {
                Some(credentials) => self.admitting(&rules, &credentials).await,
                None => None,
            };
            if user.is_none() {
                let mut fault = Fault::status(StatusCode::UNAUTHORIZED);
                fault.headers.insert(header::WWW_AUTHENTICATE, first.challenge.clone());
                return Err(fault);
            }
            req.user = user;
            // The credentials are for this server only and not for upstreams.
            req.head.headers.remove(header::AUTHORIZATION);
            next.run(req).await
        })
    }
}

#[cfg(test)]
mod tests;
