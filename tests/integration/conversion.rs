//! `-convert`: what nginx and Caddy 2 answer with files of theirs, this server answers with the
//! translation. The files are in `conversion/`; their first lines are the requests.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{
    Answer, BINARY, Caddy, Fpm, Origin, Setup, certificate, curl, free_port, wait_for,
};

/// Fields of a response that are compared, besides those that a request names.
const FIELDS: &[&str] = &["content-encoding", "cache-control"];

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

const HASH: &str = "$2a$04$";

/// The other server, which ends with the test.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Other {
    fn start(port: u16, command: &mut Command, dir: &Path) -> Self {
        let log = std::fs::File::create(dir.join("other.log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let other = Self(child);
        let said = || std::fs::read_to_string(dir.join("other.log")).unwrap_or_default();
        for _ in 0..400 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return other;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("the other server does not listen: {}", said());
    }
}

/// Where an example runs.
struct Stage {
    cert: String,
    key: String,
    dir: tempfile::TempDir,
    origin: Origin,
    fpm: Fpm,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let page = |name: &str| format!("<p>{}</p>\n", format!("{name} ").repeat(200));
        let files = [
            ("www/index.html", page("the index")),
            ("www/page.html", page("a page")),
            ("www/404.html", page("there is no such page")),
            ("www/50x.html", page("an error")),
            ("www/notes.txt", page("notes")),
            ("www/assets/a.css", format!("a {{ color: {}; }}", "red ".repeat(300))),
            ("www/assets/data.json", format!("[{}0]", "1, ".repeat(300))),
            ("www/assets/picture.png", "not much of a picture".repeat(100)),
            ("www/sub/index.html", page("below")),
            ("www/long/a.css", "a {}".to_owned()),
            ("www/fresh/a.css", "a {}".to_owned()),
            ("www/admin/index.html", page("the office")),
            ("www/admin/page.html", page("a desk")),
            ("www/allowed/page.html", page("come in")),
            ("www/denied/page.html", page("stay out")),
            ("www/internal/a.css", "a {}".to_owned()),
            ("www/list/index.html", page("a list")),
            ("www/strong/.hidden", "x".to_owned()),
            ("www/.htaccess", "x".to_owned()),
            ("static/page.html", page("static")),
            ("static/sub/index.html", page("static below")),
            ("other/app/index.html", page("the app")),
            ("php/index.php", "<?php echo 'index ', $_SERVER['REQUEST_URI'];".to_owned()),
            (
                "php/hello.php",
                "<?php echo $_SERVER['REQUEST_METHOD'], $_SERVER['QUERY_STRING'], \
                 $_SERVER['APP_MODE'] ?? '';"
                    .to_owned(),
            ),
            ("php/page.html", page("beside")),
            ("php/assets/a.css", "a {}".to_owned()),
            (
                "users",
                "kim:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\
                 lee:$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1\n"
                    .to_owned(),
            ),
            (
                "proxy.conf",
                "proxy_set_header Host $host;\n\
                 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
                    .to_owned(),
            ),
        ];
        for (name, content) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let (cert, key, _) = certificate(dir.path(), "10");
        Self { cert, key, dir, origin: Origin::start(), fpm: Fpm::start() }
    }

    fn filled(&self, text: &str, port: u16) -> String {
        let hash = bcrypt::hash_with_salt("secret", 4, [7; 16]).unwrap();
        let hash = hash.format_for_version(bcrypt::Version::TwoA);
        assert!(hash.starts_with(HASH), "{hash}");
        text.replace("@PORT@", &port.to_string())
            .replace("@DIR@/cert.pem", &self.cert)
            .replace("@DIR@/key.pem", &self.key)
            .replace("@DIR@", &self.dir.path().display().to_string())
            .replace("@UP@", &self.origin.addr.to_string())
            .replace("@FPM@", &self.fpm.unix["unix:".len()..])
            .replace("@HASH@", &hash)
    }

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

/// A request: `METHOD TARGET [NAME=VALUE...]`.
struct Asked<'a> {
    method: &'a str,
    target: &'a str,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Asked<'a> {
    fn read(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let options = words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
        Self { method, target, options }
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn send(&self, scheme: &str, port: u16) -> Answer {
        let host = self.option("host").unwrap_or("www.example.com");
        let name = host.to_lowercase();
        let mut args: Vec<String> =
            ["--path-as-is", "--http1.1", "--resolve"].map(str::to_owned).into();
        args.push(format!("{name}:{port}:127.0.0.1"));
        match self.method {
            "GET" => {}
            "HEAD" => args.push("-I".to_owned()),
            method => args.extend(["-X".to_owned(), method.to_owned()]),
        }
        let mut field = |text: String| args.extend(["-H".to_owned(), text]);
        field(format!("Host: {host}:{port}"));
        if let Some(value) = self.option("accept-encoding") {
            field(format!("Accept-Encoding: {value}"));
        }
        if let Some(value) = self.option("agent") {
            field(format!("User-Agent: {value}"));
        }
        if let Some(value) = self.option("forwarded") {
            field(format!("X-Forwarded-For: {value}"));
        }
        if let Some(size) = self.option("body").filter(|size| !size.is_empty()) {
            field("Content-Type: text/plain".to_owned());
            field("Expect:".to_owned());
            args.extend([
                "--data-binary".to_owned(),
                "x".repeat(size.parse().unwrap_or(0).min(100_000)),
            ]);
            if size.parse::<usize>().unwrap() > 100_000 {
                args.pop();
                let file =
                    std::env::temp_dir().join(format!("conversion-{}-{size}", std::process::id()));
                std::fs::write(&file, "x".repeat(size.parse().unwrap())).unwrap();
                args.push(format!("@{}", file.display()));
            }
        }
        if let Some(user) = self.option("user") {
            args.extend(["-u".to_owned(), user.to_owned()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        curl(&args, &format!("{scheme}://{name}:{port}{}", self.target))
    }

    /// What a client notices; the page of an error is each server's own.
    fn noticed(&self, scheme: &str, port: u16) -> String {
        let answer = self.send(scheme, port);
        let is_page = answer.status == 200 || self.option("body") == Some("");
        let is_page = is_page || self.option("text").is_some();
        let kind = answer.header("content-type").split(';').next().unwrap_or_default();
        let mut lines = vec![answer.status.to_string()];
        if is_page {
            lines.push(format!("type: {kind}"));
            if answer.header("content-encoding").is_empty() && self.method != "HEAD" {
                lines.push(format!("body: {}", answer.text().replace(&port.to_string(), "PORT")));
            }
        }
        let own = ["www", "app"].map(|name| format!("{scheme}://{name}.example.com:{port}"));
        let own = own.into_iter().chain([format!(":{port}")]);
        let place =
            own.fold(answer.header("location").to_owned(), |place, own| place.replace(&own, ""));
        lines.push(format!("location: {place}"));
        let realm = answer.header("www-authenticate").split(',').next().unwrap_or_default();
        lines.push(format!("www-authenticate: {realm}"));
        let own = self.option("fields").unwrap_or_default();
        for name in FIELDS.iter().copied().chain(own.split(',').filter(|name| !name.is_empty())) {
            lines.push(format!("{name}: {}", answer.header(name)));
        }
        lines.join("\n")
    }
}

/// What the upstream got, from this request on.
fn passed(origin: &Origin, before: usize, port: u16) -> Vec<String> {
    let all = origin.requests();
    let own = all[before..].iter().filter(|request| request.target != "/health");
    own.map(|request| {
        let fields = FORWARDED.iter().map(|name| {
            let value = request.header(name).unwrap_or("(none)");
            format!("{name}: {}", value.replace(&port.to_string(), "PORT"))
        });
        let fields: Vec<_> = fields.collect();
        format!("{} {}\n{}", request.method, request.target, fields.join("\n"))
    })
    .collect()
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
                let passed = passed(&stage.origin, before, port);
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
    let expected = if only.is_empty() { (20, 200) } else { (0, 0) };
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
