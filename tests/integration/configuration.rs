//! What a configuration may say, and what it is told: several properties on a line, words that an
//! unset variable leaves empty, upstreams of this machine, patterns of files, placeholders.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::harness::{Origin, Setup, curl, wait_for};

/// Whether the Caddyfile is valid, and all that `-validate` says.
fn validate(setup: &Setup) -> (bool, String) {
    let done = setup.command().arg("-validate").output().unwrap();
    (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
}

fn validate_lines(lines: &str) -> (bool, String) {
    validate(&Setup::new(&format!("http://:@PORT@ {{\n root .\n{lines}\n}}\n")))
}

#[test]
fn several_properties_may_stand_on_a_line() {
    for lines in [
        "log a.log { rotate { size 2 age 10 keep 3 } }",
        "log a.log { rotate_size 2 rotate_age 10 rotate_compress except /a /b ipmask 255.0.0.0 }",
        "log a.log { rotate { size 2 } except /a }",
        "errors { log e.log { size 2 age 3 keep 4 } 404 Caddyfile 500 Caddyfile }",
        "errors { rotate_size 2 rotate_keep 3 }",
        "gzip { ext .html .css level 5 min_length 100 not /raw }",
        "proxy / localhost:1 { transparent websocket }",
        "proxy / localhost:1 {\ntransparent websocket\n}",
        "proxy / localhost:1 { except /a /b transparent max_fails 2 fail_timeout 10s }",
        "proxy / localhost:1 { header_upstream -X transparent header_upstream A {host} websocket }",
        "proxy / localhost:1 { policy round_robin upstream localhost:2 weight 3 keepalive 0 }",
        "fastcgi / :9000 php { index a.php b.php env A b env C d pool 2 }",
        "limits { header 1MB body 2MB body /a 3MB }",
        "timeouts { read 1s write 2s }",
        "mime { .foo text/foo .bar text/bar }",
        "websocket / cat { type binary bufsize 10 }",
        "rewrite { r \\.bak$ to error/index.html }",
        "rewrite { to /a if {path} is /x }",
        "rewrite /x { regexp a if {path} not /xb if_op or ext .a !.b to /c /d }",
        "maxrequestbody { /a 5KB /b 4KB }",
    ] {
        let (valid, said) = validate_lines(lines);
        assert!(valid && !said.contains("WARNING"), "{lines}: {said}");
    }
}

#[test]
fn a_line_with_two_meanings_is_an_error() {
    for (lines, message) in [
        (
            "proxy / localhost:1 {\nexcept /a transparent\n}",
            ":4 - Parse error: 'transparent' may be an option or an argument of another",
        ),
        ("proxy / localhost:1 { without transparent }", "unexpected line ending after 'without'"),
        (
            "proxy / localhost:1 { header_upstream X-A websocket }",
            "unexpected line ending after 'X-A'",
        ),
        ("proxy / localhost:1 { transparent loud }", "unexpected line ending after 'loud'"),
        (
            "rewrite {\nto /a if {path} is /x\n}",
            ":4 - Parse error: 'if' may be an option or an argument of another",
        ),
        ("rewrite { r a b to /c }", "unexpected line ending after 'b'"),
        ("maxrequestbody { /a 5KB /b }", "unexpected line ending after '/b'"),
        ("log a.log { rotate { size 2 loud } }", "unexpected line ending after 'loud'"),
        ("errors { 404 Caddyfile Caddyfile }", "unexpected line ending after 'Caddyfile'"),
        ("header / { -Server -X-Powered-By }", "unexpected line ending after '-X-Powered-By'"),
    ] {
        let (valid, said) = validate_lines(lines);
        assert!(!valid && said.contains(message), "{lines}: {said}");
    }
}

#[test]
fn properties_of_one_line_are_obeyed() {
    let origin = Origin::start();
    let caddy = Setup::new(
        "http://:@PORT@, http://:@PORT2@ {\n root .\n \
         proxy / @ORIGIN@ { without /app except /static /img header_upstream X-One 1 transparent }\n}\n",
    )
    .set("ORIGIN", origin.addr)
    .file("static/a", "file")
    .start();
    let echo = curl(&["-H", "Host: example.com"], &caddy.plain("/app/head")).text();
    assert!(echo.contains("example.com"), "{echo}");
    assert!(echo.to_lowercase().contains("x-one"), "{echo}");
    assert_eq!(curl(&[], &caddy.plain("/static/a")).text(), "file");

    let site = "http://:@PORT@, http://:@PORT2@ {\n root www\n status 404 error/index.html\n \
                rewrite { r \\.bak$ to error/index.html }\n \
                rewrite /b { regexp ^/(\\d+)$ ext / to /none /page.html?{1} }\n \
                maxrequestbody { /small 1KB /large 1MB }\n proxy /small @ORIGIN@\n \
                proxy /large @ORIGIN@\n}\n";
    let www = ["a.bak", "error/index.html", "page.html"];
    let mut setup = Setup::new(site).set("ORIGIN", origin.addr);
    for name in www {
        setup = setup.file(&format!("www/{name}"), name);
    }
    let caddy = setup.start();
    assert_eq!(curl(&[], &caddy.plain("/a.bak")).status, 404);
    assert_eq!(curl(&[], &caddy.plain("/b/12")).text(), "page.html");
    assert_eq!(curl(&[], &caddy.plain("/b/1x")).status, 404);
    let body = "x".repeat(2000);
    for (path, status) in [("/small/upload", 413), ("/large/upload", 200)] {
        assert_eq!(curl(&["-d", &body], &caddy.plain(path)).status, status, "{path}");
    }
}

#[test]
fn an_unset_variable_leaves_the_default() {
    let text = "http://:@PORT@, http://:@PORT2@ {\n root .\n log {$UNSET_HERE}\n errors {$UNSET_HERE}\n}\n\
                a.example:@PORT3@ {\n root .\n tls {$UNSET_HERE}\n}\n";
    let (valid, said) = validate(&Setup::new(text));
    assert!(valid && !said.contains("WARNING"), "{said}");
    let caddy = Setup::new(text).start();
    assert_eq!(curl(&[], &caddy.plain("/none")).status, 404);
    let said = wait_for("the log on standard error", std::time::Duration::from_secs(20), || {
        Some(caddy.read("stderr")).filter(|said| said.contains("GET /none"))
    });
    assert!(said.contains(" 404 "), "{said}");
}

#[test]
fn a_word_that_is_no_address_is_taken_and_told() {
    let text = "a.example:@PORT@ {\n root .\n tls admin\n}\n";
    let (valid, said) = validate(&Setup::new(text));
    assert!(valid, "{said}");
    assert!(said.contains("Caddyfile:3:6 - tls: 'admin' is read as an e"), "{said}");
}

#[test]
fn a_port_alone_is_one_of_this_machine() {
    let origin = Origin::start();
    let caddy = Setup::new("http://:@PORT@, http://:@PORT2@ {\n proxy / :@ORIGIN@\n}\n")
        .set("ORIGIN", origin.addr.port())
        .start();
    let answer = curl(&[], &caddy.plain("/head"));
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains(&format!("localhost:{}", origin.addr.port())), "{answer:?}");
}

/// Sites in two files of a folder, named by a pattern.
fn sites() -> Setup {
    Setup::new("unused {\n}\n")
        .file("conf.d/b.conf", "http://:@PORT2@ {\n import parts/status\n}\n")
        .file("conf.d/parts/status", "status 202 /\n")
}

#[test]
fn a_pattern_names_several_files() {
    let setup = sites();
    let fill = |name: &str, text: &str| {
        fs::write(setup.dir().join(name), setup.fill(text)).unwrap();
    };
    fill("conf.d/b.conf", "http://:@PORT2@ {\n import parts/status\n}\n");
    fill("conf.d/a.conf", "http://:@PORT@ {\n root conf.d\n header / X-A a\n}\n");
    let setup = setup.arg("-conf").arg("conf.d/*.conf");
    let (valid, said) = validate(&setup);
    assert!(valid, "{said}");
    let caddy = setup.start();
    let first = format!("http://localhost:{}", caddy.port());
    assert_eq!(curl(&[], &caddy.plain("/")).status, 202);
    // Neither of them is served.
    assert_eq!(curl(&[], &format!("{first}/b.conf")).status, 404);
    assert_eq!(curl(&[], &format!("{first}/parts/status")).status, 404);
    // A reload looks at the pattern anew.
    fs::write(
        caddy.path("conf.d/c.conf"),
        format!("http://:{}\nstatus 203 /\n", caddy.third("").rsplit(':').next().unwrap()),
    )
    .unwrap();
    caddy.reload();
    assert_eq!(curl(&[], &caddy.third("/")).status, 203);
    fs::write(caddy.path("conf.d/c.conf"), "http://:1\nroot .\nnope\n").unwrap();
    caddy.hup("conf.d/c.conf:3:1 - Parse error: Unknown directive 'nope'");
    for file in ["a", "b", "c"] {
        fs::remove_file(caddy.path(&format!("conf.d/{file}.conf"))).unwrap();
    }
    caddy.hup("[ERROR] SIGHUP: no site in conf.d/*.conf");
    assert_eq!(curl(&[], &caddy.third("/")).status, 203);
}

#[test]
fn a_pattern_without_a_file_is_an_error() {
    for pattern in ["none/*.conf", "none/[ab].conf", "none/?.conf"] {
        let (valid, said) = validate(&sites().arg("-conf").arg(pattern));
        assert!(!valid && said.contains(pattern), "{pattern}: {said}");
    }
}

/// Lines with one placeholder that is unknown, where it is, and what was meant.
const UNKNOWN: &[(&str, &str, &str)] = &[
    ("log / a.log \"{remote_ip} {status}\"", "3:13", "{remote_ip}; did you mean {remote}?"),
    ("header / X-A {http.request.remote.host}", "3:14", "host}; did you mean {remote}?"),
    ("header / {\nX-A {http.request.header.Referer}\n}", "4:5", "did you mean {>Referer}?"),
    ("proxy / localhost:1 {\nheader_upstream X-A {hots}\n}", "4:21", "did you mean {host}?"),
    ("proxy / localhost:1 {\nheader_downstream X-A (.) {hots}\n}", "4:27", "{host}?"),
    ("proxy / localhost:1 { transparent header_upstream X-A {hots} }", "3:55", "{host}?"),
    ("rewrite /a /b/{pth}", "3:12", "did you mean {path}?"),
    ("rewrite {\nr ^/a\nif {hots} is a\nto /b\n}", "5:4", "did you mean {host}?"),
    ("rewrite {\nto {paht} /b\n}", "4:4", "did you mean {path}?"),
    ("redir https://a.example{ur}", "3:7", "did you mean {uri}?"),
    ("redir {\nif {hots} is a\n/ /b\n}", "4:4", "did you mean {host}?"),
    ("redir https://a.example$request_uri", "3:7", "write {uri} in place of $request_uri"),
    ("header / X-A $remote_addr", "3:14", "write {remote} in place of $remote_addr"),
    ("proxy / localhost:1 {\nheader_upstream Host $host\n}", "4:22", "write {host} in place"),
    ("rewrite ^/a/(.*)$ /b/$1", "3:19", "write {1} in place of $1"),
    ("rewrite {\nr ^/a/(.*)$\nto /b/$1\n}", "5:4", "write {1} in place of $1"),
    ("fastcgi / localhost:1 {\nenv A {mehtod}\n}", "4:7", "did you mean {method}?"),
    ("header / X-A {nothing_like_it}", "3:14", "it is always empty"),
];

#[test]
fn an_unknown_placeholder_is_told() {
    for (lines, place, meant) in UNKNOWN {
        let (valid, said) = validate_lines(lines);
        let told: Vec<_> = said.lines().filter(|line| line.contains("placeholder")).collect();
        let [line] = told.as_slice() else { panic!("{lines}: {said}") };
        assert!(valid && line.contains(meant), "{lines}: {line}");
        assert!(line.contains(&format!("Caddyfile:{place} - ")), "{lines}: {line}");
    }
}

/// Lines that Caddy 1 accepts and that do something else than they seem to.
const DOUBTFUL: &[(&str, &str, &str)] = &[
    ("index index.html index.htm;", "3:18", "a line ends without `;`: write index.htm"),
    ("browse on", "3:8", "write browse without 'on'"),
    ("templates false", "3:11", "leave the line out"),
    ("log off", "3:5", "'off' is the name of a file"),
    ("log json", "3:5", "write: log / access.log {json}"),
    ("log / a.log combined", "3:13", "write: log / a.log {combined}"),
    ("log / a.log text", "3:13", "has no placeholder"),
    ("proxy / localhost:1 transparent", "3:21", "write transparent in the block of `proxy`"),
    ("websocket /ws localhost:9000", "3:15", "write: proxy /ws localhost:9000"),
];

#[test]
fn what_does_something_else_than_it_seems_to_is_told() {
    for (lines, place, meant) in DOUBTFUL {
        let (valid, said) = validate_lines(lines);
        let is_told =
            |line: &str| line.contains(&format!("Caddyfile:{place} - ")) && line.contains(meant);
        assert!(valid && said.lines().any(is_told), "{lines}: {said}");
    }
    let (valid, said) = validate(&Setup::new("gzip\nroot .\n"));
    assert!(valid && said.contains("'gzip' is read as the address of a site"), "{said}");
    for lines in ["header / X-A 1;", "proxy / http:1", "log / a.log \"{status}\"", "bind ::1"] {
        let (valid, said) = validate_lines(lines);
        assert!(valid && !said.contains("write"), "{lines}: {said}");
    }
}

#[test]
fn what_is_no_unknown_placeholder_is_not_told() {
    for lines in [
        "log / a.log \"{remote} {>Referer} {<Location} {~session} {?page} {label2} {when_iso}\"",
        "log / a.log {common}",
        "log / a.log {combined}",
        "log / a.log \"{\\\"a\\\":\\\"{remote}\\\", \\\"b\\\":{status}}\"",
        "log / a.log \"\\{remote_ip\\}\"",
        "rewrite ^/(\\d{4})/([a-z]{2,3})/\\p{Greek}$ /{1}/{2}?{query}",
        "rewrite {\nr ^/([a-z]{2})$\nto /{1}\n}",
        "header / X-A {$UNSET_HERE}",
        "header / X-A \"{tls_cipher} {request_id} {labels}\"",
        "proxy / localhost:1 {\nheader_upstream X-A ^a{2}$ b\nhealth_check_contains {anything}\n}",
    ] {
        let (valid, said) = validate_lines(lines);
        let labels = lines.contains("{labels}");
        assert!(valid && said.contains("placeholder") == labels, "{lines}: {said}");
    }
}

#[test]
fn a_caddyfile_comes_from_a_file_or_a_pipe_and_ends() {
    let device = "neither a regular file nor a pipe";
    let (valid, said) = validate_lines("import /dev/zero");
    assert!(!valid && said.contains(&format!("Could not import /dev/zero: {device}")), "{said}");
    let flag = Setup::new("").arg("-conf=/dev/zero");
    let (valid, said) = validate(&flag);
    assert!(!valid && said.contains(&format!("open /dev/zero: {device}")), "{said}");

    let setup = Setup::new("http://:@PORT@ {\n root .\n import large\n}\n");
    // Seventeen MiB of comment.
    let large = format!("#{}\n", "x".repeat(1023)).repeat(17 << 10);
    let (valid, said) = validate(&setup.file("large", &large));
    assert!(!valid && said.contains("large: longer than 16 MiB"), "{said}");

    let piped = |bytes: &str| {
        let setup = Setup::new("");
        let (mut command, bytes) = (setup.command(), bytes.to_owned());
        let command = command.args(["-conf=stdin", "-validate"]).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // The reader may have enough before the end.
        std::thread::spawn(move || drop(stdin.write_all(bytes.as_bytes())));
        let done = child.wait_with_output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    assert!(piped("http://localhost:1\nroot /tmp\n").0);
    let (valid, said) = piped(&large);
    assert!(!valid && said.contains("reading stdin: longer than 16 MiB"), "{said}");
}
