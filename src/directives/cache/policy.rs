//! The decisions of RFC 9111: whether a response may be stored, for how long it is fresh, and what
//! a stored one may be used for. The time is passed in.

use std::time::{Duration, SystemTime};

use http::header::{
    AGE, CONTENT_RANGE, COOKIE, DATE, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED, SET_COOKIE,
    VARY,
};
use http::{Method, StatusCode};

use super::control::{Control, MOST_SECONDS, delta_seconds};
use crate::http::Request;
use crate::limits::CACHE_HEURISTIC;

/// What the decisions need to know of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) control: Control,
    /// HEAD, and not GET.
    pub(super) is_head: bool,
    /// The client has shown who it is.
    pub(super) is_authorized: bool,
    has_cookies: bool,
    has_query: bool,
}

impl Asked {
    pub(super) fn of(req: &Request) -> Self {
        let headers = &req.head.headers;
        Self {
            control: Control::of(headers),
            is_head: req.head.method == Method::HEAD,
            is_authorized: req.is_authenticated(),
            has_cookies: headers.contains_key(COOKIE),
            has_query: req.head.uri.query().is_some(),
        }
    }

    /// The same for a GET.
    pub(super) fn as_get(&self) -> Self {
        Self { is_head: false, ..self.clone() }
    }
}

/// Lifetimes of the configuration, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Defaults {
    /// That of a response that has none of its own.
    pub(super) lifetime: Option<u64>,
    /// No lifetime is estimated.
    pub(super) no_heuristic: bool,
    pub(super) stale_while_revalidate: u64,
    pub(super) stale_if_error: u64,
}

/// When a response was asked for, and when its head came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    pub(super) sent: SystemTime,
    pub(super) received: SystemTime,
}

/// What a stored response may be used for. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Freshness {
    /// When the response, or the last one that confirmed it, came.
    pub(super) received: SystemTime,
    /// Its age then.
    initial_age: u64,
    lifetime: u64,
    /// The lifetime is a guess.
    is_heuristic: bool,
    /// Nobody but its origin may say that it can be used.
    no_cache: bool,
    /// Never used when stale.
    must_revalidate: bool,
    /// May be used for requests of clients that have shown who they are.
    is_for_authorized: bool,
    stale_while_revalidate: u64,
    stale_if_error: u64,
}

/// What a stored response is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Fresh,
    /// The client takes it although it is stale.
    Stale,
    /// It is stale, and used while another one is asked for.
    WhileRevalidating,
    /// It has to be confirmed.
    Confirm,
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// GET alone is stored, and as a whole.
    Partial,
    /// It is for one client.
    Private,
    Forbidden,
    /// Nothing says for how long.
    NoLifetime,
    /// It depends on more than fields of the request.
    Varies,
}

/// Whether a response may be stored (RFC 9111 section 3).
pub(super) fn judge(
    asked: &Asked,
    status: StatusCode,
    headers: &HeaderMap,
    defaults: Defaults,
    exchange: Exchange,
) -> Result<Freshness, Refused> {
    let control = Control::of(headers);
    let is_whole = !status.is_informational()
        && status != StatusCode::PARTIAL_CONTENT
        && status != StatusCode::NOT_MODIFIED
        && !headers.contains_key(CONTENT_RANGE);
    if asked.is_head || !is_whole {
        return Err(Refused::Partial);
    }
    let is_kept_off = match control.must_understand {
        // RFC 9111 section 5.2.2.3.
        true => !is_understood(status),
        false => control.no_store,
    };
    if is_kept_off || is_about_request(status) || asked.control.no_store {
        return Err(Refused::Forbidden);
    }
    let is_for_authorized = control.public || control.s_maxage.is_some() || control.must_revalidate;
    if control.private
        || headers.contains_key(SET_COOKIE)
        || asked.is_authorized && !is_for_authorized
    {
        return Err(Refused::Private);
    }
    if varying(headers).any(|name| name.is_none()) {
        return Err(Refused::Varies);
    }
    let lifetime = lifetime(&control, status, headers, defaults, exchange.received);
    let is_heuristic = lifetime.is_none();
    let guess = || {
        let may_guess = !asked.has_cookies && !asked.has_query && !defaults.no_heuristic;
        may_guess.then(|| heuristic(&control, status, headers, exchange.received)).flatten()
    };
    let has_validator = headers.contains_key(LAST_MODIFIED) || headers.contains_key("etag");
    // What may be confirmed is worth keeping.
    let confirmed = || (control.no_cache && has_validator).then_some(0);
    let lifetime = lifetime.or_else(guess).or_else(confirmed).ok_or(Refused::NoLifetime)?;
    let may_be_stale = !control.no_cache && !must_revalidate(&control);
    let is_useful = has_validator || may_be_stale || lifetime > 0 && !control.no_cache;
    if !is_useful {
        return Err(Refused::NoLifetime);
    }
    Ok(Freshness {
        received: exchange.received,
        initial_age: initial_age(headers, exchange),
        lifetime,
        is_heuristic,
        no_cache: control.no_cache,
        must_revalidate: must_revalidate(&control),
        is_for_authorized,
        stale_while_revalidate: control
            .stale_while_revalidate
            .unwrap_or(defaults.stale_while_revalidate),
        stale_if_error: control.stale_if_error.unwrap_or(defaults.stale_if_error),
    })
}

/// `s-maxage` means `proxy-revalidate` too (RFC 9111 section 5.2.2.10), unless the same response
/// says what a stale one is good for: it is written for caches that honour both.
fn must_revalidate(control: &Control) -> bool {
    let is_silent = control.stale_while_revalidate.is_none() && control.stale_if_error.is_none();
    control.must_revalidate || control.proxy_revalidate || control.s_maxage.is_some() && is_silent
}

impl Freshness {
    /// RFC 9111 section 4.2.3.
    pub(super) fn age(&self, now: SystemTime) -> u64 {
        let resident = now.duration_since(self.received).unwrap_or_default().as_secs();
        self.initial_age.saturating_add(resident).min(MOST_SECONDS)
    }

    /// Seconds for which it is still fresh; below 0: for which it has been stale.
    pub(super) fn remaining(&self, now: SystemTime) -> i64 {
        i64::try_from(self.lifetime).unwrap_or(i64::MAX)
            - i64::try_from(self.age(now)).unwrap_or(i64::MAX)
    }

    /// Whether the next request can use it without a question.
    pub(super) fn can_be_shared(&self) -> bool {
        self.lifetime > self.initial_age && !self.no_cache
    }

    /// Whether it may be looked at for this request.
    pub(super) fn is_for(&self, asked: &Asked) -> bool {
        (self.is_for_authorized || !asked.is_authorized)
            && !(self.is_heuristic && asked.has_cookies)
    }

    /// RFC 9111 section 4.2.4 and 5.2.1, RFC 5861 section 3.
    pub(super) fn use_for(&self, asked: &Asked, now: SystemTime) -> Use {
        let wanted = &asked.control;
        let age = self.age(now);
        let stale = age.saturating_sub(self.lifetime);
        let is_stale = age >= self.lifetime;
        if self.no_cache || wanted.no_cache {
            return Use::Confirm;
        }
        let is_young = wanted.max_age.is_none_or(|most| age <= most)
            && wanted
                .min_fresh
                .is_none_or(|least| age.saturating_add(least) < self.lifetime.saturating_add(1));
        let is_taken_stale = !self.must_revalidate
            && wanted.max_stale.is_some_and(|most| stale <= most)
            && wanted.max_age.is_none_or(|most| age <= most);
        match (is_stale, is_young) {
            (false, true) => Use::Fresh,
            (true, _) if is_taken_stale => Use::Stale,
            (true, _)
                if !self.must_revalidate
                    && stale < self.stale_while_revalidate
                    && wanted.max_age.is_none_or(|most| age <= most)
                    && wanted.min_fresh.is_none() =>
            {
                Use::WhileRevalidating
            }
            _ => Use::Confirm,
        }
    }

    /// Whether it is better than the error that its origin has sent (RFC 5861 section 4).
    pub(super) fn helps(&self, asked: &Asked, now: SystemTime) -> bool {
        let most = self.stale_if_error.max(asked.control.stale_if_error.unwrap_or(0));
        let stale = self.age(now).saturating_sub(self.lifetime);
        !self.no_cache && !self.must_revalidate && !asked.control.no_cache && stale < most
    }
}

/// The lifetime that the response or the configuration says (RFC 9111 section 4.2.1).
fn lifetime(
    control: &Control,
    status: StatusCode,
    headers: &HeaderMap,
    defaults: Defaults,
    received: SystemTime,
) -> Option<u64> {
    let by_default = || {
        let is_meant = matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308);
        defaults.lifetime.filter(|_| is_meant && !control.no_cache)
    };
    control.s_maxage.or(control.max_age).or_else(|| expires(headers, received)).or_else(by_default)
}

/// A date that is none has passed (RFC 9111 section 5.3).
fn expires(headers: &HeaderMap, received: SystemTime) -> Option<u64> {
    headers.get(EXPIRES)?;
    let until = date(headers, &EXPIRES);
    let from = date(headers, &DATE).unwrap_or(received);
    Some(until.and_then(|until| until.duration_since(from).ok()).map_or(0, whole_seconds))
}

/// A tenth of the time since the last change (RFC 9111 section 4.2.2).
fn heuristic(
    control: &Control,
    status: StatusCode,
    headers: &HeaderMap,
    received: SystemTime,
) -> Option<u64> {
    let is_cacheable =
        matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501);
    if !is_cacheable && !control.public || control.no_cache {
        return None;
    }
    let changed = date(headers, &LAST_MODIFIED)?;
    let since = date(headers, &DATE).unwrap_or(received).duration_since(changed).ok()?;
    Some(whole_seconds((since / 10).min(CACHE_HEURISTIC)))
}

fn initial_age(headers: &HeaderMap, exchange: Exchange) -> u64 {
    let Exchange { sent, received } = exchange;
    let apparent = date(headers, &DATE).and_then(|date| received.duration_since(date).ok());
    // An age that is none may be any.
    let told = headers.get_all(AGE).iter().map(|value| {
        let first = value.to_str().ok().and_then(|text| text.split(',').next());
        first.and_then(|text| delta_seconds(text.trim())).unwrap_or(MOST_SECONDS)
    });
    let told = told.max().unwrap_or(0);
    let delay = received.duration_since(sent).map_or(0, whole_seconds);
    apparent.map_or(0, whole_seconds).max(told.saturating_add(delay))
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().min(MOST_SECONDS)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).into_iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    httpdate::parse_http_date(only.to_str().ok()?).ok()
}

/// Statuses that are about what the client sent, of which the key holds little: with one bad field
/// a client would have all others get them.
fn is_about_request(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        400 | 406 | 408 | 412 | 413 | 415..=417 | 421 | 425 | 426 | 428 | 429 | 431
    )
}

/// Statuses with whose rules for caches this one complies.
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300..=303 | 307 | 308 | 404 | 405 | 410 | 414 | 451 | 501
    )
}

/// The fields of the request that the response depends on; `None` where no request is known to get
/// the same.
pub(super) fn varying(headers: &HeaderMap) -> impl Iterator<Item = Option<HeaderName>> {
    headers.get_all(VARY).into_iter().flat_map(|value| {
        let names = value.to_str().unwrap_or("*").split(',').map(str::trim);
        let names: Vec<_> = names.filter(|name| !name.is_empty()).map(field).collect();
        names
    })
}

/// The server's own handlers write these behind the cache, which does not know what they will be.
fn field(name: &str) -> Option<HeaderName> {
    // `*` would be a name, too.
    let name = HeaderName::try_from(name).ok().filter(|name| name != "*")?;
    let is_written_later = matches!(name.as_str(), "forwarded" | "via" | "x-real-ip")
        || name.as_str().starts_with("x-forwarded-");
    (!is_written_later).then_some(name)
}

#[cfg(test)]
mod tests;
