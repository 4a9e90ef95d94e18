//! Another server and this one side by side: the files and upstreams that both have, requests, and
//! what a client and an upstream notice of each.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Answer, Fpm, Origin, Recorded, certificate, curl};

/// Fields of a response that are compared, besides those that a request names.
const FIELDS: &[&str] = &["content-encoding", "cache-control"];

const HASH: &str = "$2a$04$";

/// The other server, which ends with the test.
pub(crate) struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Other {
    pub(crate) fn start(port: u16, command: &mut Command, dir: &Path) -> Self {
        let log = std::fs::File::create(dir.join("other.log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let other = Self(child);
        let said = || std::fs::read_to_string(dir.join("other.log")).unwrap_or_default();
        for _ in 0..1600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return other;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("the other server does not listen: {}", said());
    }
}

/// Where an example runs.
pub(crate) struct Stage {
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) origin: Origin,
    pub(crate) fpm: Fpm,
}

impl Stage {
    pub(crate) fn new() -> Self {
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
            ("www/admin.txt", "x".to_owned()),
            ("www/hidden.txt", "x".to_owned()),
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
            ("staff", "lee:$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1\n".to_owned()),
            (
                "proxy.conf",
                "proxy_set_header Host $host;\n\
                 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
                    .to_owned(),
            ),
        ];
        let (cert, key, _) = certificate(dir.path(), "10");
        let stage = Self { cert, key, dir, origin: Origin::start(), fpm: Fpm::start() };
        files.iter().for_each(|(name, content)| stage.write(name, content));
        stage
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn filled(&self, text: &str, port: u16) -> String {
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
}

/// A request: `METHOD TARGET [NAME=VALUE...]`.
///
/// | option | meaning |
/// |---|---|
/// | `host`, `agent`, `accept-encoding`, `forwarded`, `user` | what the client sends |
/// | `bare` | the host goes without the port |
/// | `field` | one more field: `Name:value` |
/// | `body` | so many bytes of it; without a number, the body of the answer is compared |
/// | `text` | the body is compared whatever the status |
/// | `fields` | further fields of the answer that are compared, with commas |
/// | `listed` | the answer is a page of the server's own: its body is not compared |
/// | `announced` | the connection begins with a PROXY header |
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    target: &'a str,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Asked<'a> {
    pub(crate) fn read(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let options = words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
        Self { method, target, options }
    }

    pub(crate) fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    pub(crate) fn send(&self, scheme: &str, port: u16) -> Answer {
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
        match self.option("bare") {
            Some(_) => field(format!("Host: {host}")),
            None => field(format!("Host: {host}:{port}")),
        }
        if let Some(value) = self.option("accept-encoding") {
            field(format!("Accept-Encoding: {value}"));
        }
        if let Some(value) = self.option("agent") {
            field(format!("User-Agent: {value}"));
        }
        if let Some(value) = self.option("forwarded") {
            field(format!("X-Forwarded-For: {value}"));
        }
        if let Some(value) = self.option("field") {
            field(value.replacen(':', ": ", 1));
        }
        let mut content = None;
        if let Some(size) = self.option("body").filter(|size| !size.is_empty()) {
            field("Content-Type: text/plain".to_owned());
            field("Expect:".to_owned());
            args.extend([
                "--data-binary".to_owned(),
                "x".repeat(size.parse().unwrap_or(0).min(100_000)),
            ]);
            if size.parse::<usize>().unwrap() > 100_000 {
                args.pop();
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), "x".repeat(size.parse().unwrap())).unwrap();
                args.push(format!("@{}", file.path().display()));
                content = Some(file);
            }
        }
        if self.option("announced").is_some() {
            args.push("--haproxy-protocol".to_owned());
        }
        if let Some(user) = self.option("user") {
            args.extend(["-u".to_owned(), user.to_owned()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let answer = curl(&args, &format!("{scheme}://{name}:{port}{}", self.target));
        drop(content);
        answer
    }

    /// What a client notices; the page of an error is each server's own.
    pub(crate) fn noticed(&self, scheme: &str, port: u16) -> String {
        let answer = self.send(scheme, port);
        let is_page = answer.status == 200 || self.option("body") == Some("");
        let is_page = is_page || self.option("text").is_some();
        let kind = answer.header("content-type").split(';').next().unwrap_or_default();
        let mut lines = vec![answer.status.to_string()];
        if is_page {
            lines.push(format!("type: {kind}"));
            let is_whole = answer.header("content-encoding").is_empty() && self.method != "HEAD";
            if is_whole && self.option("listed").is_none() {
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
pub(crate) fn passed(origin: &Origin, before: usize, port: u16, names: &[&str]) -> Vec<String> {
    let all = since(origin, before);
    let written = all.iter().map(|request| {
        let fields = names.iter().map(|name| {
            // A field that is there twice has both values.
            let values = request.all(name);
            let value = if values.is_empty() { "(none)".to_owned() } else { values.join(", ") };
            format!("{name}: {}", value.replace(&port.to_string(), "PORT"))
        });
        let fields: Vec<_> = fields.collect();
        format!("{} {}\n{}", request.method, request.target, fields.join("\n"))
    });
    written.collect()
}

/// The requests behind the first `before`, without checks whether the origin is well.
pub(crate) fn since(origin: &Origin, before: usize) -> Vec<Recorded> {
    let mut all = origin.requests().split_off(before);
    // One whose content broke off is recorded when its connection has ended, at any time.
    all.retain(|request| request.target != "/health" && request.complete);
    all
}
