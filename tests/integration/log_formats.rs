//! What other programs read in the logs: goaccess and jq, and an upstream that gets `traceparent`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Caddy, Origin, Setup, curl, h3_one, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes that a client may send in a target or in a field.
const NASTY: [&[u8]; 5] = [
    b"say \"x\" \\ }",
    b"\xff\xfe latin\xe9",
    b"{remote} %{x} \t tab",
    b"\xe2\x80\xa8 line \xc2\x85 next",
    b"\"},{\"forged\":\"1",
];

/// The lines of a log, once there are so many.
fn lines(caddy: &Caddy, name: &str, count: usize) -> Vec<String> {
    wait_for(name, PATIENCE, || {
        let lines: Vec<_> = caddy.read(name).lines().map(str::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    })
}

/// Sends a request with this User-Agent, byte by byte as given.
fn get_as(port: u16, path: &str, agent: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n");
    let head = [head.as_bytes(), b"User-Agent: ", agent, b"\r\n\r\n"].concat();
    stream.write_all(&head).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 "), "{agent:?}");
}

/// What a program makes of a file on its standard input.
fn filtered(program: &str, arguments: &[&str], input: &Path) -> String {
    let done = Command::new(program)
        .args(arguments)
        .stdin(std::fs::File::open(input).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; tests/setup.sh installs it"));
    assert!(done.status.success(), "{program} {arguments:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn jq_reads_every_line_of_json() {
    let site = "https://localhost:@PORT@, http://localhost:@PORT2@ {
 tls self_signed
 tracing
 request_id
 basicauth /private kim secret
 log / access.json {json}
 log / own.json \"{\\\"time\\\":{when_unix_ms},\\\"uri\\\":\\\"{uri}\\\",\\\"agent\\\":\\\"<{>User-Agent}>\\\",
  \\\"user\\\":{user},\\\"status\\\":{status},\\\"line\\\":\\\"{combined}\\\"}\"
 status 503 /broken
 status 204 /
}
";
    let caddy = Setup::new(site).start();
    for (at, agent) in NASTY.into_iter().enumerate() {
        get_as(caddy.port2(), &format!("/{at}?q=%22{{}}"), agent);
    }
    let url = format!("http://localhost:{}", caddy.port2());
    assert_eq!(curl(&["-u", "kim:secret"], &format!("{url}/private")).status, 204);
    assert_eq!(curl(&[], &format!("{url}/broken")).status, 503);
    assert_eq!(curl(&["--http2"], &caddy.url("/h2")).status, 204);
    assert_eq!(h3_one(caddy.port(), json!({"path": "/h3"})).status, 204);
    let count = NASTY.len() + 4;
    for name in ["access.json", "own.json"] {
        assert_eq!(lines(&caddy, name, count).len(), count);
    }
    let broken = "select(.\"http.response.status_code\" >= 500) | .\"url.path\"";
    assert_eq!(filtered("jq", &["-r", broken], &caddy.path("access.json")), "/broken\n");
    let versions = "[.[].\"network.protocol.version\"] | sort | unique | join(\" \")";
    assert_eq!(filtered("jq", &["-sr", versions], &caddy.path("access.json")), "1.1 2 3\n");
    let typed = "[.[] | (.timestamp | test(\"^[0-9T:.-]+Z$\")) and (.trace_id | length) == 32 and \
                 .\"http.server.request.duration\" < 60 and .\"client.address\" == \"127.0.0.1\" \
                 and (.\"caddy.request_id\" | length) == 36] | all";
    assert_eq!(filtered("jq", &["-s", typed], &caddy.path("access.json")), "true\n");
    let agents = filtered("jq", &["-s", "map(.agent)"], &caddy.path("own.json"));
    let agents: Vec<String> = serde_json::from_str(&agents).unwrap();
    for (agent, seen) in NASTY.into_iter().zip(agents) {
        assert_eq!(seen, format!("<{}>", String::from_utf8_lossy(agent)));
    }
    let users = "[.[] | select(.user != null)] | map(\"\\(.uri) \\(.user)\") | join(\",\")";
    let users = filtered("jq", &["-sr", users], &caddy.path("own.json"));
    assert_eq!(users, "/private kim\n");
    let line: Value = serde_json::from_str(&lines(&caddy, "own.json", 1)[0]).unwrap();
    let end = "\"GET /0?q=%22{} HTTP/1.1\" 204 0 \"-\" \"say \\\"x\\\" \\\\ }\"";
    assert!(line["line"].as_str().unwrap().ends_with(end), "{line}");
}

#[test]
fn goaccess_reads_combined() {
    let site = "http://localhost:@PORT@\nlog / access.log {combined}\n\
                status 404 /missing\nstatus 500 /broken\nstatus 204 /\n";
    let caddy = Setup::new(site).start();
    let url = |path: &str| format!("http://localhost:{}{path}", caddy.port());
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
    for (path, times) in [("/a?b=c", 5), ("/missing", 3), ("/broken", 2)] {
        for _ in 0..times {
            curl(&["-A", agent, "-e", "https://other.test/page"], &url(path));
        }
    }
    get_as(caddy.port(), "/quoted", b"say x\\y");
    lines(&caddy, "access.log", 11);
    let report = caddy.path("report.json");
    let log = caddy.path("access.log");
    let done = Command::new("goaccess")
        .arg(&log)
        .args(["--log-format=COMBINED", "--no-global-config", "--no-progress", "-o"])
        .arg(&report)
        .output()
        .expect("goaccess, which tests/setup.sh installs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let read: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    let general = &read["general"];
    let counts = ["total_requests", "valid_requests", "failed_requests"].map(|n| &general[n]);
    assert_eq!(counts, [&json!(11), &json!(11), &json!(0)], "{general}");
    // What was sent again and again, with status and referrer in their places.
    let statuses = read["status_codes"]["data"].as_array().unwrap();
    let hits = |class: &str| {
        let of = statuses.iter().find(|one| one["data"].as_str().unwrap().starts_with(class));
        of.unwrap_or_else(|| panic!("{class}: {statuses:?}"))["hits"]["count"].clone()
    };
    assert_eq!([hits("2"), hits("4"), hits("5")], [json!(6), json!(3), json!(2)]);
    let sites = read["referring_sites"]["data"].to_string();
    assert!(sites.contains("other.test"), "{sites}");
}

/// The first record of a log of objects that has these words.
fn record(file: &Path, words: &str) -> Value {
    record_where(file, words, |body| body.contains(words))
}

fn record_where(file: &Path, what: &str, is_it: impl Fn(&str) -> bool) -> Value {
    wait_for(what, PATIENCE, || {
        let text = std::fs::read_to_string(file).unwrap();
        let objects = text.lines().filter(|_| text.ends_with('\n')).map(|line| {
            let object = serde_json::from_str::<Value>(line);
            object.unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        objects.into_iter().find(|object| is_it(object["body"].as_str().unwrap()))
    })
}

#[test]
fn the_process_log_is_json_too() {
    let site = "http://localhost:@PORT@\nproxy / 127.0.0.1:1\n";
    let caddy = Setup::new(site).arg("-log=process.log").arg("-log-format=json").start();
    curl(&[], &format!("http://localhost:{}/a\"", caddy.port()));
    let failed = record(&caddy.path("process.log"), " 502 GET /a\"");
    assert_eq!(
        (&failed["severity_text"], &failed["severity_number"]),
        (&json!("ERROR"), &json!(17))
    );
    assert!(failed["timestamp"].as_str().unwrap().ends_with('Z'));
    let started = record(&caddy.path("process.log"), "http://localhost:");
    assert_eq!(started["severity_text"], "INFO");
}

#[test]
fn standard_output_has_objects_only() {
    let setup = Setup::new("http://localhost:@PORT@\nerrors stdout\nproxy / 127.0.0.1:1\n");
    let path = setup.dir().join("said");
    let mut command = setup.command();
    command.args(["-log=stdout", "-log-format=json"]).stdout(std::fs::File::create(&path).unwrap());
    let mut child = command.spawn().unwrap();
    let url = format!("http://localhost:{}/b", setup.ports[0]);
    wait_for("an answer", PATIENCE, || (curl(&[], &url).status == 502).then_some(()));
    let failed = record(&path, " 502 GET /b");
    // The other may come first, and names the site too.
    let site = format!("http://localhost:{}", setup.ports[0]);
    let started = record_where(&path, "the site's line", |body| body == site);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!([&failed["severity_text"], &started["severity_text"]], ["ERROR", "INFO"]);
}

#[test]
fn the_journal_gets_objects_behind_their_priorities() {
    let site = "http://:@PORT@ {\n log / stderr {json}\n tls a\n proxy /a 127.0.0.1:1\n}\n";
    let setup = Setup::new(site);
    let path = setup.dir().join("journal");
    let file = std::fs::File::create(&path).unwrap();
    let meta = file.metadata().unwrap();
    let mut command = setup.command();
    command.args(["-quiet", "-log", "stderr", "-log-format", "json"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", meta.dev(), meta.ino())).stderr(file);
    let mut child = command.spawn().unwrap();
    let url = format!("http://localhost:{}/a", setup.ports[0]);
    let read = || std::fs::read_to_string(&path).unwrap();
    wait_for("an answer", PATIENCE, || (curl(&[], &url).status == 502).then_some(()));
    let whole = |text: &str| text.contains("<3>{") && text.contains("\"url.path\":\"/a\"");
    let said = wait_for("both lines", PATIENCE, || Some(read()).filter(|text| whole(text)));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.contains("<4>{"), "a warning: {said}");
    for line in said.lines() {
        let (priority, object) = line.split_at(3);
        assert!(["<3>", "<4>", "<6>"].contains(&priority), "{line}");
        let object: Value = serde_json::from_str(object).unwrap();
        assert!(object["timestamp"].is_string(), "{line}");
    }
}

#[test]
fn lost_lines_leave_the_log_json() {
    let caddy = Setup::new("http://localhost:@PORT@\nlog / small/a.json {json}\nstatus 204 /\n")
        .world("mkdir @DIR@/small\nmount -t tmpfs -o size=64k none @DIR@/small")
        .start();
    let filler = caddy.inside("small/filler");
    std::fs::write(&filler, vec![0; 60 * 1024]).unwrap();
    let url = format!("http://localhost:{}/{}", caddy.port(), "x".repeat(2000));
    for _ in 0..20 {
        assert_eq!(curl(&[], &url).status, 204);
    }
    wait_for("the complaint", PATIENCE, || caddy.log().contains("No space left").then_some(()));
    std::fs::remove_file(&filler).unwrap();
    let file = caddy.inside("small/a.json");
    let lost = wait_for("lost lines", PATIENCE, || {
        curl(&[], &url);
        let text = std::fs::read_to_string(&file).unwrap();
        text.lines().find(|line| line.contains(" lines lost")).map(str::to_owned)
    });
    let lost: Value = serde_json::from_str(&lost).unwrap();
    assert_eq!(lost["severity_text"], "WARN");
    // One line may have been cut by the full disk.
    let text = std::fs::read_to_string(&file).unwrap();
    let broken = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count();
    assert!(broken <= 1, "{text}");
}

#[test]
fn an_object_that_is_none_is_refused() {
    let setup = Setup::new("localhost {\n log / a.json \"{\\\"a\\\":\\\"{uri}\\\",}\"\n}\n");
    let done = setup.arg("-validate").output();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(crate::harness::NOT_CONFIGURED), "{said}");
    let told = "Caddyfile:2 - Parse error: log: the format begins as a JSON object, but at '}'";
    assert!(
        said.contains(told) && said.contains(":15\n") && said.contains("hint: write {json}, or"),
        "{said}"
    );
}

#[test]
fn traces_go_on_to_the_upstream() {
    let origin = Origin::start();
    let site = "https://localhost:@PORT@ {\n tls self_signed\n tracing\n\
                log / access.log \"{trace_id} {span_id}\"\n proxy / @ORIGIN@\n}\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).start();
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{id}-00f067aa0ba902b7-01");
    let header = format!("traceparent: {parent}");
    let sent = ["-H", &header, "-H", "tracestate: a=1", "-H", "tracestate: b=2,c"];
    assert_eq!(curl(&sent, &caddy.url("/status/200?1")).status, 200);
    let upper = format!("traceparent: {}", parent.to_uppercase());
    assert_eq!(
        curl(&["-H", &upper, "-H", "tracestate: a=1"], &caddy.url("/status/200?2")).status,
        200
    );
    assert_eq!(h3_one(caddy.port(), json!({"path": "/status/200?3"})).status, 200);
    // One that no directive sees has its IDs too.
    assert_eq!(curl(&["-X", "TRACE"], &caddy.url("/")).status, 405);
    let lines = lines(&caddy, "access.log", 4);
    let recorded = origin.requests();
    assert_eq!(recorded.len(), 3);
    for (request, line) in recorded.iter().zip(&lines) {
        let (id, span) = line.split_once(' ').unwrap();
        assert_eq!(request.header("traceparent"), Some(&*format!("00-{id}-{span}-01")));
    }
    assert!(lines[0].starts_with(id) && !lines[0].ends_with("00f067aa0ba902b7"));
    assert_eq!(recorded[0].all("tracestate"), ["a=1", "b=2,c"]);
    for (request, line) in recorded[1..].iter().zip(&lines[1..]) {
        assert!(!line.starts_with(id) && request.header("tracestate").is_none(), "{line}");
    }
    assert_eq!(lines[3].len(), 32 + 1 + 16);
}

#[test]
fn samples_have_every_failure() {
    let site = "http://localhost:@PORT@\nlog / a.log {status} {\n sample 1/1000000\n}\n\
                status 503 /broken\nstatus 204 /\n";
    let caddy = Setup::new(site).start();
    let url = |path: &str| format!("http://localhost:{}{path}", caddy.port());
    for path in ["/", "/", "/broken", "/", "/broken"] {
        curl(&[], &url(path));
    }
    assert_eq!(lines(&caddy, "a.log", 2), ["503", "503"]);
}
