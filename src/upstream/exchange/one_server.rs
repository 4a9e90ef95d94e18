//! A server that a handler asks beside a request, such as whether the request may pass.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{
    EXPECT, HeaderMap, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    RANGE,
};
use http::uri::PathAndQuery;
use http::{Response, Uri};
use tokio::time::timeout;

use super::attempt::attempt;
use super::outcome::{Attempt, Outcome};
use super::payload::Payload;
use super::settings::Settings;
use super::trust::Trust;
use crate::http::connection_values::ConnectionValues;
use crate::http::{Body, Peer, Request};
use crate::metrics::WorkerMetrics;
use crate::upstream::Name;
use crate::upstream::host::address;
use crate::upstream::host::error::ProxyError;
use crate::upstream::host::upstream::{Slot, Target, Upstream};
use crate::upstream::rewrite::header_rules::HeaderRule;

/// How a server is asked.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Which certificates are accepted.
    pub(crate) trust: Trust,
    /// From the question to the head of the response.
    pub(crate) limit: Duration,
    /// Changes of the fields of each question.
    pub(crate) fields: Vec<HeaderRule>,
}

/// One server, its path included.
#[derive(Debug)]
pub(crate) struct OneServer {
    host: Upstream,
    settings: Settings,
    limit: Duration,
    /// The path and query of its address; `/` if it has none.
    path: PathAndQuery,
}

impl OneServer {
    /// Reads an address, and the files that the terms name.
    pub(crate) fn new(text: &str, terms: Terms) -> Result<Self, String> {
        let mut hosts = address::parse(text, &terms.trust.identity())?;
        if hosts.len() > 1 {
            return Err(format!("'{text}' names {} servers, and one is asked", hosts.len()));
        }
        let mut host = hosts.swap_remove(0);
        let base = std::mem::take(&mut host.base_path);
        let query = std::mem::take(&mut host.base_query);
        let mark = if query.is_empty() { "" } else { "?" };
        let slash = if base.is_empty() { "/" } else { "" };
        let path = PathAndQuery::try_from(format!("{slash}{base}{mark}{query}"))
            .map_err(|error| format!("'{text}': {error}"))?;
        let is_tls = matches!(host.target, Target::Tcp { tls: true, .. });
        let tls = if is_tls { Some(terms.trust.settings(None)?) } else { None };
        let limit = terms.limit;
        let settings = Settings {
            connect_timeout: limit,
            first_byte: limit,
            upstream_headers: terms.fields,
            tls,
            ..Settings::default()
        };
        Ok(Self { host, settings, limit, path })
    }

    /// The same server, asked at another path; the path of its address if that has one.
    pub(crate) fn at(mut self, path: PathAndQuery) -> Result<Self, PathAndQuery> {
        if self.path != "/" {
            return Err(self.path);
        }
        self.path = path;
        Ok(self)
    }

    pub(crate) fn path(&self) -> &PathAndQuery {
        &self.path
    }

    /// The DNS name to keep resolved.
    pub(crate) fn named(&self) -> Option<Arc<Name>> {
        self.host.named().cloned()
    }

    /// The response to a question that is no client's.
    pub(crate) async fn get(&self) -> Result<Response<Body>, ProxyError> {
        self.ask(&own_question(&self.path)).await
    }

    /// The response to a question.
    pub(crate) async fn ask(&self, question: &Request) -> Result<Response<Body>, ProxyError> {
        let traffic = WorkerMetrics::current().upstream(self.host.number);
        let mut slot = Slot::default();
        slot.count(traffic, false);
        let mut payload = Payload::Empty;
        let this = Attempt {
            settings: &self.settings,
            host: &self.host,
            req: question,
            payload: &mut payload,
        };
        let error = match timeout(self.limit, attempt(this, slot)).await {
            Ok(Outcome::Answered(response)) => return Ok(response),
            Ok(Outcome::Failed { error, .. }) => error,
            Err(_) => ProxyError::FirstByte,
        };
        error.failure().into_iter().for_each(|why| traffic.fail(why));
        Err(error.at(&self.host.name))
    }
}

/// A GET of no client.
fn own_question(path: &PathAndQuery) -> Request {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.uri = Uri::from(path.clone());
    let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
    let values = ConnectionValues::default();
    Request {
        original_uri: head.uri.clone(),
        head,
        body: Body::empty(),
        upgrade: None,
        peer: Rc::new(Peer { remote: nobody, local: nobody, tls: None, values }),
        host: String::new(),
        user: None,
        upstream: None,
        watcher: None,
        early_hints: None,
        received: Instant::now(),
    }
}

/// A GET for `path` beside a request, on behalf of the same client.
pub(crate) fn question(req: &Request, path: &PathAndQuery, headers: HeaderMap) -> Request {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.uri = Uri::from(path.clone());
    head.version = req.head.version;
    head.headers = headers;
    Request {
        original_uri: head.uri.clone(),
        head,
        body: Body::empty(),
        upgrade: None,
        peer: req.peer.clone(),
        host: req.host.clone(),
        user: None,
        upstream: None,
        watcher: None,
        early_hints: None,
        received: req.received,
    }
}

/// The fields of a request without those about its content, and without those that make a response
/// depend on what the client has of another resource.
pub(crate) fn fields_of_the_client(req: &Request) -> HeaderMap {
    let mut headers = req.head.headers.clone();
    for name in
        [EXPECT, RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE]
    {
        headers.remove(name);
    }
    let about_content: Vec<_> =
        headers.keys().filter(|name| name.as_str().starts_with("content-")).cloned().collect();
    for name in about_content {
        headers.remove(name);
    }
    headers
}
