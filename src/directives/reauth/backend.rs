//! Who knows the users: a list, or another server that is asked with their credentials.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};

use super::Credentials;
use super::pairs::{self, Pairs};
use crate::caddyfile::{Args, ConfigError, parse_positive_duration};
use crate::http::{Fault, Request};
use crate::limits::REAUTH;
use crate::upstream::Name;
use crate::upstream::exchange::one_server::{self, OneServer, Terms};
use crate::upstream::exchange::trust::Trust;

pub(super) enum Backend {
    Simple(Vec<User>),
    Upstream(Box<Upstream>),
}

/// A user with digests, so that a comparison does not reveal a length.
pub(super) struct User {
    name: Vec<u8>,
    password: Vec<u8>,
}

pub(super) struct Upstream {
    server: OneServer,
    cookies: bool,
}

fn sum(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Reads `simple USER=PASSWORD,...`.
pub(super) fn simple(args: &mut Args<'_>) -> Result<Backend, ConfigError> {
    let users = pairs::read(args)?.into_all();
    if let Some((name, _)) =
        users.iter().find(|(name, password)| name.is_empty() || password.is_empty())
    {
        let message = format!("reauth: user '{name}' needs a name and a password");
        return Err(args.error(message));
    }
    let user =
        |(name, password): (String, String)| User { name: sum(&name), password: sum(&password) };
    Ok(Backend::Simple(users.into_iter().map(user).collect()))
}

/// Reads `upstream url=URL,...`.
pub(super) fn upstream(args: &mut Args<'_>) -> Result<Backend, ConfigError> {
    let made = asked(pairs::read(args)?);
    made.map(|upstream| Backend::Upstream(Box::new(upstream)))
        .map_err(|message| args.error(format!("reauth: {message}")))
}

fn asked(mut pairs: Pairs) -> Result<Upstream, String> {
    let url = pairs.take("url").ok_or("an upstream needs url=URL")?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(format!("url must begin with http:// or https://, not '{url}'"));
    }
    // `insecure` is the option's first name.
    let any = pairs.take_bool("skipverify")? | pairs.take_bool("insecure")?;
    let limit = match pairs.take("timeout") {
        Some(text) => parse_positive_duration(&text).map_err(|why| format!("timeout {why}"))?,
        None => REAUTH,
    };
    if pairs.take_bool("follow")? || pairs.take("match").is_some() {
        return Err(
            "redirects are not followed (follow, match): one often leads to a login page, whose \
                    200 would let everybody in. Name the last URL itself"
                .to_owned(),
        );
    }
    let cookies = pairs.take_bool("cookies")?;
    pairs.finish("url, skipverify, timeout and cookies")?;
    let trust = if any { Trust::Anything } else { Trust::System };
    let server = OneServer::new(&url, Terms { trust, limit, fields: Vec::new() })?;
    Ok(Upstream { server, cookies })
}

/// The error for a backend of the plugin that this server does not have.
pub(super) fn absent(args: &Args<'_>) -> ConfigError {
    let name = args.val();
    args.error(format!("reauth: the backend '{name}' is not supported"))
        .hint("write forward_auth with a server that checks these credentials, such as Authelia")
}

impl Backend {
    /// The DNS name to keep resolved.
    pub(super) fn named(&self) -> Option<Arc<Name>> {
        match self {
            Self::Simple(_) => None,
            Self::Upstream(upstream) => upstream.server.named(),
        }
    }

    pub(super) async fn accepts(&self, req: &Request, of: &Credentials) -> Result<bool, Fault> {
        match self {
            Self::Simple(users) => {
                let (name, password) = (sum(&of.user), sum(&of.password));
                let equal = |a: &[u8], b: &[u8]| verify_slices_are_equal(a, b).is_ok();
                let is = |user: &User| equal(&user.name, &name) & equal(&user.password, &password);
                // All are compared, so that the time does not tell which user exists.
                Ok(users.iter().fold(false, |found, user| found | is(user)))
            }
            Self::Upstream(upstream) => upstream.accepts(req, of).await,
        }
    }
}

impl Upstream {
    async fn accepts(&self, req: &Request, of: &Credentials) -> Result<bool, Fault> {
        let mut headers = HeaderMap::new();
        let encoded = BASE64_STANDARD.encode(format!("{}:{}", of.user, of.password));
        if let Ok(mut value) = HeaderValue::try_from(format!("Basic {encoded}")) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        for cookie in req.head.headers.get_all(COOKIE).iter().filter(|_| self.cookies) {
            headers.append(COOKIE, cookie.clone());
        }
        let question = one_server::question(req, self.server.path(), headers);
        let answer = self.server.ask(&question).await?;
        Ok(answer.status() == StatusCode::OK)
    }
}
