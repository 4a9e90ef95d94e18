//! Who may make how many requests.

use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Response;

use super::*;
use crate::directives::testing;
use crate::http::Body;
use crate::http::request::tests::request;
use crate::site::Site;

/// A site with counters of its own, whose paths end in the status of the response.
fn site(lines: &str) -> Result<Site, String> {
    static SITES: AtomicU32 = AtomicU32::new(0);
    let mut site = testing::site(
        "ratelimit",
        |args, site| {
            let number = SITES.fetch_add(1, Ordering::Relaxed);
            site.address.original = format!("{number}.test");
            setup(args, site)
        },
        lines,
    )?;
    site.content_follows();
    site.push(testing::Answer(|req: &mut Request| {
        let status = req.path().rsplit('/').next().and_then(|last| last.parse().ok());
        let status = StatusCode::from_u16(status.unwrap_or(200)).unwrap();
        if status.as_u16() >= 500 {
            return Err(Fault::status(status));
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        Ok(response)
    }));
    Ok(site.build())
}

/// Asks `line`: a method, a path, perhaps a client, a key and a user.
async fn ask(site: &Site, line: &str) -> (u16, HeaderMap) {
    let mut words = line.split(' ');
    let mut req = request(words.next().unwrap(), words.next().unwrap());
    let ip: std::net::IpAddr = words.next().unwrap_or("192.0.2.1").parse().unwrap();
    Rc::get_mut(&mut req.peer).unwrap().remote = (ip, 1).into();
    if let Some(key) = words.next().filter(|key| *key != "-") {
        req.head.headers.append("x-key", key.parse().unwrap());
    }
    req.user = words.next().map(str::to_owned);
    match site.handle(&mut req).await {
        Ok(response) => (response.status().as_u16(), response.into_parts().0.headers),
        Err(fault) => (fault.status.as_u16(), fault.headers),
    }
}

async fn statuses(site: &Site, lines: &[&str]) -> Vec<u16> {
    let mut seen = Vec::new();
    for line in lines {
        seen.push(ask(site, line).await.0);
    }
    seen
}

#[tokio::test]
async fn each_form_limits() {
    for lines in [
        "ratelimit 2/hour",
        "ratelimit / 2/h",
        "ratelimit / 1 2 hour",
        "ratelimit * / 1 2 hour",
        "ratelimit 1 2 hour {\n/a\n}",
        "ratelimit GET,POST 1 2 day {\n/\n}",
        "ratelimit / 9/week {\nburst 2\n}",
        "ratelimit 1/m {\nburst 2\n/a\n}",
    ] {
        let site = site(lines).unwrap();
        let asked = ["GET /a", "POST /a/b", "GET /a", "GET /A 192.0.2.2"];
        assert_eq!(statuses(&site, &asked).await, [200, 200, 429, 200], "{lines}");
    }
}

#[tokio::test]
async fn clients_by_what_tells_them_apart() {
    for (key, asked, expected) in [
        ("address", ["GET / ::1", "GET / ::ffff:9", "GET / ::1"], [200, 429, 429]),
        (
            "address",
            ["GET / 2001:db8::1", "GET / 2001:db8:0:1::1", "GET / 2001:db8::9:1"],
            [200, 200, 429],
        ),
        ("address", ["GET / 10.0.0.1", "GET / 10.0.0.2", "GET / ::ffff:10.0.0.1"], [200, 200, 429]),
        ("address", ["GET / 0.0.0.1", "GET / ::", "GET / 0.0.0.1"], [200, 200, 429]),
        ("header X-Key", ["GET / ::1 a", "GET / ::1 b", "GET / ::2 a"], [200, 200, 429]),
        ("header X-Key", ["GET / ::1", "GET / ::1 a", "GET / ::1"], [200, 200, 429]),
        ("user", ["GET / ::1 - kim", "GET / ::1 - bob", "GET / ::2 - kim"], [200, 200, 429]),
        ("user", ["GET / ::1", "GET / 10.0.0.1", "GET / ::2"], [200, 200, 429]),
        ("all", ["GET / ::1", "GET / 10.0.0.1 a kim", "GET / 10.0.0.2"], [200, 429, 429]),
    ] {
        let site = site(&format!("ratelimit 1/hour {{\nkey {key}\n}}")).unwrap();
        assert_eq!(statuses(&site, &asked).await, expected, "{key} {asked:?}");
    }
}

#[tokio::test]
async fn paths_methods_and_exceptions() {
    let lines = "ratelimit GET 1 1 hour {\n/a\n/b\n^/a/free\nwhitelist 10.0.0.0/8,::1\n}";
    for (asked, expected) in [
        (["GET /a", "GET /b", "GET /a/x"], [200, 200, 429]),
        (["GET /a", "POST /a", "HEAD /a"], [200, 200, 200]),
        (["GET /c", "GET /c", "GET /c"], [200, 200, 200]),
        (["GET /a/free", "GET /a/free", "GET /a"], [200, 200, 200]),
        (["GET /a 10.1.1.1", "GET /a 10.1.1.1", "GET /a ::1"], [200, 200, 200]),
        // What some servers take for the limited path counts.
        (["GET /a", "GET /%61", "GET /c/../a"], [200, 429, 429]),
        (["GET /a", "GET /a/../c", "GET //A/x"], [200, 429, 429]),
        (["GET /a", "GET /a/free/../x", "GET /x/../a/free"], [200, 429, 200]),
    ] {
        let site = site(lines).unwrap();
        assert_eq!(statuses(&site, &asked).await, expected, "{asked:?}");
    }
}

#[tokio::test]
async fn responses_are_counted_by_their_status() {
    let site = site("ratelimit * 1 2 hour {\n/in\n/also\nstatus 401,503\n}").unwrap();
    let asked = ["GET /in", "GET /in/401", "GET /in", "GET /also/503", "GET /in", "GET /out/401"];
    assert_eq!(statuses(&site, &asked).await, [200, 401, 200, 503, 429, 401]);
    assert_eq!(ask(&site, "GET /in 192.0.2.2").await.0, 200);
}

#[tokio::test]
async fn clients_are_told() {
    let site = site("ratelimit /a 4 2 minute\nratelimit /a/b 1/day {\nkey all\n}").unwrap();
    let told = |headers: &HeaderMap, name: HeaderName| {
        let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        values.collect::<Vec<_>>().join(", ")
    };
    let (status, headers) = ask(&site, "GET /a/b").await;
    assert_eq!(status, 200);
    assert_eq!(told(&headers, POLICY), "\"/a\";q=2;w=30, \"/a/b\";q=1;w=86400");
    assert_eq!(told(&headers, LIMIT), "\"/a\";r=1;t=15, \"/a/b\";r=0;t=86400");
    let (status, headers) = ask(&site, "GET /a").await;
    assert_eq!((status, told(&headers, LIMIT).as_str()), (200, "\"/a\";r=0;t=15"));
    assert_eq!(told(&headers, RETRY_AFTER), "");
    let (status, headers) = ask(&site, "GET /a").await;
    assert_eq!((status, told(&headers, LIMIT).as_str()), (429, "\"/a\";r=0;t=15"));
    assert_eq!(
        (&headers[RETRY_AFTER], &headers[PLUGIN_RETRY]),
        (&"15".parse().unwrap(), &"15s".parse().unwrap())
    );
    let (status, headers) = ask(&site, "GET /a/503 192.0.2.9").await;
    assert_eq!((status, told(&headers, POLICY).as_str()), (503, "\"/a\";q=2;w=30"));
}

#[tokio::test]
async fn counters_outlive_a_configuration() {
    let build = |lines: &str| {
        let mut site = testing::site("ratelimit", setup, lines).unwrap();
        site.push(testing::Answer(|_: &mut Request| Ok(Response::new(Body::empty()))));
        site.build()
    };
    let client = "GET /outlives 198.51.100.77";
    let lines = "ratelimit /outlives 1/hour";
    assert_eq!(ask(&build(lines), client).await.0, 200);
    assert_eq!(ask(&build(&format!("ratelimit /x 1/s\n{lines}")), client).await.0, 429);
    assert_eq!(ask(&build("ratelimit /outlives 2/hour"), client).await.0, 200, "another line");
}

#[test]
fn what_is_refused_and_what_is_doubted() {
    for (lines, message) in [
        ("ratelimit", "Wrong argument count or unexpected line ending after 'ratelimit'"),
        ("ratelimit * / x 1 2 s", "Wrong argument count or unexpected line ending after 's'"),
        ("ratelimit 10", "ratelimit must be a rate such as 10/second, not '10'"),
        ("ratelimit 0/s", "ratelimit must be at least 1, not '0'"),
        (
            "ratelimit 1/month",
            "ratelimit must be per second, minute, hour, day or week, not 'month'",
        ),
        ("ratelimit / 0 1 second", "ratelimit must be at least 1, not '0'"),
        ("ratelimit / 1 0 second", "ratelimit must be at least 1, not '0'"),
        ("ratelimit / 1 1 seconds", "ratelimit must be per second, minute, hour, day or week"),
        ("ratelimit * 1 1 second", "ratelimit: no path is limited"),
        ("ratelimit 1 1 second {\n^/x\n}", "ratelimit: no path is limited"),
        ("ratelimit get / 1 1 second", "ratelimit: 'get' is not a list of methods"),
        ("ratelimit / 1 600 week", "ratelimit: a client would wait more than ten years"),
        ("ratelimit 1/s {\nkey cookie\n}", "unknown key 'cookie'"),
        ("ratelimit 1/s {\nkey header a:b\n}", "'a:b' is not a header field name"),
        ("ratelimit 1/s {\nwhitelist ::1,all\n}", "ratelimit: 'all' is not a range of addresses"),
        ("ratelimit 1/s {\nstatus 700\n}", "status must be a whole number from 100 to 599"),
        ("ratelimit 1/s {\n/a*\n}", "'/a*'"),
    ] {
        let error = testing::site("ratelimit", setup, lines).err().expect(lines);
        assert!(error.contains(message), "{lines}: {error}");
    }
    let site = testing::site("ratelimit", setup, "ratelimit /a 1/s {\n^/\n}").unwrap();
    let warnings: Vec<_> = site.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("^/ leaves nothing of /a"), "{warnings:?}");
}
