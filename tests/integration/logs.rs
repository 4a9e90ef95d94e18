//! Logs under the conditions of a long life: rolled, rotated from outside, on a full disk, to a
//! syslog that stalls or starts anew, to a pipe that nobody reads.

use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Caddy, Setup, curl, keep_alive_get, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// A kibibyte, and nearly all that a request's target may have.
const KIB: usize = 1024;
const LONG: usize = 7 * KIB;

/// Sends requests for `/NUMBER/xxx…`, each with a path of `len` bytes.
fn get(caddy: &Caddy, numbers: std::ops::Range<usize>, len: usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
    for number in numbers {
        let path = format!("/{number}/");
        let path = format!("{path}{}", "x".repeat(len.saturating_sub(path.len())));
        assert_eq!(keep_alive_get(&mut stream, &path), Some(404), "{number}");
    }
}

/// The numbers of the requests in log lines that are a path.
fn numbers(text: &str) -> Vec<usize> {
    let number = |line: &str| line.strip_prefix('/')?.split('/').next()?.parse().ok();
    text.lines().filter_map(number).collect()
}

/// What the lines about lost lines add up to.
fn lost(text: &str) -> usize {
    let count = |line: &str| {
        let (_, rest) = line.split_once("[WARNING] ")?;
        rest.strip_suffix(" lines lost")?.parse::<usize>().ok()
    };
    text.lines().filter_map(count).sum()
}

fn settled(text: impl Fn() -> String, done: impl Fn(&str) -> bool) -> String {
    wait_for("the log", PATIENCE, || Some(text()).filter(|text| done(text)))
}

/// All files of a directory whose names begin so, by name.
fn files(dir: &Path, prefix: &str) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort();
    names
}

#[test]
fn a_full_disk_costs_counted_lines_and_no_request() {
    let caddy = Setup::new("http://:@PORT@\nlog / small/access.log {uri} {\n rotate_disable\n}\n")
        .world("mkdir @DIR@/small\nmount -t tmpfs -o size=128k none @DIR@/small")
        .start();
    let log = || std::fs::read_to_string(caddy.inside("small/access.log")).unwrap_or_default();
    let filler = caddy.inside("small/filler");
    std::fs::write(&filler, vec![0; 64 * KIB]).unwrap();
    get(&caddy, 0..100, KIB);
    wait_for("the complaint", PATIENCE, || {
        let complaint = "[WARNING] log: cannot write ";
        (caddy.log().contains(complaint) && caddy.log().contains("No space left")).then_some(())
    });
    let full = log();
    std::fs::remove_file(&filler).unwrap();
    get(&caddy, 100..110, KIB);
    let text = settled(log, |text| numbers(text).contains(&109));
    assert!(text.starts_with(&full), "what was written stays");
    let whole = text.lines().filter(|line| line.len() == KIB && line.starts_with('/')).count();
    assert!(lost(&text) > 0, "some did not fit");
    assert_eq!(whole + lost(&text), 110, "each line is there or counted");
}

#[test]
fn logrotate_keeps_every_line() {
    let caddy = Caddy::start("http://:@PORT@\nlog / access.log {uri}\n");
    for (round, signal) in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGHUP].into_iter().enumerate()
    {
        get(&caddy, round * 100..round * 100 + 50, 20);
        // Without copytruncate: a rename, and then the signal.
        let old = caddy.path(&format!("access.log.{round}"));
        std::fs::rename(caddy.path("access.log"), old).unwrap();
        get(&caddy, round * 100 + 50..round * 100 + 100, 20);
        caddy.signal(signal);
        wait_for("the new file", PATIENCE, || caddy.path("access.log").exists().then_some(()));
    }
    get(&caddy, 300..310, 20);
    let all = || {
        let names = ["access.log.0", "access.log.1", "access.log.2", "access.log"];
        names.map(|name| caddy.read(name)).concat()
    };
    let text = settled(all, |text| numbers(text).len() >= 310);
    assert_eq!(numbers(&text), (0..310).collect::<Vec<_>>());
}

#[test]
fn access_logs_roll_by_size_and_keep_some() {
    let block = "{\n rotate_size 1\n rotate_keep 2\n rotate_compress\n}";
    let caddy = Caddy::start(&format!("http://:@PORT@\nlog / logs/access.log {{uri}} {block}\n"));
    let dir = caddy.path("logs");
    get(&caddy, 0..700, LONG);
    // Nothing rolls behind the last line.
    settled(|| caddy.read("logs/access.log"), |text| numbers(text).contains(&699));
    let kept = wait_for("two compressed files", PATIENCE, || {
        let files = files(&dir, "access-");
        (files.len() == 2 && files.iter().all(|name| name.ends_with(".log.gz"))).then_some(files)
    });
    let mut text = String::new();
    for name in kept {
        let file = std::fs::File::open(dir.join(name)).unwrap();
        let mut unpacked = flate2::read::GzDecoder::new(file);
        std::io::Read::read_to_string(&mut unpacked, &mut text).unwrap();
    }
    text += &settled(|| caddy.read("logs/access.log"), |text| numbers(text).contains(&699));
    let numbers = numbers(&text);
    let first = numbers[0];
    assert!(first > 200 && text.len() > 2_000 * KIB, "two files and the current one: {first}");
    assert_eq!(numbers, (first..700).collect::<Vec<_>>());
}

/// Both the log of requests and that of errors, each with a rolled file of long ago and one of
/// today.
#[test]
fn old_files_go_where_a_log_rolls() {
    let caddyfile = "http://:@PORT@\nlog / access.log {uri} {\n rotate_size 1\n rotate_age 1\n}\n\
                     errors {\n log errors.log\n rotate_size 1\n rotate_age 1\n rotate_keep 2\n \
                     rotate_compress\n}\nproxy / 127.0.0.1:1\n";
    let long_ago = "2020-01-02T03-04-05.000.log";
    let now = chrono::Local::now().format("%Y-%m-%dT%H-%M-%S%.3f.log");
    let mut setup = Setup::new(caddyfile);
    for log in ["access", "errors"] {
        setup = setup.file(&format!("{log}-{long_ago}"), "long ago");
        setup = setup.file(&format!("{log}-{now}"), "today");
    }
    let caddy = setup.start();
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
    for _ in 0..200 {
        assert_eq!(keep_alive_get(&mut stream, &format!("/{}", "x".repeat(LONG))), Some(502));
    }
    for (log, ending) in [("access", ".log"), ("errors", ".log.gz")] {
        let kept = wait_for("rolled files", PATIENCE, || {
            let kept = files(&caddy.path(""), &format!("{log}-"));
            (kept.len() == 2 && kept.iter().all(|name| name.ends_with(ending))).then_some(kept)
        });
        assert_eq!(kept[0].trim_end_matches(".gz"), format!("{log}-{now}"), "{kept:?}");
    }
}

#[test]
fn a_log_that_is_not_rotated_stays_one_file() {
    let caddyfile = "http://:@PORT@\nlog / access.log {uri} {\n rotate_size 1\n rotate_disable\n}\n\
                     errors {\n log errors.log\n rotate_size 1\n rotate_disable\n}\n\
                     proxy / 127.0.0.1:1\n";
    let caddy = Caddy::start(caddyfile);
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
    for _ in 0..200 {
        assert_eq!(keep_alive_get(&mut stream, &format!("/{}", "x".repeat(LONG))), Some(502));
    }
    for log in ["access", "errors"] {
        settled(|| caddy.read(&format!("{log}.log")), |text| text.len() >= 200 * LONG);
        assert!(files(&caddy.path(""), &format!("{log}-")).is_empty(), "{log}");
    }
}

#[test]
fn the_process_log_rolls() {
    let site = "http://:@PORT@\nlog\nproxy / 127.0.0.1:1 {\n without /x\n}\n";
    let caddy = Setup::new(site).arg("-log-roll-mb=1").arg("-log=process.log").start();
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
    for _ in 0..200 {
        assert_eq!(keep_alive_get(&mut stream, &format!("/{}", "x".repeat(LONG))), Some(502));
    }
    let rolled = wait_for("a rolled file", PATIENCE, || {
        files(&caddy.path(""), "process-").into_iter().find(|name| name.ends_with(".log.gz"))
    });
    let file = std::fs::File::open(caddy.path(&rolled)).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
    assert!(text.contains("[INFO] http://:") && text.contains("[ERROR] http://:"));
}

/// A /dev whose log is the test's own socket.
const OWN_DEV: &str = "mkdir @DIR@/dev
for name in null zero urandom; do
    touch @DIR@/dev/$name
    mount --bind /dev/$name @DIR@/dev/$name
done
ln -s @DIR@/syslog @DIR@/dev/log
mount --rbind @DIR@/dev /dev";

struct Syslogd(UnixDatagram);

impl Syslogd {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The next message that holds the words.
    fn hear(&self, words: &str) -> String {
        let mut buffer = [0; 16 * 1024];
        loop {
            let len = self.0.recv(&mut buffer).expect(words);
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if text.contains(words) {
                return text;
            }
        }
    }
}

#[test]
fn local_syslog_end_to_end() {
    let setup =
        Setup::new("http://:@PORT@\nlog / syslog {uri}\n").arg("-log=syslog").world(OWN_DEV);
    let path = setup.dir().join("syslog");
    let first = Syslogd::listen(&path);
    let caddy = setup.start();
    let tag = format!(" caddy[{}]: ", caddy.pid());
    let started = first.hear("http://:");
    assert!(started.starts_with("<30>") && started.contains(&tag), "{started}");

    // It stalls: its queue holds a handful of messages, and nobody reads. Requests go on.
    let began = Instant::now();
    get(&caddy, 0..200, 100);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    for number in 0..200 {
        let line = first.hear(&format!("{tag}/{number}/x"));
        assert!(line.starts_with("<134>"), "{line}");
    }

    // It is started anew: what comes while it is away is counted.
    drop(first);
    std::fs::remove_file(&path).unwrap();
    get(&caddy, 200..203, 100);
    std::thread::sleep(Duration::from_secs(3));
    let second = Syslogd::listen(&path);
    std::thread::sleep(Duration::from_secs(1));
    get(&caddy, 203..204, 100);
    assert!(second.hear("lines lost").contains(&tag));
    second.hear(&format!("{tag}/203/x"));
}

#[test]
fn remote_syslog_over_tcp_starts_late_and_dies() {
    let port = crate::harness::free_port();
    let text = format!("http://:@PORT@\nlog / syslog+tcp://127.0.0.1:{port} {{uri}}\n");
    let caddy = Caddy::start(&text);
    get(&caddy, 0..20, 100);
    for round in 1..3 {
        let server = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (got, lines) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let (stream, _) = server.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut reader = std::io::BufReader::new(stream);
            let mut line = String::new();
            while !line.contains("/last") {
                line.clear();
                std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
                got.send(line.clone()).unwrap();
            }
        });
        // The pauses between attempts grow; requests that come meanwhile are answered at once.
        wait_for("the connection", PATIENCE, || {
            get(&caddy, round * 100..round * 100 + 1, 100);
            lines.try_recv().ok().filter(|line| line.starts_with("<13"))
        });
        assert_eq!(curl(&[], &format!("http://localhost:{}/last", caddy.port())).status, 404);
        reader.join().unwrap();
    }
}

#[test]
fn a_pipe_that_nobody_reads_stops_no_request() {
    let setup = Setup::new("http://:@PORT@\nlog / stdout {uri}\nerrors stderr\n");
    let port = setup.ports[0];
    let mut command = setup.command();
    command.args(["-quiet", "-log=stderr"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stream =
        wait_for("the server", PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok());
    let path = format!("/{}", "x".repeat(LONG));
    let began = Instant::now();
    let answered = (0..300).filter(|_| keep_alive_get(&mut stream, &path) == Some(404)).count();
    let took = began.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answered, 300);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn gzip_without_errors_sends_and_logs_errors() {
    let caddy = Caddy::start("http://:@PORT@\ngzip\nproxy / 127.0.0.1:1\n");
    let options = ["-H", "Accept-Encoding: gzip"];
    let answer = curl(&options, &format!("http://localhost:{}/x.html", caddy.port()));
    assert_eq!((answer.status, answer.text().as_str()), (502, "502 Bad Gateway\n"));
    assert_eq!(answer.header("content-encoding"), "");
    settled(|| caddy.log(), |log| log.contains("502 GET /x.html: upstream "));
}
