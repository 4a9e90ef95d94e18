//! LOCK and UNLOCK.

use std::time::{Duration, Instant};

use http::{HeaderValue, Response, StatusCode};

use super::answer::{LOCK_TOKEN, Refusal, respond, xml};
use super::locks::{LOCKS, Lock, NoLock, Reach};
use super::preconditions::{Change, Preconditions, content};
use super::properties::active_lock;
use super::visit::Visit;
use super::write::{needs_parent, there, turn};
use super::xml::Element;
use crate::confined;
use crate::confined::work::empty;
use crate::http::{Body, Request};
use crate::limits::{WEBDAV_LOCK_TIME, WEBDAV_OWNER};

/// What a LOCK asks for.
struct Wish {
    is_exclusive: bool,
    owner: String,
}

impl Wish {
    fn parse(text: &str) -> Option<Self> {
        let root = Element::parse(text).filter(|root| root.name.is_dav("lockinfo"))?;
        root.get("locktype")?.get("write")?;
        let scope = root.get("lockscope")?;
        let is_exclusive = scope.get("exclusive").is_some();
        let mut owner = String::new();
        if let Some(element) = root.get("owner") {
            element.write(&mut owner);
        }
        (is_exclusive || scope.get("shared").is_some()).then_some(Self { is_exclusive, owner })
    }
}

/// How long a client wants a lock: `Second-600, Infinite`.
fn time(preconditions: &Preconditions) -> Duration {
    let field = preconditions.field("timeout").unwrap_or_default();
    let mut wishes = field.split(',').map(str::trim);
    let seconds = wishes.find_map(|wish| wish.strip_prefix("Second-")?.parse().ok());
    let wanted = seconds.map_or(WEBDAV_LOCK_TIME, Duration::from_secs);
    wanted.clamp(Duration::from_secs(1), WEBDAV_LOCK_TIME)
}

fn discovery(status: StatusCode, lock: &Lock) -> Response<String> {
    let lock = active_lock(lock);
    xml(
        status,
        &format!("<D:prop xmlns:D=\"DAV:\"><D:lockdiscovery>{lock}</D:lockdiscovery></D:prop>"),
    )
}

pub(super) async fn lock(visit: Visit, req: &mut Request) -> Result<Response<Body>, Refusal> {
    let preconditions = Preconditions::of(req)?;
    let is_deep = match preconditions.field("depth") {
        Some("0") => false,
        None => true,
        Some(depth) if depth.eq_ignore_ascii_case("infinity") => true,
        Some(_) => return Err(StatusCode::BAD_REQUEST.into()),
    };
    let text = content(req).await?;
    respond(move || {
        if text.is_empty() {
            return refresh(&visit, &preconditions);
        }
        let wish = Wish::parse(&text).ok_or(StatusCode::BAD_REQUEST)?;
        if wish.owner.len() > WEBDAV_OWNER {
            return Err(StatusCode::INSUFFICIENT_STORAGE.into());
        }
        take(&visit, &preconditions, wish, is_deep)
    })
    .await
}

fn take(
    visit: &Visit,
    preconditions: &Preconditions,
    wish: Wish,
    is_deep: bool,
) -> Result<Response<String>, Refusal> {
    let _turn = turn();
    let about = there(visit, &visit.names)?;
    preconditions.check(visit, about.as_ref())?;
    if about.is_none() {
        needs_parent(visit, &visit.names)?;
        preconditions.unlocked(visit, &[Change { names: &visit.names, reach: Reach::Member }])?;
    }
    let is_folder = about.is_some_and(|about| about.is_folder());
    let lock = Lock {
        token: Lock::new_token(),
        place: visit.place(&visit.names),
        href: visit.href(&visit.names, is_folder),
        is_deep,
        is_exclusive: wish.is_exclusive,
        owner: wish.owner,
        who: visit.who.clone(),
        until: Instant::now() + time(preconditions),
    };
    LOCKS.add(&lock).map_err(|error| match error {
        NoLock::Conflict(href) => Refusal::Condition(
            StatusCode::LOCKED,
            format!("<D:no-conflicting-lock><D:href>{href}</D:href></D:no-conflicting-lock>"),
        ),
        NoLock::Full => StatusCode::INSUFFICIENT_STORAGE.into(),
    })?;
    let mut status = StatusCode::OK;
    if about.is_none() {
        // What is locked is there (RFC 4918 section 7.3).
        if let Err(error) = confined::make_file(visit.scope(), &visit.names) {
            LOCKS.remove(&lock.place, &lock.token, lock.who.as_deref());
            return Err(error.into());
        }
        status = StatusCode::CREATED;
    }
    let mut response = discovery(status, &lock);
    let token = HeaderValue::try_from(format!("<{}>", lock.token)).ok();
    response.headers_mut().extend(token.map(|token| (LOCK_TOKEN, token)));
    Ok(response)
}

/// A LOCK without content lets the lock that is shown last longer.
fn refresh(visit: &Visit, preconditions: &Preconditions) -> Result<Response<String>, Refusal> {
    let tokens = preconditions.tokens();
    let [token] = tokens.as_slice() else { return Err(StatusCode::BAD_REQUEST.into()) };
    let (place, who) = (visit.place(&visit.names), visit.who.as_deref());
    let lock = LOCKS.refresh(&place, token, who, time(preconditions));
    let lock = lock.ok_or(StatusCode::PRECONDITION_FAILED)?;
    Ok(discovery(StatusCode::OK, &lock))
}

pub(super) fn unlock(visit: &Visit, req: &Request) -> Result<Response<Body>, Refusal> {
    let field = req.head.headers.get(LOCK_TOKEN).and_then(|value| value.to_str().ok());
    let token = field.and_then(|field| field.trim().strip_prefix('<')?.strip_suffix('>'));
    let token = token.ok_or(StatusCode::BAD_REQUEST)?;
    if LOCKS.remove(&visit.place(&visit.names), token, visit.who.as_deref()) {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let element = "<D:lock-token-matches-request-uri/>".to_owned();
    Err(Refusal::Condition(StatusCode::CONFLICT, element))
}
