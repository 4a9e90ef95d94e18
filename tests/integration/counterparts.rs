//! The pages for those who come from Apache and HAProxy: the real one with an original of the page
//! and this server with the Caddyfile behind it answer alike. The requests are in `counterparts/`,
//! under the heading that the pair of blocks has.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::comparing::{Asked, Other, Stage, passed, since};
use crate::documentation::docs;
use crate::harness::{Caddy, Origin, Setup, free_port, wait_for};

/// The modules of Apache that the page names, besides those that are built in.
const MODULES: &str = "\
    mpm_prefork authn_core authn_file authz_core authz_host authz_user auth_basic alias dir \
    autoindex mime headers expires rewrite proxy proxy_http proxy_fcgi slotmem_shm \
    proxy_balancer lbmethod_byrequests filter deflate brotli substitute remoteip cgi \
    socache_shmcb ssl setenvif env";

const COMBINED: &str = r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#;

/// An original and the Caddyfile that the page has for it.
struct Pair {
    heading: String,
    theirs: String,
    ours: String,
}

/// The pairs of a page, whose originals are in this language.
fn pairs(page: &str, language: &str) -> Vec<Pair> {
    let text = fs::read_to_string(docs().join(page)).unwrap();
    let (mut pairs, mut heading, mut theirs) = (Vec::new(), String::new(), None);
    let mut blocks = text.split("```");
    while let Some(prose) = blocks.next() {
        let mut headings = prose.lines().filter(|line| line.starts_with('#'));
        heading =
            headings.next_back().map_or(heading, |line| line.trim_matches(['#', ' ']).to_owned());
        let Some((kind, text)) = blocks.next().and_then(|block| block.split_once('\n')) else {
            break;
        };
        match theirs.take() {
            None if kind == language => theirs = Some(text.to_owned()),
            Some(theirs) => {
                assert_eq!(kind, "caddyfile", "{page}: behind the original of {heading}");
                let heading = heading.clone();
                pairs.push(Pair { heading, theirs, ours: text.to_owned() });
            }
            None => {}
        }
    }
    assert!(theirs.is_none(), "{page}: the last original has no Caddyfile");
    pairs
}

/// The requests of each heading.
fn requests(name: &str) -> BTreeMap<String, Vec<String>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/counterparts");
    let text = fs::read_to_string(here.join(name)).unwrap();
    let sections = text.split("\n== ").skip(1);
    let section = |section: &str| {
        let mut lines = section.lines().map(str::to_owned);
        (lines.next().unwrap(), lines.filter(|line| !line.is_empty()).collect())
    };
    sections.map(section).collect()
}

/// What both servers have around them.
struct Place {
    stage: Stage,
    /// `10.0.0.11:8080` of the pages, and the others.
    origins: Vec<Origin>,
}

impl Place {
    fn new() -> Self {
        let stage = Stage::new();
        for (name, content) in [
            ("www/index.php", "<?php echo 'index ', $_SERVER['REQUEST_URI'];"),
            (
                "www/hello.php",
                "<?php echo $_SERVER['REQUEST_METHOD'], $_SERVER['QUERY_STRING'], \
                 file_get_contents('php://input'), $_SERVER['PATH_INFO'] ?? '';",
            ),
            ("www/private/page.html", "a secret"),
            ("www/private/index.html", "secrets"),
            ("www/privately.html", "no secret"),
            ("www/office/page.html", "at the office"),
            ("www/downloads/a.zip", "an archive"),
            ("www/downloads/data.foo", "some data"),
            ("www/errors/404.html", "nothing here"),
            ("www/app/static/a.css", "a {}"),
            ("www/links.html", "<a href=http://old.example/x>http://old.example</a>"),
            ("www/links.txt", "http://old.example"),
            ("theirs/access.log", ""),
            ("ours/other.log", ""),
            (
                "cgi-bin/report",
                "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n\
                 echo \"$REQUEST_METHOD $QUERY_STRING $PATH_INFO $SCRIPT_NAME\"; cat\n",
            ),
        ] {
            stage.write(name, content);
        }
        let both = [&stage.cert, &stage.key].map(|file| fs::read_to_string(file).unwrap());
        stage.write("both.pem", &both.concat());
        // Apache does not serve as root.
        let open = |path: &Path, mode: u32| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        open(stage.dir.path(), 0o755);
        open(&stage.dir.path().join("cgi-bin/report"), 0o755);
        let socket = Path::new(&stage.fpm.unix["unix:".len()..]);
        open(socket, 0o666);
        open(socket.parent().unwrap(), 0o755);
        Self { stage, origins: vec![Origin::start(), Origin::start(), Origin::start()] }
    }

    /// A block of a page with the files and upstreams of the test.
    fn filled(&self, text: &str) -> String {
        let dir = self.stage.dir.path().display().to_string();
        let upstream = |at: usize| self.origins[at].addr.to_string();
        let changes = [
            ("/etc/caddy/example.crt", self.stage.cert.clone()),
            ("/etc/caddy/example.key", self.stage.key.clone()),
            ("/etc/haproxy/example.pem", format!("{dir}/both.pem")),
            ("/srv/htpasswd", format!("{dir}/users")),
            ("/srv/www", format!("{dir}/www")),
            ("/srv/docs", format!("{dir}/static")),
            ("/usr/lib/cgi-bin", format!("{dir}/cgi-bin")),
            ("/usr/lib{match}", format!("{dir}{{match}}")),
            ("/var/log/apache2", format!("{dir}/theirs")),
            ("/var/log/caddy", format!("{dir}/ours")),
            ("/run/php/php8.2-fpm.sock", self.stage.fpm.unix["unix:".len()..].to_owned()),
            ("127.0.0.1:8080", upstream(0)),
            ("10.0.0.11:8080", upstream(0)),
            ("10.0.0.12:8080", upstream(1)),
            ("10.0.0.21:9000", upstream(2)),
            ("10.0.0.13:8080", "127.0.0.1:1".to_owned()),
        ];
        changes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn apache(&self, text: &str, port: u16) -> Other {
        let dir = self.stage.dir.path();
        let home = dir.display();
        let site = match text.contains("<VirtualHost") {
            true => text.to_owned(),
            false => format!(
                "<VirtualHost *:80>\nServerName www.example.com\nDocumentRoot /srv/www\n{text}\n\
                 </VirtualHost>\n"
            ),
        };
        let own = format!("127.0.0.1:{port}");
        let site = self.filled(&site).replace("*:443", &own).replace("*:80", &own);
        let load = |name: &str| {
            format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")
        };
        let user =
            if nix::unistd::geteuid().is_root() { "User www-data\nGroup www-data" } else { "" };
        let types = "text/html html\ntext/css css\ntext/plain txt\napplication/json json\n\
                     image/png png\napplication/zip zip\n";
        self.stage.write("mime.types", types);
        let conf = format!(
            "{}{user}\nServerRoot {home}\nDefaultRuntimeDir {home}\nPidFile {home}/apache.pid\n\
             ErrorLog {home}/apache-error.log\nTypesConfig {home}/mime.types\n\
             ServerName localhost\nListen {own}\n\
             <Directory />\nAllowOverride None\n</Directory>\nLogFormat \"{COMBINED}\" combined\n{site}",
            MODULES.split(' ').map(load).collect::<String>()
        );
        let file = dir.join(format!("apache-{port}.conf"));
        fs::write(&file, conf).unwrap();
        let mut command = Command::new("/usr/sbin/apache2");
        Other::start(port, command.args(["-X", "-f"]).arg(&file), dir)
    }

    fn haproxy(&self, text: &str, port: u16) -> Other {
        let dir = self.stage.dir.path();
        let text = match text.contains("frontend") {
            true => text.to_owned(),
            false => format!(
                "frontend www\n    bind :80\n    default_backend app\n{}\nbackend app\n    \
                 server app1 10.0.0.11:8080\n",
                text.lines().map(|line| format!("    {line}\n")).collect::<String>()
            ),
        };
        // Debian's package speaks no QUIC.
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("bind quic4@"));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        let own = format!("bind 127.0.0.1:{port}");
        let text = self.filled(&text).replace("bind :443", &own).replace("bind :80", &own);
        let conf = format!(
            "defaults\n    mode http\n    option forwardfor\n    timeout connect 5s\n    timeout client 20s\n    \
             timeout server 20s\n{text}"
        );
        let file = dir.join(format!("haproxy-{port}.cfg"));
        fs::write(&file, conf).unwrap();
        let mut command = Command::new("haproxy");
        Other::start(port, command.args(["-db", "-f"]).arg(&file), dir)
    }

    /// This server with a block of a page, which is a site or what stands in one.
    fn ours(&self, text: &str, within: &str, port: u16) -> Caddy {
        let names = caddy::config::directive_names();
        let first = text.split_whitespace().next().unwrap_or_default();
        let text = match names.contains(&first) {
            true => {
                let lines = within.lines().chain(text.lines());
                let body: String = lines.map(|line| format!("    {line}\n")).collect();
                format!("http://www.example.com {{\n{body}}}\n")
            }
            false => text.to_owned(),
        };
        let is_site = |line: &str| line.ends_with('{') && !line.starts_with([' ', '(']);
        let lines = text.lines().map(|line| match line.strip_suffix(" {") {
            Some(addresses) if is_site(line) => {
                let all = addresses.split(", ").map(|one| at_port(one, port));
                format!("{} {{\n", all.collect::<Vec<_>>().join(", "))
            }
            _ => format!("{line}\n"),
        });
        let mut setup = Setup::new(&self.filled(&lines.collect::<String>()));
        setup.ports[0] = port;
        setup.start()
    }

    /// What a client and the upstreams notice of a request.
    fn noticed(&self, line: &str, scheme: &str, port: u16, fields: &[&str]) -> String {
        let asked = Asked::read(line);
        let before: Vec<_> = self.origins.iter().map(|one| one.requests().len()).collect();
        if let Some(times) = asked.option("times") {
            let first = asked.send(scheme, port);
            let cookie = first.header("set-cookie").split(';').next().unwrap_or_default();
            let again = match asked.option("sticky") {
                Some(_) => format!("{line} field=Cookie:{cookie}"),
                None => line.to_owned(),
            };
            let again = Asked::read(&again);
            for _ in 1..times.parse::<usize>().unwrap() {
                assert_eq!(again.send(scheme, port).status, 200, "{line}");
            }
            let served = self.origins.iter().zip(before);
            let served = served.filter(|(one, before)| !since(one, *before).is_empty());
            return format!("{} of the upstreams", served.count());
        }
        if asked.option("differs").is_some() {
            return asked.send(scheme, port).status.to_string();
        }
        let own = asked.option("passes").unwrap_or_default().split(',');
        let fields: Vec<_> = fields.iter().copied().chain(own.filter(|n| !n.is_empty())).collect();
        let answer = asked.noticed(scheme, port);
        let passed = self.origins.iter().zip(before).flat_map(|(one, before)| {
            // A body that is too large may be found out when its head is with the upstream.
            if answer.starts_with("413") { vec![] } else { passed(one, before, port, &fields) }
        });
        let passed = passed.collect::<Vec<_>>().join("\n");
        format!("{answer}\n{passed}")
    }
}

/// An address of a Caddyfile with this port.
fn at_port(address: &str, port: u16) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or_else(|| panic!("{address}: a scheme"));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}://{host}:{port}{path}")
}

/// The lines of an access log about whole pages, without their time.
fn logged(path: &Path, port: u16) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default().replace(&port.to_string(), "PORT");
    let lines = text.lines().filter(|line| line.contains("\"GET ") && line.contains("\" 200 "));
    let line = |line: &str| {
        let (before, rest) = line.split_once('[').unwrap();
        let (time, behind) = rest.split_once(']').unwrap();
        assert_eq!(time.len(), "10/Oct/2000:13:55:36 -0700".len(), "{line}");
        format!("{before}{behind}")
    };
    lines.map(line).collect()
}

/// A page, whose originals run in the other server.
struct Compared {
    page: &'static str,
    language: &'static str,
    /// What a site has if the block of the page does not say it.
    within: &'static str,
    /// A field that the other server adds to answers of its own.
    its_own: &'static str,
    /// Fields that the upstreams get.
    fields: &'static [&'static str],
    other: fn(&Place, &str, u16) -> Other,
}

impl Compared {
    fn check(&self) {
        let place = Place::new();
        let mut asked = requests(&self.page.replace(".md", ".txt"));
        let only = std::env::var("COUNTERPART").unwrap_or_default();
        let mut wrong = Vec::new();
        for pair in pairs(self.page, self.language) {
            let heading = &pair.heading;
            let lines = asked.remove(heading).unwrap_or_else(|| panic!("no request: {heading}"));
            if heading.contains(&only) {
                wrong.extend(self.differences(&place, &pair, &lines));
            }
        }
        assert!(asked.is_empty(), "no pair of blocks for {:?}", asked.keys());
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    }

    fn differences(&self, place: &Place, pair: &Pair, lines: &[String]) -> Vec<String> {
        let scheme = if pair.ours.starts_with("https://") { "https" } else { "http" };
        let ports = [free_port(), free_port()];
        let _other = (self.other)(place, &pair.theirs, ports[0]);
        let _caddy = place.ours(&pair.ours, self.within, ports[1]);
        let mut wrong = Vec::new();
        for line in lines {
            let [theirs, ours] = ports.map(|port| place.noticed(line, scheme, port, self.fields));
            let theirs = theirs.replace(self.its_own, "cache-control: \n");
            let wanted = Asked::read(line).option("differs").map(str::to_owned);
            let is_right = match wanted {
                Some(wanted) => format!("{theirs},{ours}") == wanted,
                None => theirs == ours,
            };
            if !is_right {
                wrong.push(format!(
                    "{}: {line}\n  theirs {theirs:?}\n  ours   {ours:?}",
                    pair.heading
                ));
            }
        }
        if pair.theirs.contains("access.log") {
            wrong.extend(log_differences(place.stage.dir.path(), ports));
        }
        wrong
    }
}

fn log_differences(dir: &Path, ports: [u16; 2]) -> Option<String> {
    let logs = || {
        [("theirs", ports[0]), ("ours", ports[1])]
            .map(|(folder, port)| logged(&dir.join(folder).join("access.log"), port))
    };
    // A line is written behind its answer.
    wait_for("as many lines in both logs", Duration::from_secs(30), || {
        let [theirs, ours] = logs();
        (theirs.len() == ours.len() && !ours.is_empty()).then_some(())
    });
    let [theirs, ours] = logs();
    (theirs != ours).then(|| format!("logs:\n  theirs {theirs:#?}\n  ours   {ours:#?}"))
}

#[test]
fn sites_of_apache_answer_alike() {
    Compared {
        page: "from-apache.md",
        language: "apache",
        within: "root /srv/www\n",
        its_own: "cache-control: \n",
        fields: &["host", "x-forwarded-for", "x-forwarded-host", "x-custom"],
        other: Place::apache,
    }
    .check();
}

#[test]
fn sites_of_haproxy_answer_alike() {
    Compared {
        page: "from-haproxy.md",
        language: "haproxy",
        within: "",
        its_own: "cache-control: no-cache\n",
        fields: &["host", "x-forwarded-for", "x-custom"],
        other: Place::haproxy,
    }
    .check();
}
