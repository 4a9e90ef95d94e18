//! What a request asks for besides its content: conditions, and the locks that it has shown.

use http::header::{ETAG, HeaderMap, HeaderValue, IF_MATCH, LAST_MODIFIED};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::answer::Refusal;
use super::condition::{Condition, If, List, What};
use super::locks::{LOCKS, Reach};
use super::properties::etag;
use super::visit::{Target, Visit};
use crate::confined::{self, About};
use crate::http::body::refusal;
use crate::http::preconditions::{Validators, Verdict};
use crate::http::{Fault, Request};
use crate::limits::WEBDAV_XML;

/// A path that a request changes.
pub(super) struct Change<'a> {
    pub(super) names: &'a [String],
    pub(super) reach: Reach,
}

pub(super) struct Preconditions {
    method: Method,
    headers: HeaderMap,
    condition: Option<If>,
}

impl Preconditions {
    pub(super) fn of(req: &Request) -> Result<Self, Refusal> {
        let condition = match req.field("if") {
            None => None,
            Some(field) => Some(If::parse(&field).ok_or(StatusCode::BAD_REQUEST)?),
        };
        let headers = req.head.headers.clone();
        Ok(Self { method: req.head.method.clone(), headers, condition })
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
    }

    pub(super) fn tokens(&self) -> Vec<String> {
        self.condition.as_ref().map(If::tokens).unwrap_or_default()
    }

    /// Whether the conditions of the request hold; `about` is what is there so far.
    pub(super) fn check(&self, visit: &Visit, about: Option<&About>) -> Result<(), Refusal> {
        let holds = self
            .condition
            .as_ref()
            .is_none_or(|condition| condition.0.iter().any(|list| is_met(list, visit)));
        if !holds {
            return Err(StatusCode::PRECONDITION_FAILED.into());
        }
        let Some(about) = about else {
            let is_wanted = self.headers.contains_key(IF_MATCH);
            return if is_wanted { Err(StatusCode::PRECONDITION_FAILED.into()) } else { Ok(()) };
        };
        match validators(about).check(&self.headers) {
            Verdict::Send => Ok(()),
            Verdict::NotModified if self.method == Method::GET => Ok(()),
            _ => Err(StatusCode::PRECONDITION_FAILED.into()),
        }
    }

    /// Whether no lock of another client forbids the changes.
    pub(super) fn unlocked(&self, visit: &Visit, changes: &[Change<'_>]) -> Result<(), Refusal> {
        let (tokens, who) = (self.tokens(), visit.who.as_deref());
        for change in changes {
            let place = visit.place(change.names);
            if let Some(href) = LOCKS.forbid(&place, change.reach, &tokens, who) {
                return Err(Refusal::locked(&href));
            }
        }
        Ok(())
    }
}

/// The validators of a file.
pub(super) fn validators(about: &About) -> Validators {
    let mut headers = HeaderMap::new();
    let tag = etag(about).and_then(|tag| HeaderValue::try_from(tag).ok());
    headers.extend(tag.map(|tag| (ETAG, tag)));
    let date = about.modified.map(httpdate::fmt_http_date);
    let date = date.and_then(|date| HeaderValue::try_from(date).ok());
    headers.extend(date.map(|date| (LAST_MODIFIED, date)));
    Validators::of(&headers)
}

fn is_met(list: &List, visit: &Visit) -> bool {
    let names = match &list.resource {
        None => visit.names.clone(),
        Some(url) => match visit.find(url) {
            Target::Names(names) => names,
            _ => return false,
        },
    };
    list.conditions.iter().all(|Condition { is_not, what }| {
        let is_so = match what {
            What::Token(token) => {
                LOCKS.covering(&visit.place(&names)).iter().any(|lock| lock.token == *token)
            }
            What::Tag(tag) => {
                let about = confined::look(visit.scope(), &names).ok();
                about.and_then(|about| etag(&about)).as_ref() == Some(tag)
            }
        };
        is_so != *is_not
    })
}

/// The XML that a request has.
pub(super) async fn content(req: &mut Request) -> Result<String, Refusal> {
    let body = Limited::new(std::mem::take(&mut req.body), WEBDAV_XML);
    match body.collect().await {
        Ok(all) => {
            let text = String::from_utf8(all.to_bytes().into());
            let text = text.map_err(|error| Fault::caused(StatusCode::BAD_REQUEST, error))?;
            Ok(text.trim_start_matches('\u{feff}').to_owned())
        }
        Err(error) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE.into()),
        Err(error) => Err(Fault::caused(refusal(&*error), error).into()),
    }
}
