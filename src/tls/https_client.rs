//! An HTTPS client for CAs and related services: one connection per request, limited in time and
//! size, with the system's authorities (`SSL_CERT_FILE` names others). Error responses that are not
//! problem documents (RFC 7807) are converted to them.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::error_chain::display_chain;
use crate::limits::CA_ANSWER_BYTES;
use crate::net::{dial, roots};
use crate::tls::pem::unix_now;

const USER_AGENT: &str = concat!("caddy/", env!("CARGO_PKG_VERSION"));

/// Seconds for which the system's authorities are cached.
const TRUST: i64 = 3600;
/// Most seconds for which Retry-After holds: one response must not end all renewals.
const LONGEST_PAUSE: i64 = 24 * 3600;

/// The TLS configuration with them, and when they were read.
static TRUSTED: Mutex<Option<(Arc<ClientConfig>, i64)>> = Mutex::new(None);

tokio::task_local! {
    static SAID: Said;
}

/// What the CA has said of one order.
#[derive(Default)]
struct Said {
    /// The Unix second at which it allows a retry of this order only.
    later: Cell<Option<i64>>,
    /// The seconds after which it wants to be asked again, by its last response.
    again: Cell<Option<i64>>,
}

/// Runs the requests of one order. A `rateLimited` error concerns its name only: the time of the
/// next attempt is returned with the result, and other names are not delayed.
pub(super) async fn for_one_order<T>(work: impl Future<Output = T>) -> (T, Option<i64>) {
    let noted = async { (work.await, SAID.with(|said| said.later.get())) };
    SAID.scope(Said::default(), noted).await
}

/// When the CA wants to be asked again, if its last response about this order says so.
pub(super) fn asked_again() -> Option<Duration> {
    let seconds = SAID.try_with(|said| said.again.get()).ok().flatten()?;
    Some(Duration::from_secs(seconds.unsigned_abs()))
}

/// A client of one CA.
#[derive(Debug, Clone)]
pub(in crate::tls) struct Client {
    timeout: Duration,
    /// Unix second before which the CA accepts no requests.
    pause: Arc<AtomicI64>,
}

impl Client {
    pub(in crate::tls) fn new(timeout: Duration, pause: Arc<AtomicI64>) -> Self {
        Self { timeout, pause }
    }

    /// The status of a GET, for `ask` of on-demand TLS.
    pub(super) async fn get(&self, uri: &Uri) -> Result<StatusCode, String> {
        let request = Request::get(uri).body(Full::default()).map_err(|e| display_chain(&e))?;
        self.clone().exchange(request).await.map(|response| response.status())
    }

    /// The body of a response with status 200; other statuses are errors.
    pub(in crate::tls) async fn fetch(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Bytes, String> {
        let uri = request.uri().clone();
        let response = self.clone().exchange(request).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(format!("{uri}: the response was {status}")),
        }
    }

    /// The response to an ACME request; an error response is a problem document.
    pub(super) async fn ask(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, String> {
        // Required by RFC 8555 section 6.1.
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let response = self.clone().exchange(request).await?;
        self.note_pause(&response);
        let status = response.status();
        let is_no = !status.is_success() && !status.is_redirection();
        Ok(if is_no { as_problem(response) } else { response })
    }

    async fn exchange(self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String> {
        let uri = request.uri().clone();
        match tokio::time::timeout(self.timeout, self.open(request)).await {
            Ok(done) => done.map_err(|error| format!("{uri}: {error}")),
            Err(_) => Err(format!("{uri}: no response within {:?}", self.timeout)),
        }
    }

    async fn open(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String> {
        let uri = request.uri().clone();
        let host = uri.host().ok_or("the URL has no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        // The other half is left for TLS and the request.
        let deadline = Instant::now() + self.timeout / 2;
        let stream =
            dial::host((host, port), deadline).await.map_err(|error| display_chain(&error))?;
        if !secure {
            return send(stream, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|e| display_chain(&e))?;
        let connector = TlsConnector::from(trust()?);
        send(connector.connect(name, stream).await.map_err(|e| display_chain(&e))?, request).await
    }

    /// Records Retry-After: of an error, for this order if it is a rate limit, else for every
    /// request to this CA.
    fn note_pause(&self, response: &Response<Bytes>) {
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        let after = retry_after(response);
        // Outside of an order nobody asks for it.
        let _ = SAID.try_with(|said| said.again.set(after));
        let Some(seconds) = after.filter(|_| busy.contains(&response.status())) else { return };
        // Rounded up: within the present second, the wait would end up to a second too early.
        let until = unix_now() + seconds.min(LONGEST_PAUSE) + 1;
        let about_order = response.status() == StatusCode::TOO_MANY_REQUESTS
            && is_rate_limit(response.body())
            && SAID.try_with(|said| said.later.set(Some(until))).is_ok();
        if !about_order {
            self.pause.fetch_max(until, Ordering::Relaxed);
        }
    }
}

/// The TLS configuration, rebuilt once per [`TRUST`].
fn trust() -> Result<Arc<ClientConfig>, String> {
    let mut known = TRUSTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((config, read)) = &*known
        && (*read..*read + TRUST).contains(&unix_now())
    {
        return Ok(config.clone());
    }
    let roots = roots::read()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS to the CA: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let config = Arc::new(config);
    *known = Some((config.clone(), unix_now()));
    Ok(config)
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let signed = head.method == http::Method::POST;
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let request = Request::from_parts(head, Full::new(body));
            let uri = request.uri().clone();
            let response = client.ask(request).await.map_err(|text| Error::Other(text.into()))?;
            let status = response.status();
            if signed || status.is_success() || status.is_redirection() {
                return Ok(response.map(Full::new).into());
            }
            // The library does not parse the responses to GET as problems.
            let body = response.into_body();
            Err(match serde_json::from_slice(&body) {
                Ok(problem) => Error::Api(problem),
                Err(_) => Error::Other(format!("{uri}: the response was {status}").into()),
            })
        })
    }
}

async fn send<S>(stream: S, mut request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: &(dyn std::error::Error + 'static)| display_chain(error);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    let driver = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let uri = request.uri().clone();
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    let host = HeaderValue::try_from(authority).map_err(|error| failed(&error))?;
    request.headers_mut().insert(header::HOST, host);
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = target.parse().map_err(|error| failed(&error))?;
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let (head, body) = response.into_parts();
    let body =
        Limited::new(body, CA_ANSWER_BYTES).collect().await.map_err(|error| failed(&*error))?;
    drop(driver);
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// Converts an error response to a problem document with its status.
fn as_problem(response: Response<Bytes>) -> Response<Bytes> {
    let status = response.status().as_u16();
    response.map(|body| {
        let mut problem = serde_json::from_slice::<Value>(&body)
            .ok()
            .filter(Value::is_object)
            .unwrap_or_else(|| json!({ "detail": format!("the response was HTTP {status}") }));
        problem["status"] = json!(status);
        Bytes::from(problem.to_string())
    })
}

fn is_rate_limit(body: &[u8]) -> bool {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    problem["type"].as_str().is_some_and(|kind| kind.ends_with(":rateLimited"))
}

/// Seconds from now.
fn retry_after(response: &Response<Bytes>) -> Option<i64> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(i64::from(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let wait = at.duration_since(SystemTime::now()).unwrap_or_default();
    i64::try_from(wait.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        let builder = Response::builder().status(status).header("retry-after", "7");
        builder.body(Bytes::from(body.to_owned())).unwrap()
    }

    #[test]
    fn any_error_answer_becomes_a_problem_with_its_status() {
        for (body, expected) in [
            ("<html>", r#"{"detail":"the response was HTTP 503","status":503}"#),
            ("[1]", r#"{"detail":"the response was HTTP 503","status":503}"#),
            (r#"{"type":"t","detail":"d"}"#, r#"{"detail":"d","status":503,"type":"t"}"#),
        ] {
            let problem: Value =
                serde_json::from_slice(as_problem(answer(503, body)).body()).unwrap();
            assert_eq!(problem, serde_json::from_str::<Value>(expected).unwrap());
        }
        assert_eq!(retry_after(&answer(429, "")), Some(7));
    }

    #[tokio::test]
    async fn when_to_ask_again_is_what_the_last_response_says() {
        let client = Client::new(Duration::ZERO, Arc::default());
        let told = async {
            assert_eq!(asked_again(), None);
            client.note_pause(&answer(200, ""));
            assert_eq!(asked_again(), Some(Duration::from_secs(7)));
            client.note_pause(&Response::new(Bytes::new()));
            assert_eq!(asked_again(), None);
        };
        assert_eq!(for_one_order(told).await, ((), None));
        client.note_pause(&answer(200, ""));
        assert_eq!((asked_again(), client.pause.load(Ordering::Relaxed)), (None, 0));
    }

    #[test]
    fn a_ca_is_left_alone_for_a_day_at_most() {
        let client = Client::new(Duration::ZERO, Arc::default());
        let year = Response::builder().status(503).header("retry-after", "31536000");
        client.note_pause(&year.body(Bytes::new()).unwrap());
        let pause = client.pause.load(Ordering::Relaxed) - unix_now();
        assert!((LONGEST_PAUSE - 5..=LONGEST_PAUSE + 1).contains(&pause), "{pause}");
    }

    #[test]
    fn a_ca_is_never_asked_before_the_time_that_it_gave() {
        let client = Client::new(Duration::ZERO, Arc::default());
        let begun = SystemTime::now();
        client.note_pause(&answer(503, ""));
        let until = client.pause.load(Ordering::Relaxed).unsigned_abs();
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(until);
        assert!(until.duration_since(begun).unwrap() >= Duration::from_secs(7));
    }
}
