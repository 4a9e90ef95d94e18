//! Registers an account with an external account binding (RFC 8555 section 7.3.4), with a key that
//! is already stored. The ACME library would generate the key itself: a crash before it is stored
//! would lose the account, and some CAs accept a binding only once.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::Full;
use instant_acme::{Error, Problem};
use serde_json::{Value, json};

use super::failure::Failure;
use super::nonce::Attempts;
use crate::tls::certificate_spec::Eab;
use crate::tls::https_client::Client;

/// The account to register.
pub(super) struct Binding<'a> {
    pub(super) client: &'a Client,
    pub(super) directory: &'a str,
    pub(super) email: &'a str,
    pub(super) eab: &'a Eab,
}

impl Binding<'_> {
    /// Registers the account of this key (PKCS#8); returns its URL.
    pub(super) async fn register(&self, key: &[u8]) -> Result<String, Failure> {
        let key = pair(key)?;
        let directory = self.send(Method::GET, self.directory, Bytes::new()).await?;
        let directory: Value = serde_json::from_slice(directory.body()).unwrap_or_default();
        let place = |name: &str| {
            let missing =
                || Failure::trouble(format!("{}: the directory has no '{name}'", self.directory));
            directory[name].as_str().ok_or_else(missing)
        };
        let (nonces, url) = (place("newNonce")?, place("newAccount")?);
        let mut attempts = Attempts::default();
        loop {
            let done = self.ask(nonces, url, &key).await;
            if !attempts.again(&done) {
                return done;
            }
        }
    }

    async fn ask(&self, nonces: &str, url: &str, key: &EcdsaKeyPair) -> Result<String, Failure> {
        let answer = self.send(Method::HEAD, nonces, Bytes::new()).await?;
        let nonce = field(&answer, "replay-nonce")?;
        let jwk = jwk(key);
        let mut account = json!({
            "termsOfServiceAgreed": true, "externalAccountBinding": self.bind(url, &jwk),
        });
        if !self.email.is_empty() {
            account["contact"] = json!([format!("mailto:{}", self.email)]);
        }
        let head = json!({ "alg": "ES256", "jwk": jwk, "nonce": nonce, "url": url });
        let (head, account) = (encode(&head), encode(&account));
        let signature = key
            .sign(&SystemRandom::new(), format!("{head}.{account}").as_bytes())
            .map_err(|_| Failure::trouble("the account key cannot sign"))?;
        let signed = jws(head, account, signature.as_ref()).to_string();
        let answer = self.send(Method::POST, url, signed.into()).await?;
        field(&answer, "location").map(str::to_owned)
    }

    /// The account key, signed with the binding key of the CA.
    fn bind(&self, url: &str, jwk: &Value) -> Value {
        let head = encode(&json!({ "alg": "HS256", "kid": self.eab.id, "url": url }));
        let payload = encode(jwk);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.eab.key);
        let signature = hmac::sign(&key, format!("{head}.{payload}").as_bytes());
        jws(head, payload, signature.as_ref())
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
    ) -> Result<Response<Bytes>, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::CONTENT_TYPE, "application/jose+json")
            .body(Full::new(body))
            .map_err(|error| Failure::trouble(format!("{url}: {error}")))?;
        let answer = self.client.ask(request).await.map_err(Failure::trouble)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(match serde_json::from_slice::<Problem>(answer.body()) {
            Ok(problem) => Error::Api(problem).into(),
            Err(_) => Failure::trouble(format!("{url}: the response was {}", answer.status())),
        })
    }
}

/// The thumbprint of an account's key in PKCS#8 (RFC 7638).
pub(super) fn thumbprint(key: &[u8]) -> Result<String, Failure> {
    let jwk = jwk(&pair(key)?).to_string();
    Ok(BASE64.encode(digest(&SHA256, jwk.as_bytes())))
}

fn pair(key: &[u8]) -> Result<EcdsaKeyPair, Failure> {
    let failed = |_| Failure::trouble("the account key cannot sign");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key).map_err(failed)
}

fn field<'a>(answer: &'a Response<Bytes>, name: &str) -> Result<&'a str, Failure> {
    let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| Failure::trouble(format!("the response of the CA has no {name} field")))
}

/// The public key as a JWK (RFC 7518 section 6.2), with its members in the order of RFC 7638.
fn jwk(key: &EcdsaKeyPair) -> Value {
    // Uncompressed point: the byte 4, then the two coordinates.
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    json!({ "crv": "P-256", "kty": "EC", "x": BASE64.encode(x), "y": BASE64.encode(y) })
}

fn jws(head: String, payload: String, signature: &[u8]) -> Value {
    json!({ "protected": head, "payload": payload, "signature": BASE64.encode(signature) })
}

fn encode(value: &Value) -> String {
    BASE64.encode(value.to_string())
}
