//! A key that signs tokens.

use std::sync::Arc;

use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;
use x509_parser::pem::Pem;

use super::key::Key;
use super::token::Claims;

/// A key, its algorithm, and the header of its tokens.
pub struct Signer {
    /// In base64url.
    header: String,
    secret: Secret,
    /// Verifies what it signs.
    key: Arc<Key>,
}

enum Secret {
    Hmac(Box<hmac::Key>),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// The algorithms, as they are written.
    pub const ALGORITHMS: [&'static str; 10] =
        ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"];

    /// A signer by one of [`Self::ALGORITHMS`]. `secret` is the text of the secret, or a private
    /// key in PEM; `id` becomes `kid`.
    pub fn new(algorithm: &str, secret: &[u8], id: Option<&str>) -> Result<Self, String> {
        let mut header = json!({ "alg": algorithm, "typ": "JWT" });
        if let Some(id) = id {
            header["kid"] = json!(id);
        }
        let header = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
        let hash = match algorithm {
            "HS256" => Some(HMAC_SHA256),
            "HS384" => Some(HMAC_SHA384),
            "HS512" => Some(HMAC_SHA512),
            _ => None,
        };
        if let Some(hash) = hash {
            let key = Arc::new(Key::secret(secret)?);
            return Ok(Self {
                header,
                secret: Secret::Hmac(Box::new(hmac::Key::new(hash, secret))),
                key,
            });
        }
        let section = Pem::iter_from_buffer(secret).next().and_then(Result::ok);
        let section =
            section.filter(|pem| pem.label.ends_with("PRIVATE KEY")).ok_or_else(|| {
                format!("{algorithm} signs with a private key in PEM, and the secret is none")
            })?;
        let refused = || format!("the private key is not one for {algorithm}");
        let secret = private(algorithm, &section.contents).ok_or_else(refused)?;
        let key = Arc::new(secret.public().ok_or_else(refused)?);
        Ok(Self { header, secret, key })
    }

    /// The key that verifies its tokens.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Claims) -> Result<String, String> {
        let claims = serde_json::to_string(claims).map_err(|error| error.to_string())?;
        let mut token = format!("{}.{}", self.header, BASE64_URL_SAFE_NO_PAD.encode(claims));
        let signature = self.secret.sign(token.as_bytes()).ok_or("cannot sign a token")?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

fn private(algorithm: &str, der: &[u8]) -> Option<Secret> {
    let rsa = |encoding: &'static dyn RsaEncoding| {
        let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)).ok()?;
        Some(Secret::Rsa(pair, encoding))
    };
    let ecdsa = |algorithm| {
        let pair = EcdsaKeyPair::from_private_key_der(algorithm, der).ok()?;
        Some(Secret::Ecdsa(pair))
    };
    match algorithm {
        "RS256" => rsa(&RSA_PKCS1_SHA256),
        "RS384" => rsa(&RSA_PKCS1_SHA384),
        "RS512" => rsa(&RSA_PKCS1_SHA512),
        "ES256" => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
        "ES384" => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
        "ES512" => ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING),
        "EdDSA" => Ed25519KeyPair::from_pkcs8(der).ok().map(Secret::Ed25519),
        _ => None,
    }
}

impl Secret {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        Some(match self {
            Self::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).ok()?;
                signature
            }
            Self::Ecdsa(pair) => pair.sign(&random, message).ok()?.as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        })
    }

    fn public(&self) -> Option<Key> {
        let bytes = match self {
            Self::Hmac(_) => return None,
            Self::Rsa(pair, _) => pair.public_key().as_ref(),
            Self::Ecdsa(pair) => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
        };
        Key::public(bytes).ok()
    }
}
