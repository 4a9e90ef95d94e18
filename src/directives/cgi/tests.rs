//! Which paths have programs, and what lines are read as.

use std::time::Duration;

use glob::Pattern;
use http::StatusCode;
use http_body_util::BodyExt as _;

use super::rule::part;
use super::*;
use crate::directives::testing;
use crate::http::request::tests::request;
use crate::http::{Body, Fault};
use crate::site::Site;

#[test]
fn patterns_match_a_path_or_a_folder_above_it() {
    for (pattern, path, expected) in [
        ("/report", "/report", Some("/report")),
        ("/report", "/report/weekly", Some("/report")),
        ("/report", "/reports", None),
        ("/report/*.lua", "/report/weekly.lua/summary", Some("/report/weekly.lua")),
        ("/report/*.lua", "/report.lua", None),
        ("/*", "/a/b", Some("/a")),
        ("/", "/a/b", Some("/")),
        ("/a/*/c", "/a/b/c/d", Some("/a/b/c")),
    ] {
        assert_eq!(part(&Pattern::new(pattern).unwrap(), path), expected, "{pattern} {path}");
    }
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("cgi /a", "Wrong argument count"),
        ("cgi a /bin/true", "cgi: 'a' is not a pattern of paths"),
        ("cgi /[ /bin/true", "cgi: '/[' is not a pattern: "),
        ("cgi {\nexec /bin/true\n}", "cgi: no path has a program"),
        ("cgi {\nmatch /a\n}", "cgi: no program is named"),
        ("cgi {\nmatch /a\nexec a\nexec b\n}", "exec is written twice"),
        ("cgi {\nmatch /a\nexec a\nenv B\n}", "cgi: 'B' is not NAME=VALUE"),
        ("cgi {\nmatch /a\nexec a\ntimeout 0s\n}", "timeout must be more than 0"),
        ("cgi /a /bin/true {\nenv A=B\n}", "cgi: PATTERN and PROGRAM are in the line or"),
        ("cgi {\napp /a\n}", "Wrong argument count"),
        ("cgi {\napp /a /bin/true {\nenv A=B\n}\n}", "cgi: PATTERN and PROGRAM are in the"),
        ("cgi {\napp {\nmatch /a\n}\n}", "cgi: no program is named"),
        ("cgi {\napp {\nexec /bin/true\n}\n}", "cgi: no path has a program"),
        ("cgi {\napp {\napp /a /bin/true\n}\n}", "unknown property 'app'"),
        ("cgi {\napp /a /bin/true\nexec /bin/true\n}", "cgi: no path has a program"),
        ("cgi {\nmatch /a\nexec a\ninspect\n}", "cgi: inspect is not supported"),
    ] {
        let error = testing::site("cgi", setup, lines).err().unwrap_or_default();
        assert!(error.starts_with(message), "{lines}: {error}");
    }
}

fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// A site whose `/run` is a program in sh, which has `seconds`.
fn site(program: &str, seconds: u64) -> (tempfile::TempDir, Site) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    let head = "echo $$ > pid; echo 'Content-Type: text/plain'; echo";
    std::fs::write(&path, format!("{head}; {program}")).unwrap();
    let lines = format!(
        "cgi {{\nmatch /run\nexec /bin/sh {}\ndir {}\ntimeout {seconds}s\n}}",
        path.display(),
        folder.path().display()
    );
    let mut site = testing::site("cgi", setup, &lines).unwrap();
    site.push(testing::Answer(|_: &mut Request| Err(Fault::status(StatusCode::NOT_FOUND))));
    (folder, site.build())
}

async fn body(site: &Site) -> Result<Body, u16> {
    let reply = site.handle(&mut request("GET", "/run")).await;
    reply.map(|response| response.into_body()).map_err(|fault| fault.status.as_u16())
}

const ENDLESS: &str = "exec cat /dev/zero";
const PATIENCE: Duration = Duration::from_secs(60);

/// A response, as soon as a program may run.
async fn body_once_there_is_a_place(site: &Site) -> Body {
    loop {
        match body(site).await {
            Ok(body) => return body,
            Err(status) => assert_eq!(status, 503),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn programs_have_places_until_their_clients_leave() {
    run(async {
        let (_folder, site) = site(ENDLESS, 600);
        let mut bodies = Vec::new();
        for _ in 0..CGI_PROGRAMS {
            bodies.push(body(&site).await.unwrap());
        }
        assert_eq!(body(&site).await.err(), Some(503));
        drop(bodies);
        tokio::time::timeout(PATIENCE, body_once_there_is_a_place(&site)).await.unwrap();
    });
}

#[test]
fn time_is_up_also_while_the_client_reads_nothing() {
    run(async {
        let (folder, site) = site(ENDLESS, 8);
        let mut bodies = Vec::new();
        for _ in 0..CGI_PROGRAMS {
            bodies.push(body(&site).await.unwrap());
        }
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        let gone = async {
            let stat = format!("/proc/{}/stat", pid.trim());
            while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("it runs on");
        let place = body_once_there_is_a_place(&site);
        tokio::time::timeout(PATIENCE, place).await.expect("its place is taken");
        for body in bodies {
            assert!(body.collect().await.is_err(), "a broken response looks whole");
        }
    });
}

#[test]
fn time_is_up_also_while_there_is_always_something_to_read() {
    run(async {
        let (_folder, site) = site(ENDLESS, 8);
        let mut body = body(&site).await.unwrap();
        let slow = async {
            while body.frame().await.unwrap().is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, slow).await.unwrap();
    });
}

#[test]
fn what_a_program_has_written_in_its_time_is_read_later() {
    run(async {
        let (_folder, site) = site("head -c 40000 /dev/zero", 15);
        let body = body(&site).await.unwrap();
        tokio::time::sleep(Duration::from_secs(16)).await;
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 40_000);
    });
}
