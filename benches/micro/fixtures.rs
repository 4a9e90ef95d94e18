//! Configurations and requests that the counts are taken with.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use caddy::config::{self, Loaded, Settings, Source};
use caddy::congestion::Congestion;
use caddy::http::address::Address;
use caddy::http::connection_values::ConnectionValues;
use caddy::http::placeholders::Template;
use caddy::http::sink::{OpenSink, Sink, SinkTarget};
use caddy::http::{Body, Peer, Request};
use caddy::report::Process;
use caddy::site::{SiteBuilder, SiteTable};
use caddy::tls::Folder;
use caddy::tls::acme::{self, Keeper};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as _;

pub const RULES: &str = "redir /a /b
    redir /c /d
    rewrite /e /f
    rewrite /g /h
    status 403 /o
    status 404 /j
    header /k X-K k
    header /l X-L l
    limits {
        body /m 1MB
        body /n 1MB
    }";
pub const HEADERS: &str = "header / {
        Strict-Transport-Security max-age=31536000
        X-Content-Type-Options nosniff
        X-Frame-Options DENY
        Referrer-Policy no-referrer
        -Server
    }";
pub const HEADER_PLACEHOLDERS: &str = "header / X-Of \"{host} {uri} {remote}\"";
pub const COMBINED: &str = "{remote} - {user} [{when}] \"{method} {uri} {proto}\" {status} {size} \"{>Referer}\" \"{>User-Agent}\"";

/// A configuration, and a host that it knows.
pub struct Site {
    loaded: Loaded,
    host: String,
}

/// Many sites in one table, and the host of the last one.
pub struct Table {
    sites: SiteTable,
    host: String,
}

impl Table {
    pub fn of(count: usize) -> Self {
        let mut sites = SiteTable::default();
        for number in 0..count {
            let address = Address::parse(&format!("http://{}:8080", host(number)));
            let address = address.unwrap_or_else(|error| panic!("{error}"));
            let site = SiteBuilder::new(address, PathBuf::from("."), Arc::new(Discard));
            sites.insert(Arc::new(site.build()));
        }
        Self { sites, host: host(count - 1) }
    }

    /// Whether the site is found; the reference cannot leave the table.
    pub fn find(&self) -> bool {
        self.sites.find(&self.host, "/index.html").is_some()
    }
}

fn host(number: usize) -> String {
    format!("site{number:05}.example.com")
}

/// A Caddyfile of so many sites.
pub fn caddyfile(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let host = host(number);
        let _ = writeln!(
            text,
            "# The site {number}.\nhttp://{host}:8080, http://www.{host}:8080 {{\n    \
             log / stdout \"{{combined}}\"\n    gzip\n    header / X-Site \"{number}\"\n    \
             redir /old /new 301\n    proxy / 127.0.0.1:9000 {{\n        transparent\n        \
             except /static\n    }}\n}}\n"
        );
    }
    text
}

pub fn load(text: String) -> Loaded {
    let source = Source { name: "Caddyfile".to_owned(), text, dir: PathBuf::from("."), path: None };
    let settings = Settings {
        host: String::new(),
        port: "2015".to_owned(),
        http_port: 80,
        https_port: 443,
        alt_svc_port: None,
        root: None,
        quic: true,
        congestion: Congestion::default(),
        tcp_congestion: None,
        http2: true,
        sinks: Arc::new(Discard),
        process: Process::default(),
        fleet: None,
        experiments: Arc::default(),
        keeper: keeper(),
    };
    config::load(&source, &settings).unwrap_or_else(|error| panic!("{error}"))
}

/// Of certificates that nobody asks for.
fn keeper() -> Arc<Keeper> {
    let settings = acme::Settings {
        ca: "https://ca.example/dir".to_owned(),
        email: String::new(),
        agreed: false,
        timeout: Duration::from_secs(1),
        challenges: Vec::new(),
    };
    Keeper::new(Folder::new("/nonexistent".into()), settings)
}

/// A site that answers 200 and has some directives more, and a request for it.
pub fn exchange(directives: &str) -> (Site, Request) {
    let text = format!("http://localhost:8080 {{\n    status 200 /\n    {directives}\n}}");
    (Site { loaded: load(text), host: "localhost".to_owned() }, request())
}

/// Runs the chain to the last byte; neither of the two ever waits here.
pub fn answer(site: &Site, request: &mut Request) -> usize {
    let mut context = Context::from_waker(Waker::noop());
    let found = site.loaded.snapshot.listeners[0].sites.find(&site.host, request.path());
    let Some(found) = found else { panic!("no site") };
    let mut reply = found.handle(request);
    let response = match reply.as_mut().poll(&mut context) {
        Poll::Ready(Ok(response)) => response,
        Poll::Ready(Err(fault)) => panic!("{fault:?}"),
        Poll::Pending => panic!("no answer"),
    };
    assert_eq!(response.status(), StatusCode::OK);
    let fields = response.headers().len();
    let mut body = response.into_body();
    while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
        assert!(frame.is_ok());
    }
    fields
}

pub fn template(text: &str) -> (Template, Request) {
    (Template::parse(text), request())
}

/// What a browser sends.
pub fn request() -> Request {
    let made = http::Request::builder()
        .uri("/index.html?page=1")
        .header(header::HOST, "localhost:8080")
        .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0")
        .header(header::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header(header::ACCEPT_LANGUAGE, "en-US,en;q=0.5")
        .header(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd")
        .header(header::REFERER, "https://www.example.com/a/page.html")
        .body(());
    let Ok((head, ())) = made.map(http::Request::into_parts) else { panic!("a request") };
    let peer = Peer {
        remote: SocketAddr::from(([192, 0, 2, 1], 50_000)),
        local: SocketAddr::from(([192, 0, 2, 2], 8080)),
        tls: None,
        values: ConnectionValues::default(),
    };
    Request {
        early_hints: None,
        original_uri: head.uri.clone(),
        head,
        body: Body::empty(),
        upgrade: None,
        peer: Rc::new(peer),
        host: "localhost".to_owned(),
        user: None,
        upstream: None,
        watcher: None,
        received: Instant::now(),
    }
}

/// What a site answers with.
pub fn response_fields() -> HeaderMap {
    [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_LENGTH, "1024"),
        (header::DATE, "Wed, 25 Nov 2026 04:00:00 GMT"),
        (header::LAST_MODIFIED, "Tue, 24 Nov 2026 04:00:00 GMT"),
        (header::ETAG, "\"6743f0c0-400\""),
        (header::SERVER, "Caddy"),
    ]
    .into_iter()
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
    .collect()
}

/// Takes lines and keeps none.
struct Discard;

impl Sink for Discard {
    fn write_line(&self, line: &str) {
        std::hint::black_box(line);
    }
}

impl OpenSink for Discard {
    fn open(&self, _: &SinkTarget) -> io::Result<Arc<dyn Sink>> {
        Ok(Arc::new(Self))
    }
}
