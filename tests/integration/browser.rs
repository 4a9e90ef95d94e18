//! Headless Chromium: the site over HTTP/3, as the operator of the main job sees it, a page with
//! many images, one with a WebSocket, and one whose uploads are refused.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{self, Caddy, EchoSockets, Origin, Setup, certificate, wait_for};

const PAGE: &str = "<!doctype html><title>t</title><p id=p>none</p><script>
const entry = performance.getEntriesByType('navigation')[0];
document.getElementById('p').textContent = 'protocol=' + entry.nextHopProtocol;
</script>";

/// Which trusts a certificate by its key.
fn chromium(profile: &Path, pin: &str, seconds: u64) -> Command {
    let mut command = harness::chromium(profile, seconds);
    command.arg(format!("--ignore-certificate-errors-spki-list={pin}"));
    command
}

#[test]
fn chromium_reports_h3() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, pin) = certificate(keys.path(), "10");
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n proxy / localhost:@PORT2@\n}}\n\
         http://:@PORT2@ {{\n root www\n}}\n"
    );
    let caddy = Setup::new(&site).arg("-quic").file("www/index.html", PAGE).start();
    let profile = tempfile::tempdir().unwrap();
    let done = chromium(profile.path(), &pin, 60)
        .args(["--enable-quic", "--virtual-time-budget=5000"])
        .arg(format!("--origin-to-force-quic-on=localhost:{}", caddy.port()))
        .args(["--dump-dom", &caddy.url("/")])
        .output()
        .expect("chromium");
    let dom = String::from_utf8_lossy(&done.stdout);
    assert!(dom.contains("protocol=h3"), "{dom}\n{}", String::from_utf8_lossy(&done.stderr));
}

/// Opens a page until the access log contains `part`, and returns the log.
fn visit(mut browser: Command, caddy: &Caddy, page: &str, part: &str) -> String {
    let mut browser = browser
        .arg("--remote-debugging-port=0")
        .arg(caddy.url(page))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromium");
    let log = wait_for(part, Duration::from_secs(60), || {
        Some(caddy.read("access.log")).filter(|log| log.contains(part))
    });
    kill(Pid::from_raw(browser.id() as i32), Signal::SIGTERM).unwrap();
    browser.wait().unwrap();
    log
}

#[test]
fn chromium_loads_what_early_hints_name() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, pin) = certificate(keys.path(), "10");
    for protocol in ["HTTP/2.0", "HTTP/3.0"] {
        let origin = Origin::start();
        let site = format!(
            "https://localhost:@PORT@ {{\n tls {cert} {key}\n proxy / {}\n \
             log / access.log \"{{proto}} {{uri}} {{status}}\"\n}}\n",
            origin.addr
        );
        let caddy = Setup::new(&site).arg("-quic").start();
        let profile = tempfile::tempdir().unwrap();
        let mut browser = chromium(profile.path(), &pin, 60);
        if protocol == "HTTP/3.0" {
            let forced = format!("--origin-to-force-quic-on=localhost:{}", caddy.port());
            browser.args(["--enable-quic", &forced]);
        }
        let log = visit(browser, &caddy, "/fault/hinted-page", "/preloaded.css");
        assert!(log.contains(&format!("{protocol} /preloaded.css 200")), "{log}");
    }
}

const GALLERY: &str = "<!doctype html><title>t</title><script>
let left = 20, good = 0;
const ended = (is_good) => { good += is_good; if (--left === 0) fetch('/told?' + good); };
for (let i = 0; i < 20; i++)
    document.write(`<img src='/parts/${i}.svg' onload='ended(1)' onerror='ended(0)'>`);
</script>";

/// An upstream that answers nobody before twenty requests wait.
fn gathering() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let waiting = Arc::new((Mutex::new(0), Condvar::new()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let waiting = waiting.clone();
            std::thread::spawn(move || gathered(stream, &waiting));
        }
    });
    addr
}

fn gathered(mut stream: TcpStream, (count, changed): &(Mutex<usize>, Condvar)) {
    let head = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(head.map_while(Result::ok).any(|line| line.is_empty()), "no end of the head");
    let mut waiting = count.lock().unwrap();
    *waiting += 1;
    changed.notify_all();
    let patience = Duration::from_secs(20);
    drop(changed.wait_timeout_while(waiting, patience, |waiting| *waiting < 20).unwrap());
    let all = *count.lock().unwrap() >= 20;
    let status = if all { "200 OK" } else { "504 Gateway Timeout" };
    let image = "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>";
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: image/svg+xml\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{image}",
        image.len()
    );
    let _ = stream.write_all(answer.as_bytes());
}

/// A first visit over HTTP/3. Without `Alt-Svc`, six requests at a time.
#[test]
fn chromium_requests_all_images_of_a_page_at_once() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, pin) = certificate(keys.path(), "10");
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n root www\n proxy /parts {}\n\
         log / access.log \"{{proto}} {{uri}} {{status}}\"\n}}\n",
        gathering()
    );
    let caddy = Setup::new(&site).arg("-quic").file("www/index.html", GALLERY).start();
    let profile = tempfile::tempdir().unwrap();
    let mut browser = chromium(profile.path(), &pin, 60);
    let forced = format!("--origin-to-force-quic-on=localhost:{}", caddy.port());
    browser.args(["--enable-quic", &forced]);
    let log = visit(browser, &caddy, "/", "/told");
    assert!(log.contains("HTTP/3.0 /told?20 404"), "{log}");
}

const CHAT: &str = "<!doctype html><title>t</title><script>
const socket = new WebSocket('wss://' + location.host + '/chat');
let got = 0;
const tell = (what) => fetch('/told?' + encodeURIComponent(what));
socket.onopen = () => { for (let i = 0; i < 10000; i++) socket.send('message ' + i); };
socket.onmessage = (event) => {
    if (event.data !== 'message ' + got) tell('wrong at ' + got);
    if (++got === 10000) socket.close(1000);
};
socket.onclose = (event) => tell(got + ' ' + event.code + ' ' + event.wasClean);
</script>";

#[test]
fn chromium_sends_ten_thousand_messages() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, pin) = certificate(keys.path(), "10");
    let origin = EchoSockets::start();
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n root www\n proxy /chat {}\n\
         log / access.log \"{{proto}} {{uri}} {{status}}\"\n}}\n",
        origin.addr
    );
    let caddy = Setup::new(&site).file("www/index.html", CHAT).start();
    let profile = tempfile::tempdir().unwrap();
    let log = visit(chromium(profile.path(), &pin, 60), &caddy, "/", "/told");
    assert!(log.contains("/told?10000%201000%20true"), "{log}");
    assert!(log.contains("HTTP/2.0 /chat 101"), "Chromium opens a stream: {log}");
}

const UPLOADS: &str = "<!doctype html><title>t</title><script>
(async () => {
    const data = new Uint8Array(2 * 1024 * 1024);
    const never = () => new Promise((settle) => setTimeout(() => settle('never'), 10000));
    const settled = [];
    for (let i = 0; i < 10; i++) {
        const upload = fetch('/up', { method: 'POST', body: data });
        settled.push(await Promise.race([upload.then((got) => got.status, String), never()]));
        if (settled[i] === 'never') break;
    }
    fetch('/told?' + settled.join());
})();
</script>";

#[test]
fn chromium_gets_the_response_that_comes_before_its_upload_has_ended() {
    let told = uploaded(UPLOADS, 60, |port| port);
    assert_eq!(told, ["413"; 10].join(","));
}

/// Over a slow road it takes longer than the time for which it is taken in whatever its pace.
const LONG_UPLOAD: &str = "<!doctype html><title>t</title><script>
(async () => {
    const upload = fetch('/up', { method: 'POST', body: new Uint8Array(5000000) });
    const never = new Promise((settle) => setTimeout(() => settle('never'), 80000));
    const settled = await Promise.race([upload.then((got) => got.status, String), never]);
    fetch('/told?' + settled + ',' + Math.round(performance.now() / 10000));
})();
</script>";

/// A path to the port of this machine on which clients get 100 KB a second through. As behind a
/// NAT, each address of a client, of which a browser may use several, has one of its own towards
/// the server.
fn slow_road(port: u16) -> u16 {
    let road = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = road.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut packet, mut mappings) = (vec![0; 65536], HashMap::new());
        let mut free = Instant::now();
        while let Ok((bytes, client)) = road.recv_from(&mut packet) {
            let beyond = mappings.entry(client).or_insert_with(|| {
                let beyond = UdpSocket::bind("127.0.0.1:0").unwrap();
                beyond.connect(("127.0.0.1", port)).unwrap();
                let (back, from) = (road.try_clone().unwrap(), beyond.try_clone().unwrap());
                std::thread::spawn(move || {
                    let mut packet = vec![0; 65536];
                    while let Ok(bytes) = from.recv(&mut packet) {
                        let _ = back.send_to(&packet[..bytes], client);
                    }
                });
                beyond
            });
            // By the clock: a thread that wakes up late makes the road no slower.
            let now = Instant::now();
            free = free.max(now.checked_sub(Duration::from_millis(200)).unwrap_or(now));
            free += Duration::from_micros(bytes as u64 * 10);
            std::thread::sleep(free.saturating_duration_since(now));
            let _ = beyond.send(&packet[..bytes]);
        }
    });
    at
}

#[test]
fn chromium_gets_the_response_to_a_long_upload() {
    let told = uploaded(LONG_UPLOAD, 110, slow_road);
    assert_eq!(told.split(',').next(), Some("413"), "{told}");
}

/// What a page over HTTP/3 tells of its uploads, which are too large.
fn uploaded(page: &str, seconds: u64, road: impl Fn(u16) -> u16) -> String {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, pin) = certificate(keys.path(), "10");
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n root www\n limits {{\n  body /up 1MB\n }}\n \
         log / access.log \"{{proto}} {{uri}} {{status}}\"\n}}\n"
    );
    let caddy = Setup::new(&site).file("www/index.html", page).start();
    let profile = tempfile::tempdir().unwrap();
    let mut browser = chromium(profile.path(), &pin, seconds)
        .args(["--enable-quic", "--remote-debugging-port=0"])
        .arg(format!(
            "--host-resolver-rules=MAP localhost:{} 127.0.0.1:{}",
            caddy.port(),
            road(caddy.port())
        ))
        .arg(format!("--origin-to-force-quic-on=localhost:{}", caddy.port()))
        .arg(caddy.url("/"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromium");
    let log = wait_for("the page's word", Duration::from_secs(seconds), || {
        Some(caddy.read("access.log")).filter(|log| log.contains("/told"))
    });
    kill(Pid::from_raw(browser.id() as i32), Signal::SIGTERM).unwrap();
    browser.wait().unwrap();
    let told = log.lines().find_map(|line| line.strip_prefix("HTTP/3.0 /told?"));
    told.unwrap_or_else(|| panic!("{log}")).trim_end_matches(" 404").to_owned()
}
