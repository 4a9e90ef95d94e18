//! `health_check`: asks each upstream beside the requests whether it is well. All workers see the
//! verdict, which outlives a reload that asks the same.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, pending};
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Method};
use http_body_util::BodyExt;
use tokio::time::{sleep_until, timeout};

use super::attempt::{Outcome, attempt};
use super::discover::Hosts;
use super::payload::Payload;
use super::rule::Rule;
use super::upstream::{Slot, Target, Upstream};
use crate::http::kept::Kept;
use crate::http::limits::{HEALTH_BODY, HEALTH_INTERVAL, HEALTH_TIMEOUT};
use crate::http::request::{Peer, TlsFacts};
use crate::http::{Body, Request};
use crate::reason::reason;
use crate::upstream::{Schedule, Shared};

/// What a check asks and what it takes for well.
#[derive(Debug, Clone)]
pub(super) struct Check {
    /// Behind the upstream's base path. None: nothing is asked.
    pub(super) path: Option<String>,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) port: Option<u16>,
    pub(super) host: Option<HeaderValue>,
    pub(super) statuses: Vec<RangeInclusive<u16>>,
    pub(super) contains: Option<String>,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            path: None,
            interval: HEALTH_INTERVAL,
            timeout: HEALTH_TIMEOUT,
            port: None,
            host: None,
            statuses: Vec::new(),
            contains: None,
        }
    }
}

impl Check {
    /// What is known of an upstream by a check like this one.
    pub(super) fn health(&self, upstream: &Upstream) -> Option<Arc<Health>> {
        static KNOWN: Shared<Health> = Shared::new();
        let path = self.path.as_ref()?;
        let asked = (path, self.port, &self.host, &self.statuses, &self.contains);
        let key = format!("{} {} {asked:?}", upstream.state.id, upstream.name);
        Some(KNOWN.get(key, Health::default))
    }

    /// A status code, a class of them or a range: `204`, `2xx`, `200-299`.
    pub(super) fn status(text: &str) -> Result<RangeInclusive<u16>, String> {
        let bad = || format!("'{text}' is not a status; write 200, 2xx or 200-299");
        let code = |text: &str| text.parse().ok().filter(|code| (100..=599).contains(code));
        let range = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(class), _) => {
                let class = class.parse::<u16>().ok().filter(|class| (1..=5).contains(class));
                let first = class.ok_or_else(bad)? * 100;
                first..=first + 99
            }
            (None, Some((first, last))) => {
                code(first).ok_or_else(bad)?..=code(last).ok_or_else(bad)?
            }
            (None, None) => code(text).ok_or_else(bad)?..=code(text).ok_or_else(bad)?,
        };
        if range.is_empty() { Err(bad()) } else { Ok(range) }
    }

    fn takes(&self, status: u16) -> bool {
        match self.statuses.as_slice() {
            [] => (200..400).contains(&status),
            statuses => statuses.iter().any(|range| range.contains(&status)),
        }
    }
}

/// What checks have found out about an upstream.
#[derive(Debug, Default)]
pub(super) struct Health {
    down: AtomicBool,
    schedule: Schedule,
}

impl Health {
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Takes a verdict to heart; a change is logged, once.
    fn learn(&self, site: &str, upstream: &Upstream, verdict: Result<(), String>) {
        let down = verdict.is_err();
        if self.down.swap(down, Ordering::Relaxed) == down {
            return;
        }
        match verdict {
            Err(why) => log::warn!("{site}: upstream {} is down: {why}", upstream.name),
            Ok(()) => {
                log::info!("{site}: upstream {} is up", upstream.name);
                upstream.state.came_back();
            }
        }
    }
}

/// The checks of a rule.
pub(super) struct Checker {
    check: Check,
    hosts: Hosts,
    /// As the requests' own, so that a check meets what they meet; it keeps no connection.
    rule: Rule,
    /// What the site is called, where checks say what clients say.
    site: String,
    secure: bool,
}

impl Checker {
    pub(super) fn new(
        check: Check,
        hosts: Hosts,
        rule: Rule,
        (site, secure): (&str, bool),
    ) -> Self {
        Self { check, hosts, rule, site: site.to_owned(), secure }
    }

    /// Checks for as long as it is polled.
    pub(super) async fn run(self) {
        loop {
            let hosts = self.hosts.now();
            let checks = join_all(hosts.iter().map(|host| self.check_on(host)));
            // They go on for as long as there are any.
            let checks = async {
                checks.await;
                pending::<()>().await;
            };
            tokio::select! {
                () = checks => {}
                () = self.hosts.changed(&hosts) => {}
            }
        }
    }

    /// Checks one upstream again and again.
    async fn check_on(&self, host: &Upstream) {
        let Some(health) = &host.health else { return };
        let mut asked = host.clone();
        if let (Target::Tcp { port, .. }, Some(other)) = (&mut asked.target, self.check.port) {
            *port = other;
        }
        loop {
            match health.schedule.claim(self.check.interval) {
                Ok(turn) => {
                    health.learn(&self.rule.site, host, self.ask(&asked).await);
                    turn.done();
                }
                Err(due) => sleep_until(due).await,
            }
        }
    }

    async fn ask(&self, host: &Upstream) -> Result<(), String> {
        let limit = self.check.timeout;
        let asking = timeout(limit, self.answer(host)).await;
        asking.unwrap_or_else(|_| Err(format!("no whole answer to a health check in {limit:?}")))
    }

    async fn answer(&self, host: &Upstream) -> Result<(), String> {
        let request = self.request(host)?;
        let answer =
            attempt(&self.rule, host, &request, &mut Payload::Empty, Slot::default()).await;
        let response = match answer {
            Outcome::Answered(response) => response,
            Outcome::Failed { error, .. } => return Err(reason(&error)),
        };
        let status = response.status();
        if !self.check.takes(status.as_u16()) {
            return Err(format!("it answers a health check with {status}"));
        }
        match &self.check.contains {
            Some(text) => holds(response.into_body(), text.as_bytes()).await,
            None => Ok(()),
        }
    }

    /// What a client of the site would send.
    fn request(&self, host: &Upstream) -> Result<Request, String> {
        let path = self.check.path.as_deref().unwrap_or("/");
        let name =
            if self.site.is_empty() { host.host_field.as_bytes() } else { self.site.as_bytes() };
        let built = http::Request::builder()
            .method(Method::GET)
            .uri(path)
            .header(HOST, name)
            .header(USER_AGENT, "caddy (health check)")
            .body(());
        let (head, ()) = built.map_err(|error| error.to_string())?.into_parts();
        let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
        let tls = self.secure.then(TlsFacts::default);
        Ok(Request {
            original_uri: head.uri.clone(),
            head,
            body: Body::empty(),
            upgrade: None,
            peer: Arc::new(Peer { remote: nobody, local: nobody, tls, kept: Kept::default() }),
            host: self.site.clone(),
            user: None,
            upstream: None,
            received: std::time::Instant::now(),
        })
    }
}

/// Whether the text is among the first bytes of the body.
async fn holds(mut body: Body, text: &[u8]) -> Result<(), String> {
    let mut seen = Vec::new();
    while seen.len() < HEALTH_BODY {
        match body.frame().await {
            Some(Ok(frame)) => {
                let new = frame.data_ref().map_or(&[][..], |data| data);
                let from = seen.len().saturating_sub(text.len());
                seen.extend_from_slice(new);
                if seen[from..].windows(text.len()).any(|window| window == text) {
                    return Ok(());
                }
            }
            Some(Err(error)) => {
                return Err(format!("its answer to a health check broke off: {}", reason(&*error)));
            }
            None => break,
        }
    }
    Err(format!("its answer to a health check lacks '{}'", String::from_utf8_lossy(text)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;
    use crate::http::BodyError;

    #[test]
    fn statuses_are_read() {
        for (text, range) in [("204", 204..=204), ("2xx", 200..=299), ("200-399", 200..=399)] {
            assert_eq!(Check::status(text), Ok(range), "{text}");
        }
        for text in ["", "20", "600", "6xx", "x", "300-200", "2x", "200-", "-"] {
            assert!(Check::status(text).is_err(), "{text}");
        }
    }

    #[test]
    fn statuses_are_taken() {
        let mut check = Check::default();
        assert!(check.takes(200) && check.takes(399) && !check.takes(400) && !check.takes(199));
        check.statuses = vec![204..=204, 500..=599];
        assert!(check.takes(204) && check.takes(503) && !check.takes(200));
    }

    #[tokio::test]
    async fn a_body_is_searched_across_its_pieces() {
        for (parts, found) in [
            (&["all is well"][..], true),
            (&["all is w", "ell"], true),
            (&["w", "e", "l", "l"], true),
            (&["wel", "come"], false),
            (&[], false),
        ] {
            let frames =
                parts.iter().map(|part| Ok::<_, BodyError>(Frame::data(Bytes::from(*part))));
            let frames: Vec<_> = frames.collect();
            let body = StreamBody::new(futures_util::stream::iter(frames));
            assert_eq!(holds(Body::new(body), b"well").await.is_ok(), found, "{parts:?}");
        }
    }
}
