//! `cgi`: programs in sh, over every protocol, and their bounds.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Caddy, Setup, curl, h3_one, wait_for};

const ENV: &str = "printf 'Content-Type: text/plain\\nX-Args: %s\\n\\n' \"$*\"\nenv | sort\ncat\n";

fn site(program: &str, options: &str) -> Caddy {
    let text = "https://localhost:@PORT@ {\n tls self_signed\n root www\n cgi {\n match /run\n\
                exec /bin/sh @DIR@/program {match} {method}\n@OPTIONS@\n}\n}";
    Setup::new(&text.replace("@OPTIONS@", options))
        .file("program", program)
        .file("www/a", "a")
        .env("SECRET_OF_THE_SERVICE", "x")
        .env("PASSED", "y")
        .start()
}

#[test]
fn a_program_is_told_of_the_request() {
    let caddy = site(ENV, "env LEVEL={host}\npass_env PASSED\nempty_env NOTHING");
    let path = "/run/a%20b?c=d";
    for answer in [
        curl(&["--http1.1", "-d", "content"], &caddy.url(path)),
        curl(&["--http2", "-d", "content"], &caddy.url(path)),
        h3_one(caddy.port(), json!({"path": path, "method": "POST", "body": "content"})),
    ] {
        let text = answer.text();
        assert_eq!((answer.status, answer.header("x-args")), (200, "/run POST"), "{text}");
        assert!(text.ends_with("\ncontent"), "{text}");
        for line in [
            "GATEWAY_INTERFACE=CGI/1.1",
            "PATH_INFO=/a b",
            "SCRIPT_NAME=/run",
            "QUERY_STRING=c=d",
            "CONTENT_LENGTH=7",
            "REQUEST_METHOD=POST",
            "PASSED=y",
            "NOTHING=",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in\n{text}");
        }
        assert!(!text.contains("SECRET_OF_THE_SERVICE"), "{text}");
    }
    assert_eq!(curl(&[], &caddy.url("/a")).text(), "a");
    let chunked = ["--http1.1", "-H", "Transfer-Encoding: chunked", "-d", "x"];
    assert_eq!(curl(&chunked, &caddy.url("/run")).status, 411);
}

/// As files of the plugin's first versions have it.
#[test]
fn a_block_has_several_programs() {
    let caddy = site(
        ENV,
        "env ALL=1 WHO=all\n app /line/* /bin/sh @DIR@/program line {match}\n\
         app {\n match /in /inner\n exec /bin/sh @DIR@/program block\n env WHO=block\n\
         pass_env PASSED\n}",
    );
    for (path, words, has, lacks) in [
        ("/line/a/b", "line /line/a", "\nWHO=all\n", "PASSED"),
        ("/inner", "block", "\nWHO=block\n", "WHO=all"),
        ("/in/x", "block", "\nPASSED=y\n", "SECRET"),
        ("/run", "/run GET", "\nWHO=all\n", "PASSED"),
    ] {
        let answer = curl(&[], &caddy.url(path));
        let text = format!("\n{}", answer.text());
        assert_eq!((answer.status, answer.header("x-args")), (200, words), "{path}: {text}");
        assert!(text.contains(has) && !text.contains(lacks), "{path}: {text}");
        assert!(text.contains("\nALL=1\n"), "{path}: {text}");
    }
    assert_eq!(curl(&[], &caddy.url("/line")).status, 404);
}

#[test]
fn what_programs_answer() {
    for (program, status, body) in [
        ("echo 'Status: 404 No'; echo; echo gone", 404, "gone\n"),
        ("echo 'Location: /a'; echo", 302, ""),
        ("echo 'Content-Length: 2'; echo; printf abcd", 200, "ab"),
        ("echo 'not CGI'", 502, ""),
        ("exit 1", 502, ""),
        ("echo oops >&2; echo 'Content-Type: text/plain'; echo; printf x", 200, "x"),
    ] {
        let caddy = site(program, "");
        let answer = curl(&[], &caddy.url("/run"));
        assert_eq!(answer.status, status, "{program}: {}", caddy.log());
        assert!(status == 502 || answer.text() == body, "{program}: {}", answer.text());
        if program.contains("oops") {
            assert!(caddy.log_with("oops").contains("oops"), "{}", caddy.log());
        }
    }
    for program in [
        "echo 'Content-Length: 9'; echo; printf ab",
        "echo 'Content-Type: text/plain'; echo; printf ab; kill -9 $$",
    ] {
        let caddy = site(program, "");
        let answer = curl(&[], &caddy.url("/run"));
        assert!(!answer.error.is_empty(), "{program}: a broken response looks whole: {answer:?}");
    }
}

#[test]
fn a_program_that_takes_too_long_is_stopped_with_its_children() {
    let caddy = site("sleep 3600 & echo $! > pid; wait", "timeout 3s");
    assert_eq!(curl(&[], &caddy.url("/run")).status, 504);
    let pid = std::fs::read_to_string(caddy.path("www/pid")).unwrap();
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        state.map_or(true, |state| state.contains(") Z ")).then_some(())
    };
    wait_for("the child's end", Duration::from_secs(20), gone);
}
