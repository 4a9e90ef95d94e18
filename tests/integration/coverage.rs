//! Every directive of Caddy 1.0.5 and every option of it, as `coverage.txt` has them, and those of
//! plugins, as `coverage_plugins.txt` has them: one server with a site for each case, and what
//! requests show.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::acme;
use crate::harness::{
    Answer, Ca, Caddy, Fpm, Origin, Setup, certificate, curl, free_port, wait_for,
};

const TEXTS: [&str; 2] = [include_str!("coverage.txt"), include_str!("coverage_plugins.txt")];
const PATIENCE: Duration = Duration::from_secs(30);

/// What Caddy 1.0.5's documentation has.
pub(crate) const CORE: &[(&str, &str)] = &[
    ("root", "PATH"),
    ("index", "FILE"),
    ("bind", "HOST"),
    ("limits", "SIZE header body"),
    ("timeouts", "DURATION read header write idle"),
    (
        "tls",
        "off self_signed EMAIL CERT protocols ciphers curves clients load ask max_certs key_type \
         dns must_staple wildcard alpn ca insecure_disable_sni_matching",
    ),
    ("on", "startup shutdown certrenew"),
    ("startup", "COMMAND"),
    ("shutdown", "COMMAND"),
    ("request_id", "FIELD"),
    (
        "log",
        "FILE FORMAT rotate_size rotate_age rotate_keep rotate_compress rotate_disable except \
         ipmask",
    ),
    ("rewrite", "FROM not regexp r ext if if_op to"),
    ("ext", ".EXTENSION"),
    ("gzip", "ext not level min_length"),
    ("header", "PATH block"),
    (
        "errors",
        "FILE visible log CODE * rotate_size rotate_age rotate_keep rotate_compress rotate_disable",
    ),
    ("basicauth", "USER htpasswd PATHS realm"),
    ("redir", "TO FROM meta block if if_op"),
    ("status", "PATH block"),
    ("mime", "TYPE block"),
    ("internal", "PATH"),
    ("expvar", "PATH"),
    ("push", "RESOURCE block"),
    ("templates", "EXTENSION path ext between"),
    (
        "proxy",
        "FROM upstream random least_conn round_robin first ip_hash uri_hash header fail_timeout \
         max_fails max_conns try_duration try_interval health_check health_check_interval \
         health_check_timeout health_check_port health_check_contains header_upstream \
         header_downstream keepalive timeout without except insecure_skip_verify ca_certificates \
         tls_client fallback_delay transparent websocket",
    ),
    (
        "fastcgi",
        "PATH root ext split index upstream env except pool connect_timeout read_timeout \
         send_timeout",
    ),
    ("websocket", "PATH type bufsize respawn"),
    ("markdown", "PATH ext css js template templatedir"),
    ("browse", "PATH TEMPLATE"),
];

/// What the documentation of plugins has, without what is an error.
const PLUGINS: &[(&str, &str)] = &[
    (
        "jwt",
        "PATH path except allowroot allow deny secret publickey jwks token_source redirect \
         checkpath passthrough strip_header",
    ),
    (
        "login",
        "simple htpasswd backend login_path success_url logout_url template redirect \
         redirect_query_parameter redirect_check_referer redirect_host_file cookie_name \
         cookie_domain cookie_expiry cookie_http_only cookie_secure cookie_same_site jwt_secret \
         jwt_secret_file jwt_algo jwt_key_id jwt_expiry jwt_refreshes",
    ),
    (
        "forward_auth",
        "PATH uri copy_headers except timeout header_upstream ca_certificates \
         insecure_skip_verify",
    ),
    ("reauth", "path except simple upstream failure"),
    ("extauth", "URL proxy router cookies headers timeout insecure_skip_verify prefixes"),
    ("cgi", "PATTERN match except exec dir env pass_env empty_env timeout app"),
    ("webdav", "PATH scope modify allow allow_r block block_r USER:"),
];

/// Tokens of claims, signed by HMAC-SHA-256 with `the secret of the test`.
pub(crate) const TOKENS: &[(&str, &str)] = &[
    (
        "ADMIN",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiYWRtaW4ifQ.\
         yMpA-_UpPqdaYLsupLIhY9lAuwF-xQ_0N5ZySE18vmU",
    ),
    (
        "GUEST",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiZ3Vlc3QifQ.\
         8IbFKh8yFamlPvS768NFzyXgaR3n8j4wLjc4jiewTUI",
    ),
    (
        "STAFF",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
         eyJyb2xlIjoic3RhZmYiLCJwYXRoIjoiL2luIiwiaHR0cHM6Ly9hLnRlc3QvdGVhbSI6ImJsdWUifQ.\
         _eGNVStp0OG683wTe9UJYK51iY8bRMDGfMjFfrBTchs",
    ),
];

/// A site that decides about requests for others.
const HELP: &str = "http://:@PORT3@ {
    rewrite /key {
        if {>X-Key} is right
        to /yes
    }
    rewrite /cookie {
        if {>Cookie} is \"\"
        to /yes
    }
    rewrite /asked {
        if {>X-Auth-URL} is /a?b=c
        to /yes
    }
    header /yes Remote-User kim
    status 200 /yes
    status 401 /
}
";

struct Case {
    name: &'static str,
    address: String,
    host: String,
    own: String,
    lines: Vec<&'static str>,
    steps: Vec<&'static str>,
    /// The file and name of the test that shows it.
    by: Option<(&'static str, &'static str)>,
}

fn cases() -> Vec<Case> {
    let texts = TEXTS.iter().flat_map(|text| text.split("\n== ").skip(1));
    texts.enumerate().map(|(number, text)| case(number, text)).collect()
}

fn case(number: usize, text: &'static str) -> Case {
    let mut all = text.lines().filter(|line| !line.is_empty());
    let name = all.next().unwrap();
    let (steps, mut lines): (Vec<_>, Vec<_>) =
        all.partition(|line| line.starts_with("> ") || line.starts_with("< "));
    let by = lines.first().and_then(|line| line.strip_prefix("by ")).map(|by| {
        lines.clear();
        by.split_once(' ').unwrap()
    });
    let has_address = lines.first().is_some_and(|line| line.starts_with("http"));
    let address = if has_address { lines.remove(0) } else { "http://@HOST@:@PORT@" };
    if !lines.iter().any(|line| line.starts_with("root ")) {
        lines.insert(0, "root www");
    }
    let (host, own) = (format!("c{number}.test"), free_port().to_string());
    Case { name, address: address.to_owned(), host, own, lines, steps, by }
}

impl Case {
    fn fill(&self, text: &str) -> String {
        text.replace("@HOST@", &self.host).replace("@OWN@", &self.own)
    }

    fn site(&self) -> String {
        self.fill(&format!("{} {{\n{}\n}}\n", self.address, self.lines.join("\n")))
    }

    fn ask(&self, fill: impl Fn(&str) -> String, request: &str) -> Answer {
        let filled = |text: &str| fill(&self.fill(text));
        let mut options = words(&filled(request));
        let url = filled(&self.address) + &options.pop().unwrap();
        let mut options: Vec<_> = options.iter().map(String::as_str).collect();
        if !options.contains(&"--connect-to") {
            options.extend(["--connect-to", "::127.0.0.1:"]);
        }
        curl(&options, &url)
    }
}

/// Words, of which those in single quotes may have blanks.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    for (at, part) in line.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// Whether an answer is as expected; `again` sends the request once more.
pub(crate) fn holds(
    caddy: &Caddy,
    expected: &str,
    answer: &Answer,
    again: impl Fn() -> Answer,
) -> bool {
    let quoted = |text: &str| text.strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
    if let Ok(status) = expected.parse::<u16>() {
        return answer.status == status;
    }
    if let Some(text) = quoted(expected) {
        return answer.text().contains(&text);
    }
    if let Some(text) = expected.strip_prefix('!').and_then(quoted) {
        return !answer.text().contains(&text);
    }
    let (first, rest) = expected.split_once(' ').unwrap_or((expected, ""));
    if let Some(name) = first.strip_suffix(':') {
        let value = answer.header(&name.to_lowercase());
        let quoted_behind = |sign: char| rest.strip_prefix(sign).and_then(quoted);
        return match (quoted_behind('~'), quoted_behind('!')) {
            (Some(part), _) => value.contains(&part),
            (None, Some(part)) => !value.is_empty() && !value.contains(&part),
            (None, None) => value == rest,
        };
    }
    if let Ok(count) = rest.parse::<usize>() {
        let all = (0..count).map(|_| again().header("x-origin").to_owned());
        let wanted = if first == "one" { 1 } else { 2 };
        return all.collect::<BTreeSet<_>>().len() == wanted;
    }
    if let Some(text) = rest.strip_prefix('!').and_then(quoted) {
        return !caddy.read(first).contains(&text);
    }
    let text = quoted(rest).unwrap_or_else(|| panic!("'{expected}' is no expectation"));
    let path = caddy.path(first);
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    wait_for(expected, PATIENCE, || read().contains(&text).then_some(true))
}

/// `kim:secret`, made by `htpasswd -nbBC 8`.
const USERS: &str = "kim:$2y$08$U2CNHY0JIfzPk./CVoC2XujORJkjEV4lxbQFnsHGk/GkJmUKXrg5G\n";

const PHP: &str = r#"<?php
    echo "script $_SERVER[SCRIPT_NAME] info ", $_SERVER['PATH_INFO'] ?? '',
        ' query q=', $_GET['q'] ?? '', " root $_SERVER[DOCUMENT_ROOT] mine ",
        $_SERVER['MINE'] ?? '';
"#;

/// What `cgi` runs.
const REPORT: &str = "echo\necho \"$(pwd) argument $1 path $PATH_INFO level $LEVEL \
                      passed ${PASSED-unset}.\"\n";

const FILES: &[(&str, &str)] = &[
    ("www/index.html", "the index"),
    ("www/hello.txt", "hello file"),
    ("www/type.foo", "foo"),
    ("www/404.html", "the page of 404"),
    ("www/inner/file.txt", "the inner file"),
    ("www/plain/home.htm", "the page home"),
    ("www/plain/other.txt", "longer than the page home"),
    ("www/method.html", "it is {{.Method}}"),
    ("www/method.txt", "it is {{.Method}}"),
    ("www/method.tpl", "it is {{.Method}}"),
    ("www/square.html", "it is [[.Method]] and {{.Method}}"),
    ("www/doc/a.md", "# Title\n"),
    ("www/doc/named.md", "---\ntemplate: page.tpl\n---\n# Title\n"),
    ("www/page.tpl", "in the template: {{.Doc.body}}"),
    ("www/browse.tpl", "{{range .Items}}[{{.Name}}]{{end}}"),
    ("www/env.php", PHP),
    ("www/php/env.php", PHP),
    ("www/page.php", "<?php echo 'page';"),
    ("www/sleep.php", "<?php sleep(2);"),
    ("www/users", USERS),
    ("www/enter.html", "of our own {{template \"login\" .}}"),
    ("other/index.html", "the other index"),
    ("files/a.txt", "the file a"),
    ("files/.hidden", "hidden"),
    ("files/in/b.txt", "the file b"),
    ("files/in/open/c.txt", "the file c"),
    ("secret", "the secret of the test"),
    ("hosts", "b.test\n"),
    ("report", REPORT),
];

/// Whom the sites ask.
struct Others {
    origins: [Origin; 2],
    fpm: Fpm,
}

fn setup(others: &Others, cases: &[Case]) -> Setup {
    let mut text = "https://localhost:@PORT2@ {\n tls @CERT@ @KEY@\n root www\n}\n".to_owned();
    text.push_str(HELP);
    text.extend(cases.iter().filter(|case| case.by.is_none()).map(Case::site));
    let mut setup = Setup::new(&text).env("PASSED", "through");
    let (cert, key, _) = certificate(setup.dir(), "9");
    let both = [&cert, &key].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    let pages = "a page ".repeat(100);
    for (name, content) in FILES.iter().copied().chain([
        ("www/page.html", &*pages),
        ("www/page.dat", &*pages),
        ("loaded/one.pem", &*both),
    ]) {
        setup = setup.file(name, content);
    }
    let [tls, help] = ["localhost:@PORT2@", "127.0.0.1:@PORT3@"].map(|text| setup.fill(text));
    for (name, value) in [
        ("ORIGIN", others.origins[0].addr.to_string()),
        ("ORIGIN2", others.origins[1].addr.to_string()),
        ("DEAD", format!("127.0.0.1:{}", free_port())),
        ("TLS", tls),
        ("HELP", help),
        ("CERT", cert),
        ("KEY", key),
        ("FPM", others.fpm.unix.clone()),
        ("FPM2", others.fpm.tcp.clone()),
        ("LONG", "x".repeat(2000)),
    ]
    .into_iter()
    .chain(TOKENS.iter().map(|(name, token)| (*name, (*token).to_owned())))
    {
        setup = setup.set(name, value);
    }
    setup
}

#[test]
fn every_option_does_what_a_request_shows() {
    let others = Others { origins: [Origin::named("a"), Origin::named("b")], fpm: Fpm::start() };
    let cases = cases();
    let setup = setup(&others, &cases);
    let names =
        ["ORIGIN", "ORIGIN2", "DEAD", "TLS", "CERT", "KEY", "FPM", "FPM2", "LONG", "PORT", "DIR"];
    let names: Vec<_> = names.into_iter().chain(TOKENS.iter().map(|(name, _)| *name)).collect();
    let values: Vec<_> = names.iter().map(|name| setup.fill(&format!("@{name}@"))).collect();
    let fill = |text: &str| {
        let pairs = names.iter().zip(&values);
        pairs.fold(text.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
    };
    let caddy = setup.start();
    let mut wrong = vec![];
    for case in &cases {
        let (mut last, mut asked) = (None, "");
        for step in &case.steps {
            let text = &step[2..];
            if step.starts_with('>') {
                (last, asked) = (Some(case.ask(fill, text)), text);
                continue;
            }
            let answer = last.as_ref().expect("a request before what is expected of it");
            let expected = fill(&case.fill(text));
            if !holds(&caddy, &expected, answer, || case.ask(fill, asked)) {
                wrong.push(format!("{}: > {asked}: < {expected}: {answer:?}", case.name));
            }
        }
        assert!(case.by.is_some() || !asked.is_empty(), "{}: no request", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_option_has_a_case() {
    let cases = cases();
    for (directive, options) in CORE.iter().chain(PLUGINS) {
        for option in options.split_whitespace() {
            let is_its = |case: &&Case| {
                let mut words = case.name.split(' ');
                words.next() == Some(*directive) && words.any(|word| word == option)
            };
            assert!(cases.iter().any(|case| is_its(&case)), "{directive}: {option}");
        }
    }
    for case in &cases {
        let Some((file, test)) = case.by else { continue };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!("fn {test}(")), "{}: {file} has no {test}", case.name);
    }
}

#[test]
fn a_site_chooses_its_ca() {
    let (own, other) = (Ca::start(), Ca::start());
    let text = "a.example {\nstatus 200 /\ntls {\nca @CA@\n}\n}\n";
    let setup = acme::setup(text).set("CA", own.url()).arg(&format!("-ca={}", other.url()));
    let _caddy = setup.start();
    wait_for("the order", PATIENCE, || (!own.orders().is_empty()).then_some(()));
    assert!(other.orders().is_empty());
}
