//! Requests that no chain answers: those that are refused before it, and those whose client has
//! left. Both are logged by their site.

use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use http::{Response, StatusCode};

use super::connection_context::ConnectionContext;
use super::dispatch;
use super::host::normalise_host;
use crate::http::refusal::Refusal;
use crate::http::response::CLIENT_LEFT;
use crate::http::sink::ErrorLog;
use crate::http::{Body, Fault, Request, fault_page};
use crate::site::{Listener, Site};

/// A request without a response yet. Its logs are informed if there is none.
pub(super) struct Unanswered(pub(super) Box<Request>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.end_unanswered(CLIENT_LEFT);
    }
}

impl Deref for Unanswered {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.0
    }
}

impl DerefMut for Unanswered {
    fn deref_mut(&mut self) -> &mut Request {
        &mut self.0
    }
}

/// The default page of a fault that no directive has handled.
pub(super) fn page(site: &Site, request: &mut Request, fault: Fault) -> Response<Body> {
    fault_page::report(&fault, request, &ErrorLog::process(site.name.clone()));
    fault_page::render(fault, request)
}

/// Answers a request without running a chain, and logs it to the logs of the site that it belongs
/// to.
pub(super) async fn refuse(
    context: &ConnectionContext,
    owner: Option<&Site>,
    request: &mut Request,
    refusal: Refusal,
) -> Response<Body> {
    if request.original_uri == "/" {
        request.original_uri = request.head.uri.clone();
    }
    if let Some(site) = owner {
        request.head.extensions.insert(refusal);
        return match site.refuse(request).await {
            Ok(response) => response,
            Err(fault) => page(site, request, fault),
        };
    }
    let (about, remote) = (&request.head, context.peer.remote);
    log::info!("refused {} {} from {remote}: {refusal}", about.method, about.uri);
    refusal.reply(request).unwrap_or_else(|fault| fault_page::render(fault, request))
}

/// Logs a request that is refused by ending its stream or connection, with `status` as if it had
/// been sent. `head` is what could be parsed of it.
pub(crate) fn log_refused(
    context: &Rc<ConnectionContext>,
    head: http::Request<()>,
    status: StatusCode,
) {
    let (context, request) = (context.clone(), context.receive(head.map(|()| Body::empty())));
    tokio::task::spawn_local(async move { drop(dispatch(&context, request, Some(status)).await) });
}

/// The site that a refused request belongs to: that of the host, else of the name in the TLS
/// handshake, else the only site.
pub(super) fn owner<'a>(
    context: &ConnectionContext,
    listener: &'a Listener,
    request: &mut Request,
) -> Option<&'a Site> {
    if request.host.is_empty() {
        request.host = normalise_host(&mut request.head).unwrap_or_default();
    }
    let (sites, route) = (&listener.sites, request.route());
    let named = || context.peer.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
    let by_host = sites.find(&request.host, &route);
    by_host.or_else(|| sites.find(named()?, &route)).or_else(|| sites.only())
}
