//! What holds of any text that is to be translated: it comes to an end, and nothing is lost unsaid.

use super::{Files, Included, convert};
use crate::fuzzing::{Target, text};

/// The targets of this floor.
pub const TARGETS: &[Target] = &[Target { name: "convert", run: translates, seeds: SEEDS }];

const SEEDS: &[&[u8]] = &[
    b"server {\n listen 80;\n location ~ \\.php$ { fastcgi_pass unix:/x; }\n}\n",
    b"http { upstream a { server b:1 weight=2; }\n\
      server { location /x/ { proxy_pass http://a/; } } }",
    b":80 {\n handle_path /a/* {\n reverse_proxy b:1\n }\n respond <<E\n x\n E\n}\n",
    b"a.example {\n @b path /x*\n redir @b /y\n try_files {path} /i.html\n file_server\n}\n",
];

struct Nothing;

impl Files for Nothing {
    fn read(&self, _pattern: &str, _from: &str) -> Result<Vec<Included>, String> {
        Err("no such file".to_owned())
    }

    fn absolute(&self, path: &str) -> String {
        format!("/etc/{path}")
    }
}

fn translates(data: &[u8]) {
    let Ok(converted) = convert("F", &text(data), &Nothing) else { return };
    // A comment that is a warning has one.
    let comments = converted.text.lines().filter(|line| line.trim_start().starts_with("# F:"));
    assert!(comments.count() == 0 || !converted.warnings.is_empty());
    assert!(crate::caddyfile::format("Caddyfile", &converted.text).is_ok(), "{}", converted.text);
}
