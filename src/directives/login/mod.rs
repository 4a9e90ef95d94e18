//! `login`: a page that takes a user's name and password and gives a signed token for them.

mod attempts;
mod form;
mod options;
mod page;
mod session;
#[cfg(test)]
mod tests;
mod users;

use std::time::Instant;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE};
use http::{Method, Response, StatusCode};

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::{Body, Fault, Reply, Request};
use crate::site::SiteBuilder;

use attempts::Attempts;
use form::{Credentials, Wants};
pub(super) use options::OPTIONS;
use page::{Page, View};
use session::Session;
use users::Users;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let login = options::read(args, site)?;
        site.token_keys.push(login.session.key().clone());
        site.push(login);
    }
    Ok(())
}

/// One block.
struct Login {
    /// `/login`, without a final slash.
    path: String,
    users: Users,
    session: Session,
    page: Page,
    success: String,
    logout: Option<String>,
    back: form::Back,
    /// The name of the site, which keeps its users apart from those of others.
    site: std::sync::Arc<str>,
}

impl Login {
    /// Whether a request is for the page or a path below it.
    fn is_mine(&self, req: &Request) -> bool {
        let route = req.route();
        let rest = route.strip_prefix(self.path.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    async fn respond(&self, req: &mut Request) -> Reply {
        if req.route().trim_end_matches('/') != self.path {
            return Err(Fault::status(StatusCode::NOT_FOUND));
        }
        let is_change = req.head.method != Method::GET && req.head.method != Method::HEAD;
        let form = match form::read(req).await {
            Ok(form) => form,
            Err(fault) => return Err(fault),
        };
        if (is_change || form.logout) && !form::is_own_page(req) {
            let cause = "login: the request comes from a page of another site";
            return Err(Fault::caused(StatusCode::FORBIDDEN, cause));
        }
        if req.head.method == Method::DELETE || form.logout {
            return self.log_out(req);
        }
        if !is_change {
            return self.show(req);
        }
        if req.head.method != Method::POST {
            return Err(Fault::not_allowed("GET, HEAD, POST, DELETE"));
        }
        match form.credentials {
            Some(credentials) => self.log_in(req, &credentials).await,
            None => self.renew(req),
        }
    }

    fn log_out(&self, req: &Request) -> Reply {
        let mut response = match &self.logout {
            Some(target) => redirect(target),
            None => self.html(req, StatusCode::OK, View::default())?,
        };
        response.headers_mut().append(SET_COOKIE, self.session.removed());
        Ok(response)
    }

    fn show(&self, req: &Request) -> Reply {
        let claims = self.session.claims(req);
        if Wants::of(req) == Wants::Json {
            return match claims {
                Some(claims) => {
                    Ok(told("application/json", serde_json::Value::from(claims).to_string()))
                }
                None => Ok(failed(Wants::Json)),
            };
        }
        let claims = claims.filter(|claims| claims.get("sub").is_some_and(|sub| sub.is_string()));
        self.html(req, StatusCode::OK, View { claims, ..View::default() })
    }

    async fn log_in(&self, req: &Request, given: &Credentials) -> Reply {
        let keys = attempts::keys(req.peer.remote.ip(), &self.site, &given.user);
        let now = Instant::now();
        if let Err(wait) = Attempts::shared().take(keys, now) {
            log::warn!(
                "{}: too many wrong passwords from {} or for a user",
                self.site,
                req.peer.remote.ip()
            );
            return self.too_many(req, &given.user, wait.as_secs() + 1);
        }
        match self.users.origin(given).await {
            Some(origin) => {
                Attempts::shared().give_back(keys);
                let claims = self.session.begin(&given.user, origin);
                self.admit(req, claims)
            }
            None => match Wants::of(req) {
                Wants::Html => {
                    let view =
                        View { has_failed: true, user: given.user.clone(), ..View::default() };
                    self.html(req, StatusCode::FORBIDDEN, view)
                }
                other => Ok(failed(other)),
            },
        }
    }

    fn renew(&self, req: &Request) -> Reply {
        match self.session.claims(req).and_then(|claims| self.session.renewed(claims)) {
            Some(claims) => self.admit(req, claims),
            None => Ok(failed(Wants::of(req))),
        }
    }

    /// Gives the client its token: as a cookie, or as the content.
    fn admit(&self, req: &Request, claims: crate::tokens::Claims) -> Reply {
        let failed = |why| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, why);
        let token = self.session.token(&claims).map_err(failed)?;
        if Wants::of(req) != Wants::Html {
            return Ok(told("application/jwt", token));
        }
        let target = self.back.target(req).unwrap_or_else(|| self.success.clone());
        let mut response = redirect(&target);
        let cookie = self.session.cookie(&token);
        response.headers_mut().append(SET_COOKIE, cookie.map_err(failed)?);
        Ok(response)
    }

    fn too_many(&self, req: &Request, user: &str, seconds: u64) -> Reply {
        let mut response = match Wants::of(req) {
            Wants::Html => {
                let view = View { is_late: true, user: user.to_owned(), ..View::default() };
                self.html(req, StatusCode::TOO_MANY_REQUESTS, view)?
            }
            _ => told("text/plain", "Too many attempts".to_owned()),
        };
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
        Ok(response)
    }

    fn html(&self, req: &Request, status: StatusCode, view: View) -> Reply {
        let action = self.back.action(req, &self.path);
        let text = self.page.render(&action, &self.path, view).map_err(|error| {
            Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, format!("login: {error}"))
        })?;
        let mut response = told("text/html; charset=utf-8", text);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        // A page of another site could lead a user to type into this one unseen.
        headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
        headers.insert("referrer-policy", HeaderValue::from_static("same-origin"));
        Ok(response)
    }
}

fn told(kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn failed(wants: Wants) -> Response<Body> {
    let mut response = match wants {
        Wants::Json => told("application/json", "{\"error\": \"Wrong credentials\"}".to_owned()),
        _ => told("text/plain", "Wrong credentials".to_owned()),
    };
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

fn redirect(target: &str) -> Response<Body> {
    let mut response = told("text/plain", String::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::try_from(target).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}

impl Handler for Login {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        if self.is_mine(req) {
            return Box::pin(self.respond(req));
        }
        if let Some(claims) = self.session.claims(req)
            && let Some(user) = claims.get("sub").and_then(serde_json::Value::as_str)
        {
            req.user = Some(user.to_owned());
        }
        next.run(req)
    }
}
