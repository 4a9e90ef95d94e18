//! `-convert`: what nginx and Caddy 2 answer with files of theirs, this server answers with the
//! translation. The files are in `conversion/`; their first lines are the requests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::comparing::{Asked, Other, Stage, passed};
use crate::harness::{BINARY, Caddy, Setup, free_port, wait_for};

/// Fields of a request that the upstream gets.
const FORWARDED: &[&str] = &[
    "host",
    "authorization",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-uri",
    "x-custom",
];

impl Stage {
    /// nginx with what stands within `http`.
    fn nginx(&self, text: &str, port: u16) -> Other {
        let home = self.dir.path().display();
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {home}/tmp-{name};"))
            .join(" ");
        let text = text.replace("include mime.types;", "");
        let text = text.replace("include fastcgi_params;", "include /etc/nginx/fastcgi_params;");
        let conf = format!(
            "daemon off; master_process off; {user} pid {home}/pid; error_log {home}/error.log;\n\
             events {{}}\nhttp {{ include /etc/nginx/mime.types; {temporary} access_log off;\n\
             {text} }}"
        );
        let file = self.dir.path().join(format!("nginx-{port}.conf"));
        std::fs::write(&file, conf).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-p", &home.to_string(), "-e", "error.log", "-c"]).arg(&file);
        Other::start(port, &mut command, self.dir.path())
    }

    fn caddy_2(&self, text: &str, port: u16) -> Other {
        let admin = "admin off\n";
        let text = match text.lines().find(|line| !line.starts_with('#')) {
            Some("{") => text.replacen("\n{\n", &format!("\n{{\n{admin}"), 1),
            _ => format!("{{\n{admin}}}\n{}", braced(text)),
        };
        let file = self.dir.path().join(format!("Caddyfile-{port}"));
        std::fs::write(&file, text).unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/caddy");
        let mut command = Command::new(program);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        command.env("HOME", self.dir.path()).env("XDG_DATA_HOME", self.dir.path());
        Other::start(port, &mut command, self.dir.path())
    }

    /// This server with the translation, which is valid.
    fn ours(&self, text: &str, name: &str) -> Caddy {
        let port = free_port();
        let file = self.dir.path().join(format!("{port}-{name}"));
        std::fs::write(&file, self.filled(text, port)).unwrap();
        let made = Command::new(BINARY).arg("-convert").arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{name}: {said}");
        let made = String::from_utf8(made.stdout).unwrap();
        let out = self.dir.path().join(format!("{port}-made"));
        std::fs::write(&out, &made).unwrap();
        let valid = Command::new(BINARY).args(["-validate", "-conf"]).arg(&out).output().unwrap();
        let why = String::from_utf8_lossy(&valid.stderr);
        assert!(valid.status.success(), "{name}: {why}\n{made}");
        let mut setup = Setup::new(&made);
        setup.ports[0] = port;
        setup.start()
    }
}

/// The text of a single site that has no braces, with them: the global block needs it so.
fn braced(text: &str) -> String {
    let (head, rest): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("#?"));
    let mut lines = rest.iter().filter(|line| !line.trim().is_empty());
    match lines.next() {
        Some(first) if !first.ends_with(['{', '}', ')']) && !first.starts_with('#') => {
            let body: Vec<_> = lines.copied().collect();
            format!("{}\n{first} {{\n{}\n}}\n", head.join("\n"), body.join("\n"))
        }
        _ => text.to_owned(),
    }
}

/// Runs the files of a folder; the number of requests that were compared.
fn compare(folder: &str, other: impl Fn(&Stage, &str, u16) -> Other) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/conversion");
    let entries = std::fs::read_dir(here.join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let only = std::env::var("CONVERSION").unwrap_or_default();
    let stage = Stage::new();
    let (mut count, mut wrong) = (0, Vec::new());
    for file in files.iter().filter(|file| file.display().to_string().contains(&only)) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).unwrap();
        let scheme = if text.starts_with("#scheme https") { "https" } else { "http" };
        let port = free_port();
        let _other = other(&stage, &stage.filled(&text, port), port);
        let caddy = stage.ours(&text, &name);
        if scheme == "https" {
            // Caddy 2 makes its own certificate when it listens already.
            wait_for("its certificate", Duration::from_secs(30), || {
                (Asked::read("HEAD /").send(scheme, port).status != 0).then_some(())
            });
        }
        for line in text.lines().filter_map(|line| line.strip_prefix("#? ")) {
            let host = if text.contains("app.example.com:") || text.contains("app.example.com;") {
                format!("{line} host=app.example.com")
            } else {
                line.to_owned()
            };
            let asked = Asked::read(&host);
            let seen = [port, caddy.port()].map(|port| {
                let before = stage.origin.requests().len();
                let answer = asked.noticed(scheme, port);
                // Caddy 2 finds a body too large when the upstream has its head.
                let is_refused = answer.starts_with("413");
                let passed = passed(&stage.origin, before, port, FORWARDED);
                (answer, if is_refused { Vec::new() } else { passed })
            });
            count += 1;
            if seen[0] != seen[1] {
                wrong.push(format!(
                    "{name}: {line}\n  theirs {:?}\n  ours   {:?}",
                    seen[0], seen[1]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    let expected = if only.is_empty() { (26, 250) } else { (0, 0) };
    assert!(files.len() >= expected.0 && count >= expected.1, "{count} requests");
}

#[test]
fn files_of_nginx_answer_alike() {
    compare("nginx", Stage::nginx);
}

#[test]
fn files_of_caddy_2_answer_alike() {
    compare("caddy-2", Stage::caddy_2);
}
