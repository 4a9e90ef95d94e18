//! Answers a request from the store, or has it asked for.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::header::{CONTENT_LOCATION, HeaderMap, LOCATION, RANGE};
use http::{Method, Response, StatusCode, Uri};
use hyper::body::Body as _;
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::Shelf;
use super::draft::{Head, Place};
use super::entry::{self, Entry, Wanted, head_bytes, hides_fields, stored_head};
use super::fill::fill;
use super::origin_request::{Conditions, beside, same_origin};
use super::policy::{self, Asked, Exchange, Freshness, Refused, Use};
use super::status::{Forwarded, Outcome};
use super::store::{Landed, Lead, Turn};
use crate::http::preconditions::Verdict;
use crate::http::{Body, Fault, Reply, Request};
use crate::own_files::{OwnFile, Raw};

/// A request on its way to the origin.
struct Errand {
    key: String,
    asked: Asked,
    why: Forwarded,
    /// What is stored, and cannot be used without a question.
    known: Option<Arc<Entry>>,
    lead: Option<Lead>,
}

/// The head of a response.
struct Answer<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    exchange: Exchange,
}

impl Errand {
    /// Tells those that wait.
    fn land(self, landed: Landed) {
        self.lead.into_iter().for_each(|lead| lead.land(landed));
    }
}

impl Shelf {
    pub(super) async fn serve(self: &Arc<Self>, req: &mut Request) -> Reply {
        match req.head.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return self.bypass(req, Forwarded::Method).await,
            _ if self.is_purge(req) => return self.purge(req),
            _ => return self.change(req).await,
        }
        let asked = Asked::of(req);
        // Content is not in the key, and may decide about the response.
        let has_content = !req.body.is_end_stream() && req.body.size_hint().exact() != Some(0);
        if req.upgrade.is_some()
            || has_content
            || asked.control.no_store
            || hides_fields(&req.head.headers)
        {
            return self.bypass(req, Forwarded::Bypass).await;
        }
        let key = self.key(req);
        let until = tokio::time::Instant::from_std(Instant::now() + self.settings.wait);
        loop {
            let found = self.store.find(&key, self.wanted(req));
            let known = found.as_ref().filter(|entry| entry.freshness.is_for(&asked));
            if let Some(entry) = known
                && let Some(reply) = self.stored(req, &key, &asked, entry)
            {
                return reply;
            }
            if asked.control.only_if_cached {
                return Err(Fault::status(StatusCode::GATEWAY_TIMEOUT));
            }
            let turn = match self.asks_alone(req, &asked, found.as_ref(), known) {
                true => Turn::Alone,
                false => self.store.turn(&key, self.wanted(req), known),
            };
            let lead = match turn {
                Turn::Changed => continue,
                Turn::Lead(lead) => Some(lead),
                Turn::Alone => None,
                Turn::Wait(landing) => match wait(landing, until).await {
                    Waited::LookAgain => continue,
                    Waited::Enough => None,
                },
            };
            let (why, known) = (Forwarded::because(known), known.cloned());
            return self.fetch(req, Errand { key, asked, why, known, lead }).await;
        }
    }

    /// Whether what the origin says is for this request alone.
    fn asks_alone(
        &self,
        req: &Request,
        asked: &Asked,
        found: Option<&Arc<Entry>>,
        known: Option<&Arc<Entry>>,
    ) -> bool {
        let is_part = known.is_none() && req.head.headers.contains_key(RANGE);
        let insists = asked.control.no_cache || asked.control.max_age == Some(0);
        let is_of_others = found.is_some() && known.is_none();
        let is_own = asked.is_authorized && known.is_none();
        asked.is_head || is_part || insists || is_of_others || is_own
    }

    /// What selects one of the stored responses.
    fn wanted<'a>(&self, req: &'a Request) -> Wanted<'a> {
        let target = match self.settings.key {
            Some(_) => "",
            None => req.head.uri.path_and_query().map_or("/", |target| target.as_str()),
        };
        let is_raw = req.head.extensions.get::<Raw>().is_some();
        Wanted { target, fields: &req.head.headers, is_raw }
    }

    /// The response that is stored, if it can be used as it is.
    fn stored(
        self: &Arc<Self>,
        req: &Request,
        key: &str,
        asked: &Asked,
        entry: &Arc<Entry>,
    ) -> Option<Reply> {
        let now = SystemTime::now();
        let left = entry.freshness.remaining(now);
        let outcome = match entry.freshness.use_for(asked, now) {
            Use::Fresh => Outcome::Hit(left),
            Use::Stale => Outcome::Stale(left),
            Use::WhileRevalidating => {
                self.revalidate_beside(req, key, asked, entry);
                Outcome::Stale(left)
            }
            Use::Confirm => return None,
        };
        Some(self.tell(entry.respond(req, now), outcome))
    }

    /// Asks for a stale response anew, while it is still used (RFC 5861 section 3).
    fn revalidate_beside(
        self: &Arc<Self>,
        req: &Request,
        key: &str,
        asked: &Asked,
        entry: &Arc<Entry>,
    ) {
        let Turn::Lead(lead) = self.store.turn(key, self.wanted(req), Some(entry)) else { return };
        let mut question = beside(req);
        let errand = Errand {
            key: key.to_owned(),
            asked: asked.as_get(),
            why: Forwarded::Stale,
            known: Some(entry.clone()),
            lead: Some(lead),
        };
        let this = self.clone();
        tokio::task::spawn_local(async move {
            if let Err(fault) = this.fetch(&mut question, errand).await {
                let path = question.path();
                log::warn!("cache: {path} could not be asked for anew: {}", fault.status);
            }
        });
    }

    /// Hands a request on that is none of the cache's.
    async fn bypass(&self, req: &mut Request, why: Forwarded) -> Reply {
        let reply = self.rest.run(req).await;
        self.tell(reply, Outcome::Bypass(why))
    }

    /// A method that may change the resource: what is stored of it is removed (RFC 9111 section
    /// 4.4).
    async fn change(&self, req: &mut Request) -> Reply {
        let key = self.key(req);
        let response = self.rest.run(req).await?;
        if response.status().is_success() || response.status().is_redirection() {
            self.store.remove(&key);
            for name in [LOCATION, CONTENT_LOCATION] {
                let there = response.headers().get(name).and_then(|value| value.to_str().ok());
                if let Some(uri) = there.and_then(|there| same_origin(req, there)) {
                    self.store.remove(&self.key_of(req, &uri));
                }
            }
        }
        self.tell(Ok(response), Outcome::Bypass(Forwarded::Method))
    }

    async fn fetch(self: &Arc<Self>, req: &mut Request, errand: Errand) -> Reply {
        let own = Conditions::exchange(req, errand.known.as_deref(), errand.lead.is_some());
        let sent = SystemTime::now();
        let reply = self.rest.run(req).await;
        let (is_ours, is_taken) = own.put_back(req);
        let exchange = Exchange { sent, received: SystemTime::now() };
        let status = match &reply {
            Ok(response) => response.status(),
            Err(fault) => fault.status,
        };
        if let Some(known) = &errand.known
            && matches!(status.as_u16(), 500 | 502 | 503 | 504)
            && known.freshness.helps(&errand.asked, exchange.received)
        {
            let stale = known.respond(req, exchange.received);
            errand.land(Landed::Unshared);
            return self.tell(stale, Outcome::InsteadOf(status));
        }
        let response = match reply {
            Ok(response) => response,
            Err(fault) => {
                errand.land(Landed::Unshared);
                return Err(fault);
            }
        };
        match errand.known.clone().filter(|_| is_ours && status == StatusCode::NOT_MODIFIED) {
            Some(known) if known.is_confirmed_by(response.headers()) => {
                let headers = response.headers();
                self.confirmed(req, errand, &known, Answer { status, headers, exchange })
            }
            Some(_) => {
                // It is about another response: ask for the whole.
                drop(response);
                Box::pin(self.fetch(req, Errand { known: None, ..errand })).await
            }
            None => {
                let is_had = is_taken && status == StatusCode::OK;
                let verdict = is_had.then(|| entry::check(req, response.headers()));
                let reply = self.received(req, errand, response, exchange);
                reply_to(verdict, reply)
            }
        }
    }

    /// The origin says that the stored response still holds.
    fn confirmed(&self, req: &Request, errand: Errand, known: &Entry, answer: Answer<'_>) -> Reply {
        let Answer { exchange, headers: fields, .. } = answer;
        let headers = known.confirmed_head(fields, exchange.received);
        let asked = errand.asked.as_get();
        let answer = Answer { status: known.status, headers: &headers, exchange };
        let freshness = self.judge(req, &asked, answer);
        let entry = Entry {
            status: known.status,
            content: known.content.clone(),
            freshness: freshness.clone().unwrap_or_else(|_| known.freshness.clone()),
            selector: self.wanted(req).selector(&headers),
            headers,
        };
        let reply = entry.respond(req, exchange.received);
        let bytes = head_bytes(&entry.headers) + entry.selector.bytes();
        let room = freshness.ok().and_then(|_| self.store.reserve(bytes));
        let mut landed = Landed::Unshared;
        if let Some(room) = room {
            if entry.freshness.can_be_shared() {
                landed = Landed::Stored;
            }
            self.store.insert(&errand.key, Arc::new(entry), room);
        } else {
            self.store.part(&errand.key, self.wanted(req));
        }
        errand.lead.into_iter().for_each(|lead| lead.land(landed));
        self.tell(reply, Outcome::Revalidated)
    }

    /// Another response than the stored one.
    fn received(
        &self,
        req: &Request,
        errand: Errand,
        response: Response<Body>,
        exchange: Exchange,
    ) -> Response<Body> {
        let (why, status) = (errand.why, response.status());
        let (parts, body) = response.into_parts();
        // A handler before the cache makes other content of it, and knows it by this mark.
        let is_source = parts.extensions.get::<OwnFile>().is_some();
        let answer = Answer { status, headers: &parts.headers, exchange };
        let judged = match is_source {
            true => Err(Refused::Forbidden),
            false => self.judge(req, &errand.asked, answer),
        };
        let (body, stored) = match judged {
            Ok(freshness) => {
                let headers = stored_head(&parts.headers, exchange.received);
                let selector = self.wanted(req).selector(&headers);
                self.store_as(req, errand, Head { status, headers, freshness, selector }, body)
            }
            Err(refused) => {
                // A HEAD or a part says nothing of the whole, nor what is for one of the others.
                let is_of_all = errand.lead.is_some() || errand.known.is_some();
                // What fails now may be well again for the next, and the stored one help then.
                let is_failure = status.is_server_error();
                if is_of_all && refused != Refused::Partial && !is_failure {
                    self.store.part(&errand.key, self.wanted(req));
                }
                errand.land(Landed::Unshared);
                (body, false)
            }
        };
        let mut response = Response::from_parts(parts, body);
        let outcome = Outcome::Miss { why, stored };
        outcome.tell(response.headers_mut(), &self.settings.status_header);
        response
    }

    /// Stores a response; returns its content for the client, and whether there is room.
    fn store_as(&self, req: &Request, errand: Errand, head: Head, body: Body) -> (Body, bool) {
        let mut lead = errand.lead;
        if !head.freshness.can_be_shared()
            && let Some(lead) = lead.take()
        {
            lead.land(Landed::Unshared);
        }
        let wanted = self.wanted(req);
        let place = Place {
            store: self.store.clone(),
            key: errand.key,
            target: wanted.target.into(),
            fields: wanted.fields.clone(),
            is_raw: wanted.is_raw,
            most: self.settings.most,
        };
        match place.draft(head, lead) {
            Ok(draft) => (fill(body, draft), true),
            Err(lead) => {
                lead.into_iter().for_each(|lead| lead.land(Landed::Unshared));
                (body, false)
            }
        }
    }

    fn judge(
        &self,
        req: &Request,
        asked: &Asked,
        answer: Answer<'_>,
    ) -> Result<Freshness, Refused> {
        let Answer { status, headers, exchange } = answer;
        let mut defaults = self.settings.defaults(&req.route(), headers);
        // What this machine makes of files may change at any time, and is near.
        defaults.no_heuristic = req.upstream.is_none();
        policy::judge(asked, status, headers, defaults, exchange)
    }

    fn tell(&self, mut reply: Reply, outcome: Outcome) -> Reply {
        let headers = match &mut reply {
            Ok(response) => response.headers_mut(),
            Err(fault) => &mut fault.headers,
        };
        outcome.tell(headers, &self.settings.status_header);
        reply
    }

    pub(super) fn key(&self, req: &mut Request) -> String {
        let Some(template) = &self.settings.key else {
            return self.key_of(req, &req.original_uri);
        };
        // A HEAD is answered by what a GET got, and a PURGE removes that.
        let method = std::mem::replace(&mut req.head.method, Method::GET);
        let mut key = self.space.clone();
        template.expand_into(&mut key, req, None, "");
        req.head.method = method;
        key
    }

    /// The key of a path of the same site.
    pub(super) fn key_of(&self, req: &Request, uri: &Uri) -> String {
        let host = req.host_field().to_ascii_lowercase();
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        [&self.space, req.scheme(), "://", &host, target].concat()
    }
}

/// What the client gets of a response, by its preconditions.
fn reply_to(verdict: Option<Verdict>, response: Response<Body>) -> Reply {
    match verdict {
        Some(Verdict::NotModified) => Ok(entry::not_modified(response.into_parts().0.headers)),
        Some(Verdict::Failed) => Err(Fault::status(StatusCode::PRECONDITION_FAILED)),
        Some(Verdict::Send) | None => Ok(response),
    }
}

enum Waited {
    LookAgain,
    Enough,
}

async fn wait(mut landing: watch::Receiver<Landed>, until: tokio::time::Instant) -> Waited {
    let landed = timeout_at(until, landing.wait_for(|landed| *landed != Landed::Flying)).await;
    match landed {
        Ok(Ok(landed)) if *landed == Landed::Unshared => Waited::Enough,
        // Where nobody asks any more, this request may.
        Ok(_) => Waited::LookAgain,
        Err(_) => Waited::Enough,
    }
}
