//! What holds of a whole configuration, whatever its directives are given.

use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::{LoadError, Settings, Source, load};
use crate::congestion::Congestion;
use crate::fuzzing::{Target, text};
use crate::http::sink::{OpenSink, Sink, SinkTarget};
use crate::report::Process;
use crate::tls::Folder;
use crate::tls::acme::{self, Keeper};

/// The targets of this floor.
pub const TARGETS: &[Target] = &[Target { name: "config", run: config, seeds: FILES }];

const FILES: &[&[u8]] = &[
    b"http://a:80/x, b:8080 {\n root /nonexistent\n bind 127.0.0.1 ::1\n index a.html b\n ext .html .php\n \
        limits {\n  header 8KB\n  body /up 1MB\n }\n timeouts {\n  read 5s\n  idle none\n }\n}",
    b":2015 {\n root /nonexistent\n header /a {\n  X-A \"{host} {>User-Agent}\"\n  -Server\n  +Vary b\n }\n \
        redir 301 {\n  if {path} match ^/old(.*)\n  if_op or\n  / https://{host}{uri}\n }\n \
        rewrite /r {\n  r (.*)\\.x$\n  ext .x !.y\n  to {1}.z /index?{query}\n }\n}",
    b":2015 {\n proxy /api 10.0.0.1:80 http://b:81/p localhost:90-92 unix:/nonexistent {\n  policy ip_hash\n  \
        fail_timeout 5s\n  max_fails 2\n  health_check /h\n  health_check_interval 9s\n  except /s\n  without /api\n  \
        header_upstream X-Y {remote}\n  header_downstream -Z\n  transparent\n  websocket\n  keepalive 4\n  \
        try_duration 1s\n  upstream_proxy_protocol 2\n }\n}",
    b":2015 {\n root /nonexistent\n fastcgi / 127.0.0.1:9000 php {\n  split .php\n  index i.php\n  env A b\n  \
        except /x\n  pool 2\n }\n gzip {\n  ext .html\n  not /img\n  level 5\n  min_length 9\n }\n \
        log / stdout \"{combined}\" {\n  rotate_size 1\n  rotate_age 2\n  rotate_keep 3\n  except /e\n }\n \
        errors {\n  404 404.html\n  * e.html\n }\n mime .a b/c\n status 404 /no /none\n internal /in\n}",
    b"https://a {\n tls self_signed {\n  protocols tls1.2 tls1.3\n  ciphers ECDHE-RSA-AES128-GCM-SHA256\n  \
        curves x25519 p256\n  clients require ca.pem\n  alpn h2\n }\n basicauth /s u p\n \
        basicauth u p {\n  realm r\n  /t\n }\n browse /b\n push /p {\n  /p.css\n }\n expvar /v\n \
        prometheus [::1]:9180 {\n  path /m\n  hostname h\n  label a b\n  allow private\n }\n \
        request_id X-Id\n realip {\n  from private\n  strict\n  maxhops 2\n }\n root /nonexistent\n}",
    b"http://a {\n websocket /ws cat {\n  respawn\n }\n proxyprotocol 10.0.0.0/8 {\n  timeout 5s\n }\n \
        on startup true x\n tls off\n root /nonexistent\n}",
];

/// Whatever the text, it loads or there are errors that say where; the second time likewise.
fn config(data: &[u8]) {
    let written = text(data);
    // Files are the machine's, and some of them never end.
    let names_a_file = ["import", "/dev", "/proc", "/sys", "htpasswd"];
    if names_a_file.iter().any(|word| written.contains(word)) {
        return;
    }
    let source = Source {
        name: "F".to_owned(),
        text: written.into_owned(),
        dir: "/nonexistent".into(),
        path: None,
    };
    let results = [(); 2].map(|()| match load(&source, &SETTINGS) {
        Ok(loaded) => {
            assert!(loaded.lines().iter().all(|line| !line.is_empty()));
            Ok((loaded.lines(), loaded.warnings))
        }
        Err(LoadError::Caddyfile(errors)) => {
            assert!(errors.iter().next().is_some());
            for error in errors.iter() {
                assert!(["F", ""].contains(&&*error.file), "{error:?}");
                assert!(error.line >= 1 && error.column >= 1, "{error:?}");
                assert!(!error.message.is_empty());
            }
            Err(errors.to_string())
        }
        Err(LoadError::Site(message) | LoadError::Address(message)) => {
            assert!(!message.is_empty());
            Err(message)
        }
    });
    assert_eq!(results[0], results[1]);
}

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let settings = acme::Settings {
        ca: "https://ca.example/dir".to_owned(),
        email: String::new(),
        agreed: false,
        timeout: Duration::from_secs(1),
        challenges: Vec::new(),
    };
    Settings {
        host: String::new(),
        port: "2015".to_owned(),
        http_port: 80,
        https_port: 443,
        alt_svc_port: None,
        root: Some(Path::new("/nonexistent").to_owned()),
        quic: true,
        congestion: Congestion::default(),
        tcp_congestion: None,
        http2: true,
        sinks: Arc::new(Discard),
        process: Process::default(),
        fleet: None,
        experiments: Arc::default(),
        keeper: Keeper::new(Folder::new("/nonexistent".into()), settings),
    }
});

/// Takes lines and keeps none.
struct Discard;

impl Sink for Discard {
    fn write_line(&self, _: &str) {}
}

impl OpenSink for Discard {
    fn open(&self, _: &SinkTarget) -> io::Result<Arc<dyn Sink>> {
        Ok(Arc::new(Self))
    }
}

#[cfg(test)]
#[test]
fn promises_hold_for_any_bytes() {
    crate::fuzzing::hold(TARGETS, 150);
}
