//! `fastcgi` before Debian's php-fpm and a set of pages, over each protocol.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, Caddy, Fpm, Setup, by_all, crc, curl, h3_one, pattern, wait_for};

const SIZE: usize = 50 * 1024 * 1024;
/// In KiB.
const MOST_MEMORY: u64 = 100 * 1024;

/// A site with the pages of `tests/php`, over TLS and plain.
fn site(addresses: &str, options: &str, lines: &str) -> Setup {
    let block = format!(
        "root @DIR@/www\n errors errors.log\n {lines}\n fastcgi / {addresses} {{\n{options}\n}}\n"
    );
    let text = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n {block}\n}}\nhttp://:@PORT2@ {{\n {block}\n}}\n"
    );
    let mut setup = Setup::new(&text).file("www/plain.txt", "plain");
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/php");
    for page in std::fs::read_dir(pages).unwrap().flatten() {
        let name = format!("www/{}", page.file_name().display());
        setup = setup.file(&name, std::fs::read(page.path()).unwrap());
    }
    setup
}

fn php(fpm: &Fpm, options: &str) -> Caddy {
    site(&format!("{} php", fpm.unix), options, "").start()
}

#[test]
fn phpinfo_by_unix_socket_and_tcp() {
    let fpm = Fpm::start();
    for address in [&fpm.unix, &fpm.tcp] {
        let caddy = site(&format!("{address} php"), "", "").start();
        for (protocol, answer) in by_all(&caddy, "/info.php") {
            let text = answer.text();
            assert_eq!(answer.status, 200, "{protocol}");
            assert!(text.contains("PHP Version 8.2"), "{protocol}: {text}");
            assert!(text.contains("FPM/FastCGI"), "{protocol}");
        }
        for (protocol, answer) in by_all(&caddy, "/plain.txt") {
            assert_eq!(answer.text(), "plain", "{protocol}");
        }
    }
}

#[test]
fn what_a_script_is_told() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "env APP {hostonly}/{>X-App}");
    let names = "PATH_INFO SCRIPT_NAME PHP_SELF REQUEST_URI HTTPS SERVER_NAME QUERY_STRING APP";
    let path = format!("/env.php/a/b%20c?names={}", names.replace(' ', "%20"));
    for (protocol, answer) in by_all(&caddy, &path) {
        let uri = format!("{path}\n");
        let query = path.split_once('?').unwrap().1;
        let want = format!(
            "PATH_INFO=/a/b c\nSCRIPT_NAME=/env.php\nPHP_SELF=/env.php/a/b c\nREQUEST_URI={uri}\
             HTTPS=on\nSERVER_NAME=localhost\nQUERY_STRING={query}\nAPP=localhost/\n"
        );
        assert_eq!(answer.text(), want, "{protocol}");
    }
    let names = "SERVER_PROTOCOL%20REMOTE_ADDR%20SCRIPT_FILENAME%20HTTP_PROXY%20HTTP_X_REAL_IP";
    let deceit = ["-H", "Proxy: http://evil", "-H", "X_Real_IP: 6.6.6.6", "-H", "X.Real.IP: 6"];
    let answer = curl(&deceit, &caddy.plain(&format!("/env.php?names={names}")));
    let file = caddy.path("www/env.php").display().to_string();
    let want = format!(
        "SERVER_PROTOCOL=HTTP/1.1\nREMOTE_ADDR=127.0.0.1\nSCRIPT_FILENAME={file}\n\
         HTTP_PROXY=(none)\nHTTP_X_REAL_IP=(none)\n"
    );
    assert_eq!(answer.text(), want);
}

#[test]
fn a_script_is_told_of_tls_and_of_the_content() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "");
    let names = "SERVER_ADDR%20SSL_PROTOCOL%20SSL_CIPHER%20HTTP_CONTENT_TYPE%20HTTP_CONTENT_LENGTH";
    let path = format!("/env.php?names={names}");
    let sent = ["-H", "Content-Type: text/x", "-d", "abc", "-4"];
    for (options, protocol, cipher) in [
        (
            &["--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384"][..],
            "TLSv1.2",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
        ),
        (&["--tls13-ciphers", "TLS_AES_128_GCM_SHA256"], "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ] {
        let answer = curl(&[&sent[..], options].concat(), &caddy.url(&path));
        let want = format!(
            "SERVER_ADDR=127.0.0.1\nSSL_PROTOCOL={protocol}\nSSL_CIPHER={cipher}\n\
             HTTP_CONTENT_TYPE=text/x\nHTTP_CONTENT_LENGTH=3\n"
        );
        assert_eq!(answer.text(), want);
    }
    let answer = curl(&["-4"], &caddy.plain(&path)).text();
    assert!(answer.contains("SSL_PROTOCOL=(none)\nSSL_CIPHER=(none)\n"), "{answer}");
}

/// Where php-fpm sees files that this machine has not.
#[test]
fn an_empty_root_is_passed_on_without_a_look() {
    let fpm = Fpm::start();
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/php");
    let text = "http://:@PORT@, http://:@PORT2@ {\n root @DIR@/empty\n fastcgi / @FPM@ php {\n \
                root @DIR@/empty\n env SCRIPT_FILENAME @PAGES@/env.php\n}\n}\n";
    let setup = Setup::new(text).set("FPM", &fpm.unix).set("PAGES", pages.display());
    std::fs::create_dir(setup.dir().join("empty")).unwrap();
    let caddy = setup.start();
    let words = "fastcgi /: nothing is in ";
    assert!(caddy.log_with(words).contains(words), "{}", caddy.log());
    let answer = curl(&[], &caddy.plain("/env.php?names=SCRIPT_NAME"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "SCRIPT_NAME=/env.php\n"));
}

/// A form of one file and one field, as a browser sends it.
fn form(file: &[u8]) -> Vec<u8> {
    let head = "--edge\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nsaid\r\n--edge\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"big\"\r\n\r\n";
    [head.as_bytes(), file, b"\r\n--edge--\r\n"].concat()
}

#[test]
fn a_form_with_a_large_file() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "");
    let file = pattern(SIZE);
    let want = format!("{SIZE} {} said", crc(&file));
    let (name, body) = (caddy.path("big"), caddy.path("form"));
    std::fs::write(&body, form(&file)).unwrap();
    std::fs::write(&name, file).unwrap();
    let part = format!("file=@{}", name.display());
    for version in ["--http1.1", "--http2"] {
        let answer = curl(&[version, "-F", "field=said", "-F", &part], &caddy.url("/upload.php"));
        assert_eq!(answer.text(), want, "{version}: {answer:?}");
    }
    let kind = ["content-type", "multipart/form-data; boundary=edge"];
    let job = json!({"method": "POST", "path": "/upload.php", "headers": [kind],
        "body_file": body.display().to_string()});
    assert_eq!(h3_one(caddy.port(), job).text(), want);
    assert!(caddy.rss_peak() < MOST_MEMORY, "peak {} KiB", caddy.rss_peak());
}

#[test]
fn content_without_a_length_gets_one() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "");
    let file = pattern(SIZE);
    let want = format!("{SIZE} {}", crc(&file));
    let name = caddy.path("big").display().to_string();
    std::fs::write(&name, file).unwrap();
    // What curl reads from a pipe has no length.
    for version in ["--http1.1", "--http2"] {
        let url = caddy.url("/upload.php");
        let script = format!("cat {name} | curl -sSk {version} -T - {url}");
        let done = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), want, "{version}");
    }
    let job = json!({"method": "PUT", "path": "/upload.php", "no_length": true, "body_len": SIZE});
    assert_eq!(h3_one(caddy.port(), job).text(), want);
    assert!(caddy.rss_peak() < MOST_MEMORY, "peak {} KiB", caddy.rss_peak());
}

#[test]
fn a_session_lives_across_protocols() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "");
    let first = curl(&["--http1.1"], &caddy.url("/session.php"));
    let cookie = first.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(first.text(), "visit 1");
    let field = format!("Cookie: other=1; {cookie}");
    assert_eq!(curl(&["--http2", "-H", &field], &caddy.url("/session.php")).text(), "visit 2");
    // As browsers send them over HTTP/3: each in a field of its own.
    let crumbs = [["cookie", "other=1"], ["cookie", &cookie]];
    let job = json!({"path": "/session.php", "headers": crumbs});
    assert_eq!(h3_one(caddy.port(), job).text(), "visit 3");
}

#[test]
fn statuses_redirects_and_fields() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "");
    for (query, status) in [
        ("", 200),
        ("status=404", 404),
        ("status=503", 503),
        ("location=/there", 302),
        ("status=301&location=https://a.test/", 301),
    ] {
        for (protocol, answer) in by_all(&caddy, &format!("/answer.php?{query}")) {
            assert_eq!((answer.status, answer.text().as_str()), (status, "told"), "{protocol}");
            let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie").count();
            assert_eq!((cookies, answer.header("status")), (2, ""), "{protocol}");
        }
    }
    let location = curl(&[], &caddy.url("/answer.php?location=/there"));
    assert_eq!(location.header("location"), "/there");
    let head = curl(&["--head"], &caddy.url("/answer.php?status=404"));
    assert_eq!((head.status, head.len), (404, 0));
    assert_eq!(curl(&[], &caddy.url("/answer.php?status=304")).len, 0);
}

#[test]
fn output_is_passed_on_as_it_is_flushed() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "");
    for version in ["--http1.1", "--http2"] {
        let url = caddy.url("/stream.php");
        let mut client = Command::new("curl")
            .args(["-sSkN", version, &url])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(client.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        std::fs::write(caddy.path("www/go"), "").unwrap();
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert_eq!((first.as_str(), rest.as_str()), ("first\n", "second\n"), "{version}");
        assert!(client.wait().unwrap().success());
        std::fs::remove_file(caddy.path("www/go")).unwrap();
    }
    let answer = h3_one(caddy.port(), json!({"path": "/stream.php", "stop_after": 1}));
    assert_eq!(answer.text(), "first\n");
}

#[test]
fn large_output_is_whole() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "");
    for (protocol, answer) in by_all(&caddy, &format!("/big.php?size={SIZE}")) {
        let got = (answer.status, answer.len, answer.crc);
        assert_eq!(got, (200, SIZE, crc(&pattern(SIZE))), "{protocol}: {}", answer.error);
    }
    assert!(caddy.rss_peak() < MOST_MEMORY, "peak {} KiB", caddy.rss_peak());
}

#[test]
fn what_php_complains_of_is_in_the_errors_log() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "");
    for (protocol, answer) in by_all(&caddy, "/stderr.php") {
        assert_eq!((answer.status, answer.text().as_str()), (200, "fine"), "{protocol}");
    }
    let lines = wait_for("three lines", Duration::from_secs(30), || {
        let log = caddy.read("errors.log");
        (log.lines().count() >= 3).then_some(log)
    });
    let want = "[ERROR 0 /stderr.php] PHP message: a warning of the script's";
    assert!(lines.lines().all(|line| line.ends_with(want)), "{lines}");
}

#[test]
fn only_scripts_are_run() {
    let fpm = Fpm::start();
    let evil = "<?php echo 'ran'; ?>";
    let setup = site(&format!("{} php", fpm.unix), "", "");
    let caddy = setup.file("www/a.jpg", evil).file("www/blog/index.php", evil).start();
    for (path, status, ran) in [
        ("/blog/", 200, true),
        ("/blog/index.php/more", 200, true),
        ("/a.jpg", 200, false),
        ("/a.jpg/x.php", 404, false),
        ("/a.jpg%2fx.php", 404, false),
        ("/a.jpg/.php", 404, false),
        ("/a.jpg/blog/index.php", 404, false),
        ("/none.php", 404, false),
        ("/blog/index.PHP", 404, false),
        ("/%C4%B0%C4%B0%C4%B0%C4%B0%C4%B0.php", 404, false),
        ("/blog/index.php%0a/x", 404, false),
        ("/blog/index.php/x%0ay", 400, false),
        ("/blog/index.php%00.jpg", 400, false),
        ("/blog/index.php/%2e%2e/x", 404, false),
        ("/x/../blog/index.php", 200, true),
        ("/blog%2findex.php", 200, true),
    ] {
        for (protocol, answer) in [
            ("h1", curl(&["--http1.1", "--path-as-is"], &caddy.url(path))),
            ("h2", curl(&["--http2", "--path-as-is"], &caddy.url(path))),
            ("h3", h3_one(caddy.port(), json!({"path": path}))),
        ] {
            let got = (answer.status, answer.text() == "ran");
            assert_eq!(got, (status, ran), "{path} over {protocol}");
        }
    }
}

#[test]
fn a_client_that_goes_away_ends_the_script() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "");
    let ended = |what: &str| {
        let gone = caddy.path("www/gone");
        let said = wait_for(what, Duration::from_secs(30), || {
            std::fs::read_to_string(&gone).ok().filter(|said| !said.is_empty())
        });
        assert_eq!(said, "aborted", "{what}");
        std::fs::remove_file(gone).unwrap();
    };
    for version in ["--http1.1", "--http2"] {
        let _ = curl(&[version, "--max-time", "4"], &caddy.url("/forever.php"));
        ended(version);
    }
    let _ = h3_one(caddy.port(), json!({"path": "/forever.php", "stop_after": 3_000}));
    ended("h3");
}

#[test]
fn a_dead_responder_is_passed_over() {
    let fpm = Fpm::start();
    let addresses = format!("127.0.0.1:@PORT3@ php {{\n upstream {}\n}}", fpm.tcp);
    let text = format!("http://:@PORT@ {{\n root @DIR@\n errors e.log\n fastcgi / {addresses}\n}}");
    let caddy = Setup::new(&text).file("x.php", "<?php echo 'ran';").start();
    let url = format!("http://localhost:{}/x.php", caddy.port());
    for _ in 0..10 {
        assert_eq!(curl(&["-d", "a=b"], &url).text(), "ran");
    }
    drop(fpm);
    assert_eq!(curl(&[], &url).status, 502);
    let log = caddy.read_when("e.log", |log| log.contains("cannot connect"));
    assert!(log.contains("[ERROR 502 /x.php] fastcgi 127.0.0.1:"), "{log}");
    assert!(log.contains("cannot connect: Connection refused"), "{log}");
}

#[test]
fn kept_connections_survive_a_restart_of_php() {
    let fpm = Fpm::start();
    let caddy = site(&format!("{} php", fpm.unix), "pool 1", "").arg("-cpu=1").start();
    let pid = |options: &[&str]| {
        let answer: Answer = curl(options, &caddy.plain("/env.php?names=HTTP_HOST"));
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    for options in [&[][..], &["-d", "a=b"]] {
        pid(&[]);
        fpm.restart_children();
        pid(options);
    }
}

#[test]
fn too_large_content_is_refused() {
    let fpm = Fpm::start();
    let caddy = site(&format!("{} php", fpm.unix), "", "maxrequestbody 1KB").start();
    let body = "x".repeat(5_000);
    let chunked = ["-H", "Transfer-Encoding: chunked", "--http1.1", "-d", &body];
    for version in ["--http1.1", "--http2"] {
        assert_eq!(curl(&[version, "-d", &body], &caddy.url("/upload.php")).status, 413);
    }
    assert_eq!(curl(&chunked, &caddy.url("/upload.php")).status, 413);
    let job = json!({"method": "PUT", "path": "/upload.php", "no_length": true, "body": body});
    assert_eq!(h3_one(caddy.port(), job).status, 413);
    assert_eq!(curl(&["-d", "a=b"], &caddy.url("/upload.php")).status, 200);
}

#[test]
fn a_slow_script_is_504_and_cut_off() {
    let fpm = Fpm::start();
    let caddy = php(&fpm, "read_timeout 1s");
    for (protocol, answer) in by_all(&caddy, "/slow.php?seconds=10") {
        assert_eq!(answer.status, 504, "{protocol}");
    }
    let told = |log: &str| log.matches("reading the response timed out").count();
    let log = caddy.read_when("errors.log", |log| told(log) == 3);
    assert_eq!(told(&log), 3, "{log}");
}

#[test]
fn a_script_leads_to_a_hidden_file() {
    let fpm = Fpm::start();
    let script = "<?php header('X-Accel-Redirect: /hidden/report%20one.txt');\n\
        header('Content-Disposition: attachment'); setcookie('seen', '1'); echo 'not this';";
    let caddy = site(&format!("{} php", fpm.unix), "", "internal /hidden")
        .file("www/send.php", script)
        .file("www/hidden/report one.txt", "the report")
        .start();
    for (protocol, answer) in by_all(&caddy, "/send.php") {
        assert_eq!((answer.status, answer.text().as_str()), (200, "the report"), "{protocol}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8", "{protocol}");
        assert_eq!(answer.header("content-disposition"), "attachment", "{protocol}");
        assert!(answer.header("set-cookie").starts_with("seen=1"), "{protocol}: {answer:?}");
    }
    for (protocol, answer) in by_all(&caddy, "/hidden/report%20one.txt") {
        assert_eq!(answer.status, 404, "{protocol}");
    }
}
