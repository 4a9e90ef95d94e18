//! The rules of RFC 9111, case by case. Times are seconds since [`START`].

use std::time::UNIX_EPOCH;

use super::Use::{Confirm, Fresh, Stale, WhileRevalidating};
use super::*;
use crate::http::request::tests::request;
use crate::http::request::{Authenticated, TlsFacts};

const START: u64 = 1_000_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(START + seconds)
}

/// `NAME: VALUE` lines; `@N` is the date at N.
fn fields(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let moment = value.strip_prefix('@').map(|n| {
            at(0) - Duration::from_secs(1_000_000) + {
                Duration::from_secs(n.parse::<u64>().unwrap())
            }
        });
        let value = moment.map_or(value.to_owned(), httpdate::fmt_http_date);
        headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    headers
}

fn asked(lines: &[&str]) -> Asked {
    let mut req = request("GET", "/");
    req.head.headers.extend(fields(lines));
    Asked::of(&req)
}

fn judged(asked: &Asked, status: u16, lines: &[&str]) -> Result<Freshness, Refused> {
    let status = StatusCode::from_u16(status).unwrap();
    let exchange = Exchange { sent: at(0), received: at(0) };
    judge(asked, status, &fields(lines), Defaults::default(), exchange)
}

fn stored(lines: &[&str]) -> Freshness {
    judged(&asked(&[]), 200, lines).unwrap()
}

/// The date of [`START`].
const NOW: &str = "@1000000";

#[test]
fn what_is_stored() {
    let date = format!("date: {NOW}");
    for (request, status, response, expected) in [
        (&[][..], 200, &["cache-control: max-age=1"][..], Ok(1)),
        (&[], 200, &[], Err(Refused::NoLifetime)),
        (&[], 200, &["cache-control: public"], Err(Refused::NoLifetime)),
        (&[], 200, &["cache-control: no-store, max-age=1"], Err(Refused::Forbidden)),
        (&[], 200, &["cache-control: private, max-age=1"], Err(Refused::Private)),
        (&[], 200, &["cache-control: private=\"x\", max-age=1"], Err(Refused::Private)),
        (&[], 200, &["cache-control: max-age=1", "set-cookie: a=b"], Err(Refused::Private)),
        (&[], 200, &["cache-control: max-age=1", "vary: *"], Err(Refused::Varies)),
        (&[], 200, &["cache-control: max-age=1", "vary: a, *"], Err(Refused::Varies)),
        (&[], 200, &["cache-control: max-age=1", "vary: X-Forwarded-For"], Err(Refused::Varies)),
        (&[], 200, &["cache-control: max-age=1", "vary: Accept"], Ok(1)),
        (&[], 206, &["cache-control: max-age=1"], Err(Refused::Partial)),
        (&[], 304, &["cache-control: max-age=1"], Err(Refused::Partial)),
        (
            &[],
            200,
            &["cache-control: max-age=1", "content-range: bytes 0-1/9"],
            Err(Refused::Partial),
        ),
        (&[], 404, &["cache-control: max-age=1"], Ok(1)),
        (&[], 400, &["cache-control: max-age=1"], Err(Refused::Forbidden)),
        (&[], 431, &["cache-control: max-age=1"], Err(Refused::Forbidden)),
        (&[], 599, &["cache-control: max-age=1"], Ok(1)),
        (&[], 599, &["cache-control: max-age=1, must-understand"], Err(Refused::Forbidden)),
        (&[], 200, &["cache-control: max-age=1, must-understand, no-store"], Ok(1)),
        (&["cache-control: no-store"], 200, &["cache-control: max-age=1"], Err(Refused::Forbidden)),
        (&["authorization: x"], 200, &["cache-control: max-age=1"], Err(Refused::Private)),
        (&["authorization: x"], 200, &["cache-control: max-age=1, public"], Ok(1)),
        (&["authorization: x"], 200, &["cache-control: s-maxage=1"], Ok(1)),
        (&["authorization: x"], 200, &["cache-control: max-age=1, must-revalidate"], Ok(1)),
        (&["cookie: a=b"], 200, &["cache-control: max-age=1"], Ok(1)),
        (&["cookie: a=b"], 200, &["last-modified: @0"], Err(Refused::NoLifetime)),
        (&[], 200, &["cache-control: no-cache"], Err(Refused::NoLifetime)),
        (&[], 200, &["cache-control: no-cache", "etag: \"a\""], Ok(0)),
        (&[], 200, &["cache-control: max-age=0, must-revalidate"], Err(Refused::NoLifetime)),
        (&[], 200, &["expires: @1000060", &date], Ok(60)),
    ] {
        let found = judged(&asked(request), status, response).map(|found| found.lifetime);
        assert_eq!(found, expected, "{request:?} {status} {response:?}");
    }
    let head = Asked { is_head: true, ..asked(&[]) };
    assert_eq!(judged(&head, 200, &["cache-control: max-age=1"]), Err(Refused::Partial));
    let mut user = request("GET", "/");
    user.user = Some("kim".to_owned());
    let mut let_in = request("GET", "/");
    let_in.head.extensions.insert(Authenticated);
    let mut certified = request("GET", "/");
    let tls = TlsFacts { client: Some(b"DER".to_vec()), ..<_>::default() };
    let mut peer = certified.peer.named(certified.peer.remote);
    peer.tls = Some(tls);
    certified.peer = peer.into();
    for req in [user, let_in, certified] {
        let known = judged(&Asked::of(&req), 200, &["cache-control: max-age=1"]);
        assert_eq!(known, Err(Refused::Private), "without Authorization");
    }
}

#[test]
fn lifetimes() {
    let date = format!("date: {NOW}");
    for (status, lines, expected) in [
        (200, &["cache-control: max-age=5, s-maxage=9"][..], Some(9)),
        (200, &["cache-control: max-age=5", "expires: @1000060", &date], Some(5)),
        (200, &["cache-control: max-age=soon", "expires: @1000060"], Some(0)),
        (200, &["expires: 0"], Some(0)),
        (200, &["expires: @999999", &date], Some(0)),
        (200, &["expires: @1000060", "expires: @1000090", &date], Some(0)),
        (200, &["expires: @1000060"], Some(60)),
        // A tenth of a million seconds is above the limit.
        (200, &["last-modified: @0", &date], Some(24 * 3600)),
        (200, &["last-modified: @999000", &date], Some(100)),
        (200, &["last-modified: @999000"], Some(100)),
        (200, &["last-modified: @2000000", &date], None),
        (404, &["last-modified: @999000", &date], Some(100)),
        (500, &["last-modified: @999000", &date], None),
        (201, &["last-modified: @999000", &date], None),
        (201, &["last-modified: @999000", &date, "cache-control: public"], Some(100)),
    ] {
        let found = judged(&asked(&[]), status, lines).ok().map(|found| found.lifetime);
        assert_eq!(found, expected, "{status} {lines:?}");
    }
    let mut query = request("GET", "/?a");
    let guess = |req: &Request| judged(&Asked::of(req), 200, &["last-modified: @0"]).is_ok();
    assert!(!guess(&query), "no guess where there is a query");
    query.head.uri = "/a".parse().unwrap();
    assert!(guess(&query));
}

#[test]
fn a_default_is_for_what_says_nothing() {
    let defaults = Defaults { lifetime: Some(7), ..<_>::default() };
    for (status, lines, expected) in [
        (200, &[][..], Some(7)),
        (200, &["cache-control: must-revalidate"], Some(7)),
        (301, &[], Some(7)),
        (404, &[], None),
        (302, &[], None),
        (200, &["cache-control: max-age=1"], Some(1)),
        (200, &["expires: 0"], Some(0)),
        (200, &["cache-control: no-cache"], None),
        (200, &["cache-control: private"], None),
        (200, &["set-cookie: a=b"], None),
        (200, &["last-modified: @0"], Some(7)),
    ] {
        let exchange = Exchange { sent: at(0), received: at(0) };
        let status = StatusCode::from_u16(status).unwrap();
        let found = judge(&asked(&[]), status, &fields(lines), defaults, exchange);
        assert_eq!(found.ok().map(|found| found.lifetime), expected, "{status} {lines:?}");
    }
}

#[test]
fn ages() {
    let max_age = "cache-control: max-age=100";
    for (lines, delay, later, expected) in [
        (&[max_age][..], 0, 0, 0),
        (&[max_age], 0, 7, 7),
        (&[max_age, "age: 5"], 0, 7, 12),
        (&[max_age, "age: 5"], 2, 7, 14),
        (&[max_age, "age: 5, 9"], 0, 0, 5),
        (&[max_age, "age: 0", "age: 9"], 0, 0, 9),
        (&[max_age, "age: x"], 0, 0, MOST_SECONDS),
        (&[max_age, "age: -5"], 0, 0, MOST_SECONDS),
        (&[max_age, "age: 5.0"], 0, 0, MOST_SECONDS),
        (&[max_age, "date: @999990"], 0, 0, 10),
        (&[max_age, "date: @999990", "age: 30"], 0, 0, 30),
        (&[max_age, "date: @1000500"], 0, 1, 1),
        (&[max_age, "age: 99999999999999999999"], 0, 1, MOST_SECONDS),
    ] {
        let exchange = Exchange { sent: at(0), received: at(delay) };
        let headers = fields(lines);
        let found = judge(&asked(&[]), StatusCode::OK, &headers, Defaults::default(), exchange);
        assert_eq!(found.unwrap().age(at(delay + later)), expected, "{lines:?} {delay} {later}");
    }
    assert_eq!(stored(&[max_age]).age(at(0) - Duration::from_secs(9)), 0, "a clock that went back");
}

#[test]
fn what_clients_accept() {
    let plain = "cache-control: max-age=100";
    for (response, request, later, expected) in [
        (plain, "", 0, Fresh),
        (plain, "", 99, Fresh),
        (plain, "", 100, Confirm),
        (plain, "no-cache", 0, Confirm),
        (plain, "max-age=10", 10, Fresh),
        (plain, "max-age=10", 11, Confirm),
        (plain, "max-age=0", 1, Confirm),
        (plain, "max-age=200", 150, Confirm),
        (plain, "min-fresh=10", 90, Fresh),
        (plain, "min-fresh=10", 91, Confirm),
        (plain, "max-stale", 5000, Stale),
        (plain, "max-stale=10", 110, Stale),
        (plain, "max-stale=10", 111, Confirm),
        (plain, "max-stale=10, max-age=50", 105, Confirm),
        (plain, "max-stale=10, no-cache", 105, Confirm),
        ("cache-control: max-age=100, must-revalidate", "max-stale", 101, Confirm),
        ("cache-control: max-age=100, proxy-revalidate", "max-stale", 101, Confirm),
        ("cache-control: s-maxage=100", "max-stale", 101, Confirm),
        ("cache-control: max-age=100, stale-while-revalidate=10", "", 109, WhileRevalidating),
        ("cache-control: max-age=100, stale-while-revalidate=10", "", 110, Confirm),
        ("cache-control: s-maxage=100, stale-while-revalidate=10", "", 109, WhileRevalidating),
        ("cache-control: s-maxage=100, stale-while-revalidate=10", "", 110, Confirm),
        ("cache-control: max-age=100, stale-while-revalidate=10", "no-cache", 105, Confirm),
        ("cache-control: max-age=100, stale-while-revalidate=10", "max-age=50", 105, Confirm),
        (
            "cache-control: max-age=100, stale-while-revalidate=10, must-revalidate",
            "",
            105,
            Confirm,
        ),
    ] {
        let line = format!("cache-control: {request}");
        let found = stored(&[response]).use_for(&asked(&[&line]), at(later));
        assert_eq!(found, expected, "{response} for {request:?} after {later}");
    }
    let confirmed = stored(&["cache-control: no-cache", "etag: \"a\""]);
    assert_eq!(confirmed.use_for(&asked(&["cache-control: max-stale"]), at(0)), Confirm);
}

#[test]
fn what_is_used_instead_of_an_error() {
    for (response, request, later, expected) in [
        ("max-age=100", "", 101, false),
        ("max-age=100, stale-if-error=10", "", 109, true),
        ("max-age=100, stale-if-error=10", "", 110, false),
        ("max-age=100", "stale-if-error=10", 109, true),
        ("max-age=100, stale-if-error=10", "no-cache", 105, false),
        ("max-age=100, stale-if-error=10, must-revalidate", "", 105, false),
        ("s-maxage=100", "stale-if-error=10", 105, false),
        ("s-maxage=100, stale-if-error=10", "", 109, true),
        ("s-maxage=100, stale-if-error=10", "", 110, false),
    ] {
        let [response, request] = [response, request].map(|line| format!("cache-control: {line}"));
        let found = stored(&[&response]).helps(&asked(&[&request]), at(later));
        assert_eq!(found, expected, "{response} for {request} after {later}");
    }
}

#[test]
fn whom_a_stored_response_is_for() {
    for (lines, request, expected) in [
        (&["cache-control: max-age=1"][..], &[][..], true),
        (&["cache-control: max-age=1"], &["authorization: x"], false),
        (&["cache-control: max-age=1, public"], &["authorization: x"], true),
        (&["cache-control: max-age=1"], &["cookie: a=b"], true),
        (&["last-modified: @0"], &["cookie: a=b"], false),
    ] {
        assert_eq!(stored(lines).is_for(&asked(request)), expected, "{lines:?} {request:?}");
    }
}
