//! What the translation says, line by line, and that it comes to an end whatever the text.

use super::fuzzing::TARGETS;
use super::{Converted, Files, Included, convert};

struct Beside;

impl Files for Beside {
    fn read(&self, pattern: &str, _from: &str) -> Result<Vec<Included>, String> {
        match pattern {
            "itself" => {
                Ok(vec![Included { name: "itself".to_owned(), text: "include itself;".to_owned() }])
            }
            "site.conf" => {
                let text = "server { listen 81; root /b; }".to_owned();
                Ok(vec![Included { name: "site.conf".to_owned(), text }])
            }
            "users" => {
                let text = "kim:{SHA}x\n".to_owned();
                Ok(vec![Included { name: "users".to_owned(), text }])
            }
            "staff" => {
                let text = "lee:{SHA}x\n".to_owned();
                Ok(vec![Included { name: "staff".to_owned(), text }])
            }
            _ => Err("no such file".to_owned()),
        }
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with(['/', '{']) { path.to_owned() } else { format!("/etc/{path}") }
    }
}

pub(super) fn made(text: &str) -> Converted {
    convert("F", text, &Beside).unwrap()
}

/// The lines of a text without their margins.
fn has(text: &str, line: &str) -> bool {
    text.lines().any(|one| one.trim() == line)
}

/// The lines of a site, each with its block on it.
pub(super) fn site(text: &str, address: &str) -> String {
    let start = format!("\n{address} {{\n");
    let (_, rest) = text.split_once(&start).unwrap_or_else(|| panic!("no {address} in\n{text}"));
    let body = rest.split_once("\n}\n").unwrap().0;
    body.lines().map(|line| format!("{} ", line.trim())).collect()
}

/// The addresses of sites, and what is in them.
type Sites<'a> = &'a [(&'a str, &'a [&'a str])];

/// Holds that sites have these lines, or, behind `NOT `, have them not.
pub(super) fn hold(cases: &[(&str, Sites<'_>)]) {
    for (text, sites) in cases {
        let made = made(text).text;
        for (address, lines) in *sites {
            let body = site(&made, address);
            for line in *lines {
                match line.strip_prefix("NOT ") {
                    Some(line) => assert!(!body.contains(line), "{text}: {line} in\n{made}"),
                    None => assert!(body.contains(line), "{text}: no {line} in\n{made}"),
                }
            }
        }
    }
}

#[test]
fn lines_of_nginx() {
    for (text, lines) in [
        (
            "server { listen 443 ssl; server_name a.b; ssl_certificate c; ssl_certificate_key k; }",
            &["https://a.b, https:// {", "tls /etc/c /etc/k"][..],
        ),
        (
            "server { listen 80; server_name .a.b; return 301 https://a.b$request_uri; }",
            &["http://a.b, http://*.a.b, http:// {"],
        ),
        (
            "upstream u { server a:1 weight=2; server b; }\n\
             server { location / { proxy_pass http://u; } }",
            &[
                "proxy / b:80 {",
                "upstream a:1 weight 2",
                "policy round_robin",
                "fail_timeout 10s",
                "header_upstream Host u",
            ],
        ),
        (
            "server { client_max_body_size 0; location /x { client_max_body_size 2m; } }",
            &["body /x 2MB"],
        ),
        ("include site.conf;", &["http://:81 {", "root /b"]),
        ("server { location ~* ^/a/(?!b) { deny all; } }", &["status 403 /"]),
        (
            "server { location /f/ { alias /d/; } location ~ \\.php$ { fastcgi_pass a:1; } }",
            &["http:///f/ {", "to /@status-404", "status 404 /@status-404"],
        ),
        ("server { if (-d $request_filename) { return 403; } }", &["to /@status-403"]),
        (
            "server { location /a { auth_basic x; auth_basic_user_file f; proxy_pass http://c; }\n\
             location /b { allow 10.0.0.1; deny all; proxy_pass http://c:1; }\n\
             location ~ \\.d$ { root /d; } location / { proxy_pass http://c:1; } }",
            &[
                "to /@location-1{path}",
                "status 403 /@location-1",
                "ipfilter /@location-2 {",
                // What clients may not ask for themselves.
                "if {path} match (?i)^/@(?:location-1|location-2|location-4)(?:/|$)",
                "to /@status-404",
                "status 404 /@status-404",
            ],
        ),
        ("server { auth_basic x; auth_basic_user_file none; }", &["status 403 /"]),
        ("server { location /a { limit_except GET { deny all; } } }", &["status 403 /a"]),
    ] {
        let converted = made(text);
        for line in lines {
            assert!(has(&converted.text, line), "{text}: no {line} in\n{}", converted.text);
        }
    }
}

#[test]
fn lines_of_caddy_2() {
    for (text, lines) in [
        (
            "a.b {\nreverse_proxy c:1\n}",
            &["https://a.b {", "proxy / c:1 {", "header_upstream Host {host}"][..],
        ),
        ("a.b\nreverse_proxy https://c", &["proxy / https://c {"]),
        ("{\nemail x@a.b\n}\na.b {\nfile_server\n}", &["tls x@a.b"]),
        ("localhost {\ntls internal\nfile_server\n}", &["tls self_signed"]),
        (":80 {\n@in remote_ip 10.0.0.0/8\nabort @in\n}", &["status 403 /"]),
        (":80 {\nforward_auth a:1 {\nuri /x\n}\nfile_server\n}", &["status 403 /"]),
        ("{$HOST} {\nroot {$ROOT}\nfile_server\n}", &["https://{$HOST} {", "root {$ROOT}"]),
        (
            ":80 {\nbasic_auth /s/a/* {\nk $2a$10$x\n}\nhandle /s/* {\nfile_server\n}\n}",
            &["http:///s/ {", "basicauth k hash=$2a$10$x {", "/a/"],
        ),
        (":80 {\nrespond <<E\n  a\n  E\n}", &["status 200 / {", "text a"]),
        (
            "a.b {\ntls {\nclient_auth {\ntrusted_ca_cert MIIB\n}\n}\nreverse_proxy a:1\n}",
            &["status 403 /"],
        ),
        // Who is not known as one that may come in does not.
        (
            ":80 {\n@far not remote_ip 10.0.0.0/8\nhandle @far {\nabort\n}\n\
             handle {\nreverse_proxy a:1\n}\n}",
            &["status 403 /"],
        ),
        (
            ":80 {\nuri strip_prefix /v1\n@dots path_regexp ^/\\.\nrespond @dots 404\n\
             reverse_proxy a:1\n}",
            &["status 403 /"],
        ),
    ] {
        let converted = made(text);
        for line in lines {
            assert!(has(&converted.text, line), "{text}: no {line} in\n{}", converted.text);
        }
    }
}

#[test]
fn no_path_has_two_answers() {
    for (text, count) in [
        ("server { location /a { deny all; } location /A { deny all; } }", 1),
        ("server { location ~ (?!x) { deny all; } location ~ (?!y) { deny all; } }", 1),
        (":80 {\nredir /a /b\nredir /A /c\n}", 1),
        (":80 {\nrespond /a* 200\nrespond /A* 403\n}", 1),
    ] {
        let made = made(text).text.to_lowercase();
        let lines = made.lines().map(str::trim);
        let own = |line: &&str| line.starts_with("status ") || line.starts_with("redir ");
        let found: Vec<_> = lines.filter(own).filter(|line| !line.contains("/@")).collect();
        assert_eq!(found.len(), count, "{made}");
        assert!(!found[0].starts_with("status 200"), "{made}");
    }
}

#[test]
fn the_example_of_the_documentation() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/convert.md"));
    let page = page.unwrap();
    let block = |mark: &str| {
        let (_, rest) = page.split_once(mark).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let theirs = block("cannot be carried over lets nobody in (403).\n\n```\n");
    let converted = convert("site.conf", &theirs, &Beside).unwrap();
    assert_eq!(converted.text, block("```caddyfile\n"));
    let warnings = converted.warnings.iter().map(|one| format!("[WARNING] {}\n", one.shown()));
    assert_eq!(warnings.collect::<String>(), block("and the warning is\n\n```\n"));
}

#[test]
fn what_is_left_out_is_said_with_its_place() {
    for (text, warning) in [
        ("server {\n  limit_req zone=a;\n}", "F:2:3 - limit_req zone=a: not carried over"),
        (
            "server {\n location / {\n  return 200 $pid;\n }\n}",
            "F:3:3 - return 200 $pid: $pid has no placeholder: sent without the text",
        ),
        (
            "server { listen 443 ssl; ssl_certificate c; ssl_certificate_key k;\n\
             ssl_client_certificate a; ssl_verify_client on;\nssl_verify_depth 2; }",
            "F:3:1 - ssl_verify_depth 2: up to 6 CAs",
        ),
        ("include itself;", "itself:1:1 - too many files include one another: left out"),
        ("include none;\nserver {}", "F:1:1 - include none: no such file: left out"),
        (
            ":80 {\n\tmap {a} {b} {\n\t}\n}",
            "F:2:2 - map {a} {b}: not carried over; write a line of",
        ),
        (":80 {\n\trespond {a.b}\n}", "F:2:2 - respond {a.b}: {a.b} has no placeholder"),
    ] {
        let converted = made(text);
        let said: Vec<_> = converted.warnings.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|one| one.starts_with(warning)), "{text}: {said:?}");
        let place = warning.split(':').take(2).collect::<Vec<_>>().join(":");
        assert!(converted.text.contains(&format!("# {place}: ")), "{}", converted.text);
    }
}

#[test]
fn a_warning_shows_its_line() {
    let long = format!("server {{ limit_req {}; }}", "x".repeat(400));
    for (text, shown) in [
        (
            "server {\n\tlimit_req zone=a;\n}",
            "\n  --> F:2:2\n  2 | \tlimit_req zone=a;\n    | \t^^^^^^^^^",
        ),
        (
            "include site.conf;\nserver { limit_req a; }",
            "\n  --> F:2:10\n  2 | server { limit_req a; }\n    |          ^^^^^^^^^",
        ),
        (":80 {\n  map {a} {b} {\n  }\n}", "\n  --> F:2:3\n  2 |   map {a} {b} {\n    |   ^^^"),
        // A line that is too long for a terminal, or could change it, is not shown.
        (&long, ""),
        ("server {\n limit_req \u{1b}[2J;\n}", ""),
    ] {
        let converted = made(text);
        let places = converted.warnings.iter().map(|one| one.shown().replace(&one.to_string(), ""));
        let places: Vec<_> = places.collect();
        assert!(places.iter().any(|place| place == shown), "{text}: {places:?}");
    }
    let error = convert("F", "server {\n listen 80 }", &Beside).unwrap_err().shown();
    assert!(error.ends_with("\n  2 |  listen 80 }\n    |  ^^^^^^"), "{error}");
}

#[test]
fn what_is_no_configuration() {
    for (text, error) in [
        ("server {\n listen 80;\n", "F:3:1 - the end of the file comes before a '}'"),
        ("server { listen 80 }", "F:1:10 - 'listen' is not ended by ';'"),
        ("server { a \"b; }", "F:1:12 - a quote is not closed"),
        (":80 {\n\trespond \"a\n}", "F:2:10 - a quote is not closed"),
        (":80 {\n}\n}", "F:3:1 - unexpected '}'"),
        (":80 {\n a {\n}", "F:1:5 - the block is not closed"),
        (
            "\n  <VirtualHost *:80>\nServerName a\n</VirtualHost>",
            "F:2:3 - this is a configuration of Apache, which is not translated: \
             docs/from-apache.md has what to write",
        ),
        (
            "frontend www\n bind :80\n default_backend app",
            "F:1:1 - this is a configuration of HAProxy, which is not translated: \
             docs/from-haproxy.md has what to write",
        ),
        (
            "listen web\n bind :80\n server a 10.0.0.1:80\n",
            "F:1:1 - this is a configuration of HAProxy, which is not translated: \
             docs/from-haproxy.md has what to write",
        ),
        (
            "# by hand\n\nresolvers dns\n nameserver a 10.0.0.2:53\nlisten web\n bind :80\n \
             redirect scheme https\n",
            "F:5:1 - this is a configuration of HAProxy, which is not translated: \
             docs/from-haproxy.md has what to write",
        ),
        (
            "a.example {\n root .\n\tgzip\n proxy / b:1\n}",
            "F:3:2 - this is a Caddyfile of Caddy 1, which runs as it is: caddy -validate -conf \
             FILE",
        ),
    ] {
        assert_eq!(convert("F", text, &Beside).unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn any_text_comes_to_an_end() {
    crate::fuzzing::hold(TARGETS, 2000);
}

/// Changes of whole examples, the same ones every time.
#[test]
fn changed_examples_come_to_an_end() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/conversion");
    let mut examples = Vec::new();
    for folder in ["nginx", "caddy-2"] {
        for entry in std::fs::read_dir(format!("{here}/{folder}")).unwrap() {
            examples.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
        }
    }
    examples.sort();
    assert_eq!(examples.len(), 58);
    let mut random = fastrand::Rng::with_seed(17);
    let odd: Vec<char> = "{}\"'`;\\$@*~#\n <é".chars().collect();
    for turn in 0..10_000 {
        let mut text: Vec<char> = examples[turn % examples.len()].chars().collect();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(0..text.len());
            match random.u8(0..4) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, random.choice(odd.iter().copied()).unwrap()),
                2 => {
                    let end = (at + random.usize(1..40)).min(text.len());
                    let part: Vec<char> = text[at..end].to_vec();
                    let to = random.usize(0..text.len());
                    text.splice(to..to, part);
                }
                _ => {
                    let end = (at + random.usize(1..20)).min(text.len());
                    text.drain(at..end);
                }
            }
            if text.is_empty() {
                break;
            }
        }
        let text: String = text.into_iter().collect();
        for target in TARGETS {
            (target.run)(text.as_bytes());
        }
    }
}
