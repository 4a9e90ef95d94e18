//! `health_check`: active health checks of the upstreams, independent of requests.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, pending};
use http::Method;
use http::header::{HOST, HeaderName, USER_AGENT};
use http_body_util::BodyExt;
use tokio::time::{sleep_until, timeout};

use crate::directives::proxy::balance::discover::Hosts;
use crate::directives::proxy::rule::Rule;
use crate::error_chain::display_chain;
use crate::http::connection_values::ConnectionValues;
use crate::http::paths::Prefix;
use crate::http::request::{Peer, TlsFacts};
use crate::http::{Body, Request};
use crate::limits::HEALTH_BODY;
use crate::net::proxy_protocol::writer::ProxyProtocol;
use crate::site::Task;
use crate::upstream::exchange::attempt::attempt;
use crate::upstream::exchange::outcome::{Attempt, Outcome};
use crate::upstream::exchange::payload::Payload;
use crate::upstream::exchange::settings::Settings;
use crate::upstream::host::health::{Check, Health};
use crate::upstream::host::upstream::{Slot, Target, Upstream, shared_state};
use crate::upstream::rewrite::header_rules::HeaderRule;

/// The background tasks of a rule: health checks, and name resolution.
pub(super) fn tasks(rule: &Rule) -> Vec<Task> {
    let mut tasks = Vec::new();
    let hosts = rule.upstreams();
    if hosts.are_named() {
        let hosts = hosts.clone();
        tasks.push(Task::new(move || hosts.keep()));
    }
    if rule.check.path.is_some() {
        let checker = Checker {
            check: rule.check.clone(),
            hosts,
            settings: settings(rule),
            rule_site: rule.site.clone(),
            site: rule.host.clone(),
            secure: rule.secure,
        };
        tasks.push(Task::new(move || checker.run()));
    }
    tasks
}

/// The settings for health checks: their requests look like those of clients, and no connection is
/// kept, as each check opens a new one.
fn settings(rule: &Rule) -> Settings {
    // The check has its own timeout for the whole exchange.
    let never_first = rule.check.timeout + Duration::from_secs(1);
    let mut upstream_headers = rule.exchange.upstream_headers.clone();
    upstream_headers.push(HeaderRule::delete(HeaderName::from_static("x-forwarded-for")));
    if let Some(host) = &rule.check.host {
        upstream_headers.push(HeaderRule::fixed(HOST, host.clone()));
    }
    Settings {
        keepalive: 0,
        connect_timeout: rule.exchange.connect_timeout,
        first_byte: never_first,
        idle: never_first,
        without: Prefix::default(),
        upstream_headers,
        downstream_headers: Vec::new(),
        tls: rule.exchange.tls.clone(),
        proxy_protocol: rule.exchange.proxy_protocol.map(ProxyProtocol::of_no_client),
    }
}

/// What the checks of a rule send to each upstream, and how: those that differ in it share no
/// result.
pub(super) fn sent(rule: &Rule) -> String {
    let Settings { upstream_headers, proxy_protocol, connect_timeout, .. } = settings(rule);
    let varies = upstream_headers.iter().any(HeaderRule::varies);
    let site = varies.then_some((&rule.host, rule.secure));
    format!("{upstream_headers:?} {proxy_protocol:?} {connect_timeout:?} {site:?}")
}

/// Records a check's result; logs only when the state changes.
fn record(health: &Health, site: &str, upstream: &Upstream, verdict: Result<(), String>) {
    let down = verdict.is_err();
    if !health.set_down(down) {
        return;
    }
    match verdict {
        Err(why) => log::warn!("{site}: upstream {} is down: {why}", upstream.name),
        Ok(()) => {
            log::info!("{site}: upstream {} is up", upstream.name);
            upstream.state.mark_recovered();
        }
    }
}

/// The health checks of a rule.
struct Checker {
    check: Check,
    hosts: Hosts,
    /// The settings of the rule, but for the idle connections.
    settings: Settings,
    /// The name of the site in logs.
    rule_site: Arc<str>,
    /// The host of the site, for the Host field of checks.
    site: String,
    secure: bool,
}

impl Checker {
    /// Runs the checks while it is polled.
    async fn run(self) {
        loop {
            let hosts = self.hosts.now();
            let checks = join_all(hosts.iter().map(|host| self.check_on(host)));
            // Never completes, even without hosts.
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

    /// Checks one upstream periodically.
    async fn check_on(&self, host: &Upstream) {
        let Some(health) = &host.health else { return };
        let mut asked = host.clone();
        if let (Target::Tcp { port, .. }, Some(other)) = (&mut asked.target, self.check.port) {
            *port = other;
            // Its connections are not for requests.
            asked.state = shared_state(format!("check of {} at port {other}", host.state.id));
        }
        loop {
            match health.schedule.claim(self.check.interval) {
                Ok(turn) => {
                    record(health, &self.rule_site, host, self.ask(&asked).await);
                    turn.done();
                }
                Err(due) => sleep_until(due).await,
            }
        }
    }

    async fn ask(&self, host: &Upstream) -> Result<(), String> {
        let limit = self.check.timeout;
        let asking = timeout(limit, self.answer(host)).await;
        asking.unwrap_or_else(|_| Err(format!("the health check timed out after {limit:?}")))
    }

    async fn answer(&self, host: &Upstream) -> Result<(), String> {
        let request = self.request(host)?;
        let (settings, req, payload) = (&self.settings, &request, &mut Payload::Empty);
        let answer = attempt(Attempt { settings, host, req, payload }, Slot::default()).await;
        let response = match answer {
            Outcome::Answered(response) => response,
            Outcome::Failed { error, .. } => return Err(display_chain(&error)),
        };
        let status = response.status();
        if !self.check.takes(status.as_u16()) {
            return Err(format!("the health check returned {status}"));
        }
        match &self.check.contains {
            Some(text) => holds(response.into_body(), text.as_bytes()).await,
            None => Ok(()),
        }
    }

    /// A request as a client of the site would send it.
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
            peer: Rc::new(Peer {
                remote: nobody,
                local: nobody,
                tls,
                values: ConnectionValues::default(),
            }),
            host: self.site.clone(),
            user: None,
            upstream: None,
            watcher: None,
            early_hints: None,
            received: std::time::Instant::now(),
        })
    }
}

/// Whether the text occurs in the first [`HEALTH_BODY`] bytes of the body.
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
                return Err(format!(
                    "the response to the health check broke off: {}",
                    display_chain(&*error)
                ));
            }
            None => break,
        }
    }
    Err(format!("the response to the health check lacks '{}'", String::from_utf8_lossy(text)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;
    use crate::http::BodyError;

    #[test]
    fn what_a_site_sends_is_its_own_if_it_depends_on_the_site() {
        for (rules, shared) in [
            (&[][..], true),
            (&[&["X-Key", "k"][..], &["-Accept"]], true),
            (&[&["Host", "^a", "b"]], true),
            (&[&["Host", "{host}"]], false),
            (&[&["+X-Scheme", "{scheme}"]], false),
        ] {
            let by = |host: &str, secure| {
                let mut rule = Rule::new(Prefix::new("/"));
                let read = |words: &&[&str]| HeaderRule::parse(words).unwrap().unwrap();
                rule.exchange.upstream_headers = rules.iter().map(read).collect();
                (rule.host, rule.secure) = (host.to_owned(), secure);
                sent(&rule)
            };
            assert_eq!(by("a.test", false) == by("b.test", false), shared, "{rules:?}");
            assert_eq!(by("a.test", false) == by("a.test", true), shared, "{rules:?}");
        }
        let mut checked_by_name = Rule::new(Prefix::new("/"));
        checked_by_name.check.host = Some("checks.test".parse().unwrap());
        assert_ne!(sent(&checked_by_name), sent(&Rule::new(Prefix::new("/"))));
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
