//! What an upstream may do wrong, and what becomes of it over each protocol. The table is
//! `upstream_faults.txt`.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Answer, Caddy, Origin, Setup, curl, free_port, h3_patient, wait_for};

const PROTOCOLS: [&str; 3] = ["h1", "h2", "h3"];
/// An upload that no buffer takes whole.
const UPLOAD: usize = 3_000_000;

#[derive(Debug)]
struct Row<'a> {
    name: &'a str,
    connection: &'a str,
    method: &'a str,
    path: &'a str,
    seen: &'a str,
    logged: &'a str,
    made: usize,
    left: usize,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(row).collect()
}

fn row(line: &str) -> Row<'_> {
    let fields: Vec<_> = line.split(" ; ").map(str::trim).collect();
    let [name, connection, request, seen, logged, made, left] = fields[..] else {
        panic!("seven fields: {line}")
    };
    let (method, path) = request.split_once(' ').expect(line);
    let (made, left) = (made.parse().unwrap(), left.parse().unwrap());
    Row { name, connection, method, path, seen, logged, made, left }
}

/// One worker, so that it is known which connection is kept where.
fn before(origin: &Origin, row: &Row<'_>) -> Caddy {
    let keep = if row.connection == "kept" { "" } else { "keepalive 0" };
    let site = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n errors errors.log\n \
         proxy / @ORIGIN@ {{\n{keep}\n}}\n}}\n"
    );
    let addr = origin.addr.to_string();
    let nobody = format!("127.0.0.1:{}", free_port());
    let to = if row.connection == "none" { nobody } else { addr };
    Setup::new(&site).set("ORIGIN", to).arg("-cpu=1").start()
}

/// What a client sees, in the table's words.
fn seen(caddy: &Caddy, protocol: &str, method: &str, path: &str) -> String {
    let answer = match (protocol, method) {
        ("h1" | "h2", "PUT") => {
            let file = caddy.path("upload");
            std::fs::write(&file, vec![b'x'; UPLOAD]).unwrap();
            let version = if protocol == "h1" { "--http1.1" } else { "--http2" };
            curl(&[version, "-T", &file.display().to_string()], &caddy.url(path))
        }
        ("h3", _) => {
            let mut job = json!({"method": method, "path": path});
            match method {
                "PUT" => job["body_len"] = UPLOAD.into(),
                "POST" => job["body"] = "once".into(),
                _ => {}
            }
            h3_patient(caddy.port(), job)
        }
        _ => {
            let version = if protocol == "h1" { "--http1.1" } else { "--http2" };
            let post = ["--data", "once"];
            let options = if method == "POST" { &post[..] } else { &[] };
            curl(&[&[version], options].concat(), &caddy.url(path))
        }
    };
    // What became of the rest of an upload is the client's own affair.
    if method == "PUT" { answer.status.to_string() } else { in_words(&answer) }
}

fn in_words(answer: &Answer) -> String {
    match (answer.error.is_empty(), answer.status) {
        (false, _) => "cut".to_owned(),
        (true, 200) => format!("200 {}", answer.text()),
        (true, status) => status.to_string(),
    }
}

/// Gives what is written and closed after an answer its time.
fn settle(is_done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_done() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What is wrong with the row, if anything is.
fn check(row: &Row<'_>, protocols: &[&str]) -> Vec<String> {
    let origin = Origin::start();
    let caddy = before(&origin, row);
    let mut wrong = vec![];
    for &protocol in protocols {
        if row.connection == "kept" {
            let well = seen(&caddy, protocol, "GET", "/well");
            assert_eq!(well, "200 hello", "{} over {protocol}", row.name);
        }
        let before = origin.requests().len();
        let got = seen(&caddy, protocol, row.method, row.path);
        let made = origin.requests().len() - before;
        if (got.as_str(), made) != (row.seen, row.made) {
            wrong.push(format!("{} over {protocol}: {got}, {made} requests", row.name));
        }
    }
    let want = if row.logged == "-" { 0 } else { protocols.len() };
    let counted = || {
        let (log, prefix) = match row.seen {
            "cut" => (caddy.log(), "[ERROR] response of ".to_owned()),
            status => (caddy.read("errors.log"), format!("[ERROR {status} {}] ", row.path)),
        };
        let lines = log.lines().filter(|line| line.contains(&prefix) && line.contains(row.logged));
        let errors = caddy.read("errors.log").lines().count();
        (lines.count(), errors + caddy.log().matches("[ERROR]").count())
    };
    settle(|| counted() == (want, want));
    let (lines, errors) = counted();
    if (lines, errors) != (want, want) {
        let all = [caddy.read("errors.log"), caddy.log()].concat();
        wrong.push(format!("{}: {lines} lines {:?}, {errors} in all: {all}", row.name, row.logged));
    }
    let open = || origin.open.load(Ordering::SeqCst);
    settle(|| open() == row.left);
    let left = open();
    if left != row.left {
        wrong.push(format!("{}: {left} connections left", row.name));
    }
    wrong
}

#[test]
fn every_fault_over_every_protocol() {
    let rows = rows(include_str!("upstream_faults.txt"));
    assert!(rows.len() >= 35, "{} rows", rows.len());
    // The silent ones take a minute: all at once, beside the others.
    let (silent, quick): (Vec<_>, Vec<_>) = rows.iter().partition(|row| {
        ["never", "long-length", "open-chunks"].iter().any(|word| row.path.contains(word))
    });
    let (queue, wrong) = (Mutex::new(quick), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for row in silent {
            for protocol in &PROTOCOLS {
                let wrong = &wrong;
                scope.spawn(move || {
                    let found = check(row, &[protocol]);
                    wrong.lock().unwrap().extend(found);
                });
            }
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(row) = { queue.lock().unwrap().pop() } {
                    let found = check(row, &PROTOCOLS);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_service_goes_on_after_every_fault() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let table = rows(include_str!("upstream_faults.txt"));
    let quick = |row: &&Row<'_>| row.connection == "kept" && row.method == "GET";
    for row in table.iter().filter(quick) {
        seen(&caddy, "h1", row.method, row.path);
        assert_eq!(seen(&caddy, "h3", "GET", "/x"), "200 hello", "after {}", row.name);
    }
    wait_for("the origin's connections to settle", Duration::from_secs(30), || {
        (origin.open.load(Ordering::SeqCst) <= 2).then_some(())
    });
}
