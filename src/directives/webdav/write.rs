//! PUT, MKCOL, DELETE and PROPPATCH.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::header::{CONTENT_RANGE, ETAG, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::answer::{METHODS, Refusal, beside, respond};
use super::locks::{LOCKS, Reach};
use super::preconditions::{Change, Preconditions, content};
use super::properties::{ATTRIBUTE, etag, patch};
use super::visit::Visit;
use crate::confined::work::{Writer, empty};
use crate::confined::{self, About, Before, Draft};
use crate::http::body::refusal;
use crate::http::{Body, Fault, Request};
use crate::limits::{WEBDAV_NAMES, WEBDAV_TREE};

/// What is there, if anything is.
pub(super) fn there(visit: &Visit, names: &[String]) -> Result<Option<About>, Refusal> {
    match confined::look(visit.scope(), names) {
        Ok(about) => Ok(Some(about)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// 409 unless the folder of a name is there.
pub(super) fn needs_parent(visit: &Visit, names: &[String]) -> Result<(), Refusal> {
    let parent = &names[..names.len().saturating_sub(1)];
    match there(visit, parent)? {
        Some(about) if about.is_folder() => Ok(()),
        _ => Err(StatusCode::CONFLICT.into()),
    }
}

/// Whether the user reaches all that a folder has, also `to` where it goes, and it is not too much.
pub(super) fn survey(
    visit: &Visit,
    names: &[String],
    to: &[String],
    deepest: usize,
) -> Result<(), Refusal> {
    let mut check = |found: &[String]| {
        let there = [to, &found[names.len()..]].concat();
        match visit.reaches(found) && visit.reaches(&there) {
            true => Ok(()),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        }
    };
    match confined::survey(visit.scope(), names, WEBDAV_TREE, deepest, &mut check) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Fault::caused(StatusCode::FORBIDDEN, error).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// From the last look at what is there to the name of a file one request is after another, so that
/// none is lost (RFC 9110 section 13.1.1).
pub(super) fn turn() -> MutexGuard<'static, ()> {
    static NAMING: Mutex<()> = Mutex::new(());
    NAMING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn may_put(
    visit: &Visit,
    preconditions: &Preconditions,
    about: Option<&About>,
) -> Result<(), Refusal> {
    preconditions.check(visit, about)?;
    let reach = if about.is_some() { Reach::Content } else { Reach::Member };
    preconditions.unlocked(visit, &[Change { names: &visit.names, reach }])
}

pub(super) async fn put(visit: Visit, req: &mut Request) -> Result<Response<Body>, Refusal> {
    if req.head.headers.contains_key(CONTENT_RANGE) {
        // RFC 9110 section 14.5.
        return Err(StatusCode::BAD_REQUEST.into());
    }
    let preconditions = Preconditions::of(req)?;
    let its = visit.clone();
    let begun = beside(move || {
        let about = there(&its, &its.names)?;
        if about.is_some_and(|about| about.is_folder()) {
            return Err(Fault::not_allowed(METHODS).into());
        }
        needs_parent(&its, &its.names)?;
        may_put(&its, &preconditions, about.as_ref())?;
        Ok((Draft::new(its.scope(), &its.names)?, preconditions))
    });
    let (draft, preconditions) = begun.await?;
    let mut writer = Writer::new(draft);
    let mut body = std::mem::take(&mut req.body);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::caused(refusal(&*error), error))?;
        if let Ok(data) = frame.into_data() {
            writer.write(&data).await?;
        }
    }
    let draft = writer.end().await?;
    respond(move || {
        draft.keep_attribute(ATTRIBUTE)?;
        draft.sync()?;
        let turn = turn();
        // Somebody may have changed the file or taken a lock meanwhile.
        may_put(&visit, &preconditions, there(&visit, &visit.names)?.as_ref())?;
        let named = draft.give_name()?;
        let about = confined::look(visit.scope(), &visit.names)?;
        drop(turn);
        let before = named.sync()?;
        let mut response = done(before);
        let tag = etag(&about).and_then(|tag| HeaderValue::try_from(tag).ok());
        response.headers_mut().extend(tag.map(|tag| (ETAG, tag)));
        Ok(response)
    })
    .await
}

pub(super) fn done(before: Before) -> Response<String> {
    match before {
        Before::Nothing => empty(StatusCode::CREATED),
        Before::Something => empty(StatusCode::NO_CONTENT),
    }
}

pub(super) async fn mkcol(visit: Visit, req: &mut Request) -> Result<Response<Body>, Refusal> {
    if !req.body.is_end_stream() {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into());
    }
    let preconditions = Preconditions::of(req)?;
    respond(move || {
        if there(&visit, &visit.names)?.is_some() {
            return Err(Fault::not_allowed(METHODS).into());
        }
        needs_parent(&visit, &visit.names)?;
        preconditions.check(&visit, None)?;
        preconditions.unlocked(&visit, &[Change { names: &visit.names, reach: Reach::Member }])?;
        confined::make_folder(visit.scope(), &visit.names)?;
        Ok(empty(StatusCode::CREATED))
    })
    .await
}

pub(super) async fn delete(visit: Visit, req: &mut Request) -> Result<Response<Body>, Refusal> {
    let preconditions = Preconditions::of(req)?;
    if !preconditions.field("depth").is_none_or(|depth| depth.eq_ignore_ascii_case("infinity")) {
        return Err(StatusCode::BAD_REQUEST.into());
    }
    respond(move || {
        let about = confined::look(visit.scope(), &visit.names)?;
        if visit.names.is_empty() {
            return Err(StatusCode::FORBIDDEN.into());
        }
        preconditions.check(&visit, Some(&about))?;
        survey(&visit, &visit.names, &visit.names, WEBDAV_NAMES)?;
        preconditions.unlocked(&visit, &[Change { names: &visit.names, reach: Reach::Tree }])?;
        confined::remove(visit.scope(), &visit.names)?;
        LOCKS.forget(&visit.place(&visit.names));
        Ok(empty(StatusCode::NO_CONTENT))
    })
    .await
}

pub(super) async fn proppatch(visit: Visit, req: &mut Request) -> Result<Response<Body>, Refusal> {
    let preconditions = Preconditions::of(req)?;
    let text = content(req).await?;
    respond(move || {
        let about = confined::look(visit.scope(), &visit.names)?;
        preconditions.check(&visit, Some(&about))?;
        preconditions.unlocked(&visit, &[Change { names: &visit.names, reach: Reach::Content }])?;
        Ok(patch(&visit, &about, &text)?.done())
    })
    .await
}
