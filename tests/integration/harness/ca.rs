//! A small CA over plain HTTP that validates nothing, for responses that pebble cannot produce.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine};
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509CertificationRequest};

/// Runs for as long as the test binary.
pub struct Ca {
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Answers to give to orders instead: status, `Retry-After`, body.
    refusals: VecDeque<(u16, &'static str, &'static str)>,
    /// Seconds from now at which renewal is suggested.
    advice: Option<i64>,
    /// Once, in place of `advice`.
    next_advice: Option<i64>,
    /// How often that was asked for.
    asked: usize,
    /// How long each answer takes.
    delay: Duration,
    profiles: Vec<&'static str>,
    orders: Vec<Value>,
    taken: Vec<Taken>,
    /// Orders whose certificate has not been fetched: now, and the most there were.
    open: (usize, usize),
    requests: Vec<Vec<u8>>,
    accounts: Vec<Value>,
    root: Option<(Issuer<'static, KeyPair>, String)>,
}

/// An order that was not refused.
struct Taken {
    names: Vec<String>,
    chain: String,
}

struct PublicKey(Vec<u8>);

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl Ca {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { root: Some(root()), ..State::default() }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || answer(stream, addr, &state));
            }
        });
        Self { addr, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/dir", self.addr)
    }

    /// Answers the next order so.
    pub fn refuse(&self, status: u16, retry_after: &'static str, body: &'static str) {
        self.state.lock().unwrap().refusals.push_back((status, retry_after, body));
    }

    /// Suggests renewal in so many seconds, to whom asks from now on.
    /// The next answer alone.
    pub fn advise_once(&self, seconds: i64) {
        self.state.lock().unwrap().next_advice = Some(seconds);
    }

    pub fn advise(&self, seconds: i64) {
        self.state.lock().unwrap().advice = Some(seconds);
    }

    /// How often it was asked for that.
    pub fn asked_for_advice(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    /// Takes so long for each answer.
    pub fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    pub fn offer_profiles(&self, profiles: &[&'static str]) {
        self.state.lock().unwrap().profiles = profiles.to_vec();
    }

    /// The most orders that were under way at the same time.
    pub fn most_open(&self) -> usize {
        self.state.lock().unwrap().open.1
    }

    /// What accounts were asked for or changed with.
    pub fn accounts(&self) -> Vec<Value> {
        self.state.lock().unwrap().accounts.clone()
    }

    /// The signing requests, in DER.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().requests.clone()
    }

    /// What was asked for, refused orders included.
    pub fn orders(&self) -> Vec<Value> {
        self.state.lock().unwrap().orders.clone()
    }
}

fn root() -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

fn answer(stream: TcpStream, addr: SocketAddr, state: &Mutex<State>) {
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap_or(0);
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        let mut field = String::new();
        if reader.read_line(&mut field).unwrap_or(0) < 3 {
            break;
        }
        let field = field.to_ascii_lowercase();
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let jws: Value = serde_json::from_slice(&body).unwrap_or_default();
    let payload = BASE64.decode(jws["payload"].as_str().unwrap_or_default()).unwrap();
    let payload = serde_json::from_slice(&payload).unwrap_or_default();
    let (status, more, body) = route(&target, &payload, addr, &mut state.lock().unwrap());
    let delay = state.lock().unwrap().delay;
    std::thread::sleep(delay);
    let nonce = fastrand::u64(..);
    let head = format!(
        "HTTP/1.1 {status} X\r\nReplay-Nonce: {nonce}\r\nContent-Length: {}\r\n{more}\r\n",
        body.len()
    );
    let head_only = line.starts_with("HEAD");
    let sent = if head_only { head } else { head + &body };
    let _ = (&stream).write_all(sent.as_bytes());
}

fn route(
    target: &str,
    payload: &Value,
    addr: SocketAddr,
    state: &mut State,
) -> (u16, String, String) {
    let url = |path: &str| format!("http://{addr}/{path}");
    let located = |path: &str| format!("Location: {}\r\n", url(path));
    let order = |number: usize, status: &str, replaces: &Value| {
        let mut order = json!({
            "status": status, "authorizations": [], "finalize": url(&format!("finalize/{number}")),
            "certificate": url(&format!("chain/{number}")),
        });
        if !replaces.is_null() {
            order["replaces"] = replaces.clone();
        }
        order.to_string()
    };
    let (_, number) = target.rsplit_once('/').unwrap_or_default();
    let number: usize = number.parse().unwrap_or_default();
    match target {
        "/dir" => (200, String::new(), directory(&url, &state.profiles).to_string()),
        "/account" | "/account/1" => {
            state.accounts.push(payload.clone());
            (201, located("account/1"), json!({"status": "valid"}).to_string())
        }
        "/order" => {
            state.orders.push(payload.clone());
            if let Some((status, after, body)) = state.refusals.pop_front() {
                return (status, format!("Retry-After: {after}\r\n"), body.to_owned());
            }
            let names = payload["identifiers"].as_array().unwrap();
            let name = |one: &Value| one["value"].as_str().unwrap().to_owned();
            let names = names.iter().map(name).collect();
            state.taken.push(Taken { names, chain: String::new() });
            state.open.0 += 1;
            state.open.1 = state.open.1.max(state.open.0);
            let number = state.taken.len();
            let location = located(&format!("order/{number}"));
            (201, location, order(number, "ready", &payload["replaces"]))
        }
        _ if target.starts_with("/finalize/") => {
            let csr = BASE64.decode(payload["csr"].as_str().unwrap()).unwrap();
            let names = &state.taken[number - 1].names;
            let chain = issue(&csr, names, state.root.as_ref().unwrap());
            state.taken[number - 1].chain = chain;
            state.requests.push(csr);
            (200, String::new(), order(number, "valid", &Value::Null))
        }
        _ if target.starts_with("/order/") => {
            (200, String::new(), order(number, "valid", &Value::Null))
        }
        _ if target.starts_with("/chain/") => {
            state.open.0 -= 1;
            (200, String::new(), state.taken[number - 1].chain.clone())
        }
        _ if target.starts_with("/advice/") => {
            state.asked += 1;
            advised(state.next_advice.take().or(state.advice))
        }
        _ => (200, String::new(), "{}".to_owned()),
    }
}

fn advised(advice: Option<i64>) -> (u16, String, String) {
    match advice {
        Some(seconds) => {
            (200, "Retry-After: 3600\r\n".to_owned(), self::advice(seconds).to_string())
        }
        None => (404, String::new(), String::new()),
    }
}

/// To renew in so many seconds.
fn advice(seconds: i64) -> Value {
    let at = chrono::Utc::now() + chrono::Duration::seconds(seconds);
    let later = at + chrono::Duration::seconds(2);
    json!({ "suggestedWindow": {"start": at.to_rfc3339(), "end": later.to_rfc3339()} })
}

fn directory(url: &dyn Fn(&str) -> String, profiles: &[&str]) -> Value {
    let profiles: serde_json::Map<_, _> =
        profiles.iter().map(|name| ((*name).to_owned(), json!(name))).collect();
    json!({
        "newNonce": url("nonce"), "newAccount": url("account"),
        "newOrder": url("order"), "renewalInfo": url("advice"),
        "meta": { "profiles": profiles, "termsOfService": url("terms.pdf") },
    })
}

fn issue(csr: &[u8], names: &[String], (issuer, root): &(Issuer<'_, KeyPair>, String)) -> String {
    let (_, csr) = X509CertificationRequest::from_der(csr).unwrap();
    let key = &csr.certification_request_info.subject_pki.subject_public_key.data;
    let mut params = CertificateParams::new(names).unwrap();
    params.serial_number = Some(SerialNumber::from(fastrand::u64(..)));
    params.use_authority_key_identifier_extension = true;
    let year = |add| chrono::Datelike::year(&chrono::Utc::now()) + add;
    params.not_before = rcgen::date_time_ymd(year(-1), 1, 1);
    params.not_after = rcgen::date_time_ymd(year(9), 1, 1);
    let leaf = params.signed_by(&PublicKey(key.to_vec()), issuer).unwrap();
    format!("{}{root}", leaf.pem())
}
