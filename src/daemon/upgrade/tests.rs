//! A real successor: this test's own program, started as one.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use super::*;

const HOW: &str = "CADDY_TEST_UPGRADE";

/// Runs only inside the processes that the tests start.
#[test]
fn child() {
    let Ok(how) = std::env::var(HOW) else { return };
    if how == "dies" {
        std::process::exit(3);
    }
    let (before, message) = predecessor().expect("the pair").expect("a predecessor");
    let mut stdin = String::new();
    io::stdin().read_to_string(&mut stdin).expect("/dev/null");
    assert_eq!(stdin, "");
    match how.as_str() {
        "fails" => before.failed("no such port"),
        "hangs" => std::thread::sleep(Duration::from_secs(60)),
        _ => {
            let files = message.files.len();
            if before.ready(&format!("{} {files}", message.text)).is_ok() {
                let mut last = File::from(message.files.into_iter().last().expect("files"));
                last.write_all(b"served").expect("write");
            }
        }
    }
    std::process::exit(0);
}

fn start(how: &str, files: &[std::os::fd::BorrowedFd<'_>]) -> Successor {
    let path = std::env::current_exe().expect("exe");
    let path = path.display();
    let script = format!("{HOW}={how} exec '{path}' --exact daemon::upgrade::tests::child");
    // The shell is replaced by the program, so the PID of its parent stays.
    let program = Program::new("/bin/sh".into(), &["-c", &script]);
    // A loaded machine takes its time to start the others.
    let patience = Duration::from_secs(if how == "hangs" { 2 } else { 30 });
    Successor::start(&program, "all that is mine", files, patience).expect("start")
}

#[test]
fn a_successor_gets_everything_and_serves_when_told() {
    let mut file = tempfile::tempfile().expect("file");
    let many = vec![file.as_fd(); 150];
    let successor = start("serves", &many);
    let verdict = successor.answer().expect("answer").wait().expect("a word");
    assert_eq!(verdict, Ok("all that is mine 150".to_owned()));
    let length = || file.metadata().expect("meta").len();
    assert_eq!(length(), 0, "not before the word");
    successor.go().expect("go").ended();
    assert_eq!(length(), 6);
    let mut text = String::new();
    file.rewind().expect("rewind");
    file.read_to_string(&mut text).expect("read");
    assert_eq!(text, "served");
}

#[test]
fn a_successor_that_cannot_serve_says_why() {
    let file = tempfile::tempfile().expect("file");
    for (how, says) in [
        ("fails", "no such port"),
        ("dies", "the new process ended before it was ready (exit status: 3)"),
        ("hangs", "the new process was not ready in time"),
    ] {
        let mut successor = start(how, &[file.as_fd()]);
        let verdict = match successor.answer().expect("answer").wait() {
            Ok(verdict) => verdict.expect_err("it cannot serve"),
            Err(error) => successor.silence(&error),
        };
        assert_eq!(verdict, says);
        drop(successor);
    }
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let program = Program::new("/no/such/caddy".into(), &[]);
    let error = Successor::start(&program, "", &[], Duration::from_secs(1)).err();
    assert_eq!(error.expect("an error").kind(), io::ErrorKind::NotFound);
}

#[test]
fn nobody_elses_child_is_a_successor() {
    assert!(predecessor().expect("no trouble").is_none());
}
