//! Stand-ins of the HTTPS APIs of DNS providers: a proxy for CONNECT that has a certificate of its
//! own CA for every name, and puts what is set into BIND.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::bind::nsupdate;

/// The zone that all of them have.
const ZONE: &str = "dns.example";

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub host: String,
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Runs for as long as the test binary.
pub struct DnsApi {
    port: u16,
    /// The CA of its certificates, in PEM.
    pub ca: String,
    state: Arc<Mutex<State>>,
}

struct State {
    bind: u16,
    asked: Vec<Asked>,
    /// Number, name without the zone, value.
    records: Vec<(usize, String, String)>,
    count: usize,
    /// Answers every request so instead.
    refusal: Option<(u16, String)>,
    /// Sets nothing in BIND.
    is_lazy: bool,
}

impl DnsApi {
    /// In front of this BIND, which has the zone.
    pub fn start(bind: u16) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Arc::new(Issuer::new(params, key));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state =
            State { bind, asked: vec![], records: vec![], count: 0, refusal: None, is_lazy: false };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (issuer, state) = (issuer.clone(), shared.clone());
                std::thread::spawn(move || serve(stream, &issuer, &state));
            }
        });
        Self { port, ca, state }
    }

    /// The value of `HTTPS_PROXY`.
    pub fn proxy(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// How many records there are.
    pub fn records(&self) -> usize {
        self.state.lock().unwrap().records.len()
    }

    /// Answers every request so from now on.
    pub fn refuse(&self, status: u16, body: &str) {
        self.state.lock().unwrap().refusal = Some((status, body.to_owned()));
    }

    /// Puts nothing into BIND from now on.
    pub fn be_lazy(&self) {
        self.state.lock().unwrap().is_lazy = true;
    }
}

fn serve(mut stream: TcpStream, issuer: &Issuer<'_, KeyPair>, state: &Mutex<State>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").expect("CONNECT").split(' ').next().unwrap();
    let host = target.strip_suffix(":443").expect("port 443").to_owned();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![host.clone()]).unwrap().signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let session = ServerConnection::new(Arc::new(config)).unwrap();
    let mut reader = BufReader::new(StreamOwned::new(session, stream));
    while let Some(asked) = read(&mut reader, &host) {
        let (status, body) = {
            let mut state = state.lock().unwrap();
            state.asked.push(asked.clone());
            state.refusal.clone().unwrap_or_else(|| state.answer(&asked))
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead, host: &str) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut field = String::new();
        reader.read_line(&mut field).ok()?;
        let Some((name, value)) = field.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let asked = Asked { host: host.to_owned(), method, target, headers, body: String::new() };
    let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { body: String::from_utf8(body).unwrap(), ..asked })
}

impl State {
    fn answer(&mut self, asked: &Asked) -> (u16, String) {
        match &*asked.host {
            "api.cloudflare.com" => self.cloudflare(asked),
            "api.digitalocean.com" => self.digitalocean(asked),
            "route53.amazonaws.com" => self.route53(asked),
            other => panic!("no stand-in for {other}"),
        }
    }

    fn cloudflare(&mut self, asked: &Asked) -> (u16, String) {
        let right = |result: Value| {
            (200, json!({ "success": true, "errors": [], "result": result }).to_string())
        };
        let path = asked.target.strip_prefix("/client/v4/zones").expect("path");
        let Some(rest) = path.strip_prefix("/zone-1/dns_records") else {
            let is_ours = parameter(&asked.target, "name") == ZONE;
            let zones = is_ours.then(|| json!({ "id": "zone-1", "name": ZONE }));
            return right(zones.into_iter().collect());
        };
        match &*asked.method {
            "GET" => {
                let name = short(&parameter(&asked.target, "name"));
                let found = self.records.iter().filter(|record| record.1 == name);
                let shown = |(id, name, value): &(usize, String, String)| {
                    let name = format!("{name}.{ZONE}");
                    json!({ "id": id.to_string(), "type": "TXT", "name": name, "content": value })
                };
                right(found.map(shown).collect())
            }
            "POST" => {
                let body: Value = serde_json::from_str(&asked.body).unwrap();
                assert_eq!(body["type"], "TXT");
                let (name, value) = (body["name"].as_str().unwrap(), body["content"].as_str());
                let id = self.add(&short(name), value.unwrap());
                right(json!({ "id": id.to_string() }))
            }
            "DELETE" => {
                self.remove(rest.trim_start_matches('/').parse().unwrap());
                right(json!({}))
            }
            other => panic!("{other}"),
        }
    }

    fn digitalocean(&mut self, asked: &Asked) -> (u16, String) {
        let base = format!("/v2/domains/{ZONE}/records");
        let Some(rest) = asked.target.strip_prefix(&base) else { return (404, "{}".to_owned()) };
        match &*asked.method {
            "GET" => {
                let name = short(&parameter(&asked.target, "name"));
                let found = self.records.iter().filter(|record| record.1 == name);
                let shown = |(id, name, value): &(usize, String, String)| json!({ "id": id, "type": "TXT", "name": name, "data": value, "ttl": 120 });
                let found: Value = found.map(shown).collect();
                (200, json!({ "domain_records": found, "links": {} }).to_string())
            }
            "POST" => {
                let body: Value = serde_json::from_str(&asked.body).unwrap();
                assert_eq!(body["type"], "TXT");
                let (name, value) = (body["name"].as_str().unwrap(), body["data"].as_str());
                let id = self.add(name, value.unwrap());
                (201, json!({ "domain_record": { "id": id } }).to_string())
            }
            "DELETE" => {
                self.remove(rest.trim_start_matches('/').parse().unwrap());
                (204, String::new())
            }
            other => panic!("{other}"),
        }
    }

    fn route53(&mut self, asked: &Asked) -> (u16, String) {
        let path = asked.target.strip_prefix("/2013-04-01/").expect("path");
        if path.starts_with("hostedzonesbyname") {
            let zone = format!(
                "<HostedZone><Id>/hostedzone/Z1</Id><Name>{ZONE}.</Name>\
                 <CallerReference>r</CallerReference>\
                 <Config><PrivateZone>false</PrivateZone></Config></HostedZone>"
            );
            return (
                200,
                xml("ListHostedZonesByName", &format!("<HostedZones>{zone}</HostedZones>")),
            );
        }
        assert!(path.starts_with("hostedzone/Z1/rrset"), "{path}");
        if asked.method == "GET" {
            let name = short(&parameter(&asked.target, "name"));
            let values: String = self
                .records
                .iter()
                .filter(|record| record.1 == name)
                .map(|(_, _, value)| {
                    format!("<ResourceRecord><Value>\"{value}\"</Value></ResourceRecord>")
                })
                .collect();
            let set = match &*values {
                "" => String::new(),
                values => format!(
                    "<ResourceRecordSet><Name>{name}.{ZONE}.</Name><Type>TXT</Type><TTL>120</TTL>\
                     <ResourceRecords>{values}</ResourceRecords></ResourceRecordSet>"
                ),
            };
            let sets = format!("<ResourceRecordSets>{set}</ResourceRecordSets>");
            return (200, xml("ListResourceRecordSets", &sets));
        }
        let body = asked.body.replace("&quot;", "\"");
        let name = short(between(&body, "Name").first().unwrap());
        let old: Vec<_> =
            self.records.iter().filter(|record| record.1 == name).map(|record| record.0).collect();
        old.into_iter().for_each(|id| self.remove(id));
        if !between(&body, "Action").contains(&"DELETE") {
            for value in between(&body, "Value") {
                self.add(&name, value.trim_matches('"'));
            }
        }
        let info = "<ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>\
                    <SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo>";
        (200, xml("ChangeResourceRecordSets", info))
    }

    fn add(&mut self, name: &str, value: &str) -> usize {
        self.count += 1;
        self.records.push((self.count, name.to_owned(), value.to_owned()));
        let value = value.trim_matches('"');
        if !self.is_lazy {
            nsupdate(self.bind, &format!("update add {name}.{ZONE}. 5 TXT \"{value}\""));
        }
        self.count
    }

    fn remove(&mut self, id: usize) {
        let at = self.records.iter().position(|record| record.0 == id).expect("the record");
        let (_, name, value) = self.records.remove(at);
        let value = value.trim_matches('"');
        nsupdate(self.bind, &format!("update delete {name}.{ZONE}. TXT \"{value}\""));
    }
}

fn xml(name: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <{name}Response xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">{content}\
         <IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></{name}Response>"
    )
}

/// The contents of the elements of a name.
fn between<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    text.split(&*open).skip(1).filter_map(|rest| rest.split(&*close).next()).collect()
}

/// A name without the zone and the final dot.
fn short(name: &str) -> String {
    let name = name.trim_end_matches('.');
    name.strip_suffix(&format!(".{ZONE}")).expect(name).to_owned()
}

fn parameter(target: &str, name: &str) -> String {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    percent_encoding::percent_decode_str(found.unwrap_or_default())
        .decode_utf8()
        .unwrap()
        .into_owned()
}
