//! What a client sends to the page: credentials, the wish to log out, and where to go afterwards.

use std::collections::BTreeSet;

use http::header::{ACCEPT, CONTENT_TYPE, ORIGIN, REFERER};
use http::{StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::placeholders::Template;
use crate::http::{Fault, Request, body, form};
use crate::limits::LOGIN_BYTES;

pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

#[derive(Default)]
pub(super) struct Form {
    pub(super) credentials: Option<Credentials>,
    pub(super) logout: bool,
}

/// The kind of response that a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Html,
    Json,
    Other,
}

impl Wants {
    pub(super) fn of(req: &Request) -> Self {
        let accept = req.head.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        match accept.unwrap_or("") {
            accept if accept.contains("text/html") => Self::Html,
            accept if accept.contains("application/json") => Self::Json,
            _ if req.head.method == http::Method::GET => Self::Html,
            _ => Self::Other,
        }
    }
}

/// Reads the query and the content.
pub(super) async fn read(req: &mut Request) -> Result<Form, Fault> {
    let mut form = Form::default();
    let query = form::pairs(req.head.uri.query().unwrap_or(""));
    let mut pairs: Vec<_> = query.filter(|(name, _)| name == "logout").collect();
    let kind = req.head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or("").to_ascii_lowercase();
    let content = Limited::new(std::mem::take(&mut req.body), LOGIN_BYTES).collect().await;
    let content = content.map_err(|error| {
        let too_large = error.is::<http_body_util::LengthLimitError>();
        let status = if too_large { StatusCode::PAYLOAD_TOO_LARGE } else { body::refusal(&*error) };
        Fault::caused(status, error)
    })?;
    let content = String::from_utf8_lossy(&content.to_bytes()).into_owned();
    let bad = || Fault::caused(StatusCode::BAD_REQUEST, "login: the content is no form");
    if kind.starts_with("application/json") {
        let read: serde_json::Value = serde_json::from_str(&content).map_err(|_| bad())?;
        for (name, value) in read.as_object().ok_or_else(bad)? {
            pairs.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
        }
    } else if kind.is_empty() || kind.starts_with("application/x-www-form-urlencoded") {
        pairs.extend(form::pairs(&content));
    } else if !content.is_empty() {
        return Err(bad());
    }
    let find = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, v)| v.clone());
    form.logout = find("logout").as_deref() == Some("true");
    let user = find("username").filter(|user| !user.is_empty());
    form.credentials =
        user.map(|user| Credentials { user, password: find("password").unwrap_or_default() });
    Ok(form)
}

/// Whether a request comes from a page of this site, or from no page. A page of another site could
/// log a user in as somebody else.
pub(super) fn is_own_page(req: &Request) -> bool {
    let field = |name: &str| req.head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = field("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match field(ORIGIN.as_str()).or(field(REFERER.as_str())) {
        Some(from) => is_host(from, req),
        None => true,
    }
}

fn is_host(url: &str, req: &Request) -> bool {
    let authority = url.parse::<Uri>().ok().and_then(|uri| uri.authority().cloned());
    authority.is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(req.host_field()))
}

/// Where a client goes after the login, if it may say so.
pub(super) struct Back {
    pub(super) is_allowed: bool,
    /// The parameter of the query.
    pub(super) parameter: String,
    pub(super) check_referer: bool,
    /// Other hosts that it may go to.
    pub(super) hosts: BTreeSet<String>,
}

impl Back {
    fn asked(&self, req: &Request) -> Option<String> {
        let template = Template::parse(&format!("{{?{}}}", self.parameter));
        let target = template.expand(req, None, "");
        (self.is_allowed && self.is_safe(&target, req)).then_some(target)
    }

    /// A path of this site, or a URL of it or of a host that is listed.
    fn is_safe(&self, target: &str, req: &Request) -> bool {
        if target.contains(|c: char| c.is_control() || c == '\\') {
            return false;
        }
        if target.starts_with('/') {
            return !target.starts_with("//");
        }
        let is_web = target.starts_with("https://") || target.starts_with("http://");
        let host = target.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_lowercase));
        is_web
            && !target.contains('@')
            && (is_host(target, req) || host.is_some_and(|host| self.hosts.contains(&host)))
    }

    /// The target that the request names.
    pub(super) fn target(&self, req: &Request) -> Option<String> {
        let referer = req.head.headers.get(REFERER).and_then(|value| value.to_str().ok());
        let is_ours = referer.is_none_or(|from| is_host(from, req));
        self.asked(req).filter(|_| is_ours || !self.check_referer)
    }

    /// The URL that the form is sent to.
    pub(super) fn action(&self, req: &Request, path: &str) -> String {
        match self.asked(req) {
            Some(target) => {
                let target = utf8_percent_encode(&target, NON_ALPHANUMERIC);
                format!("{path}?{}={target}", self.parameter)
            }
            None => path.to_owned(),
        }
    }
}
