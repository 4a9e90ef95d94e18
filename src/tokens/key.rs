//! A key that verifies tokens, with the algorithms that it is for.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaPublicKeyComponents, RsaSubjectPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use x509_parser::pem::Pem;

/// One key.
pub struct Key {
    /// `kid` of a JWK.
    pub(super) id: Option<String>,
    /// What it verifies by, each with its name in a token's header.
    verifiers: Vec<Named>,
}

struct Named {
    algorithm: &'static str,
    verifier: Verifier,
}

enum Verifier {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

type Method = (&'static str, &'static dyn VerificationAlgorithm);

static RSA: [Method; 6] = [
    ("RS256", &RSA_PKCS1_2048_8192_SHA256),
    ("RS384", &RSA_PKCS1_2048_8192_SHA384),
    ("RS512", &RSA_PKCS1_2048_8192_SHA512),
    ("PS256", &RSA_PSS_2048_8192_SHA256),
    ("PS384", &RSA_PSS_2048_8192_SHA384),
    ("PS512", &RSA_PSS_2048_8192_SHA512),
];

/// The curves, each with its name in a JWK and the bytes of a coordinate.
static CURVES: [(&str, usize, Method); 3] = [
    ("P-256", 32, ("ES256", &ECDSA_P256_SHA256_FIXED)),
    ("P-384", 48, ("ES384", &ECDSA_P384_SHA384_FIXED)),
    ("P-521", 66, ("ES512", &ECDSA_P521_SHA512_FIXED)),
];

static EDWARDS: Method = ("EdDSA", &ED25519);

/// An RSA key is not shorter than its modulus.
const RSA_BYTES: usize = 2048 / 8;

impl Key {
    /// A secret for HMAC.
    pub fn secret(secret: &[u8]) -> Result<Self, String> {
        if secret.is_empty() {
            return Err("the secret is empty: everybody could sign tokens".to_owned());
        }
        let named = |(algorithm, hash)| Named {
            algorithm,
            verifier: Verifier::Secret(Box::new(hmac::Key::new(hash, secret))),
        };
        let hashes = [("HS256", HMAC_SHA256), ("HS384", HMAC_SHA384), ("HS512", HMAC_SHA512)];
        Ok(Self { id: None, verifiers: hashes.map(named).into() })
    }

    /// The public keys in PEM (`PUBLIC KEY`, `RSA PUBLIC KEY`, `CERTIFICATE`).
    pub fn from_pem(text: &[u8]) -> Result<Vec<Self>, String> {
        let mut keys = Vec::new();
        for section in Pem::iter_from_buffer(text) {
            let section = section.map_err(|error| format!("not PEM: {error}"))?;
            keys.push(match section.label.as_str() {
                "PUBLIC KEY" | "RSA PUBLIC KEY" => Self::public(&section.contents)?,
                "CERTIFICATE" => {
                    let (_, certificate) =
                        x509_parser::parse_x509_certificate(&section.contents)
                            .map_err(|error| format!("not a certificate: {error}"))?;
                    Self::public(certificate.public_key().raw)?
                }
                label if label.contains("PRIVATE KEY") => {
                    return Err("it holds a private key, and tokens are verified by the public \
                                one: write openssl pkey -pubout -in KEY -out FILE"
                        .to_owned());
                }
                label => return Err(format!("'{label}' is not a public key")),
            });
        }
        if keys.is_empty() {
            return Err("it holds no public key in PEM".to_owned());
        }
        Ok(keys)
    }

    /// A public key in DER, of the kind that it turns out to be.
    pub(super) fn public(der: &[u8]) -> Result<Self, String> {
        if let Ok(key) = RsaSubjectPublicKey::from_der(der) {
            if key.as_ref().len() < RSA_BYTES {
                return Err("the RSA key is shorter than 2048 bits".to_owned());
            }
            return Self::parsed(&RSA, der).ok_or_else(|| "not an RSA key".to_owned());
        }
        let others = CURVES.iter().map(|(_, _, method)| method).chain([&EDWARDS]);
        let mut others = others.filter_map(|method| Self::parsed(&[*method], der));
        others.next().ok_or_else(|| {
            "its kind is not supported: use RSA, ECDSA with P-256, P-384 or P-521, or Ed25519"
                .to_owned()
        })
    }

    fn parsed(methods: &[Method], bytes: &[u8]) -> Option<Self> {
        let named = |(algorithm, method): &Method| {
            let key = ParsedPublicKey::new(*method, bytes).ok()?;
            Some(Named { algorithm, verifier: Verifier::Public(key) })
        };
        let verifiers = methods.iter().map(named).collect::<Option<_>>()?;
        Some(Self { id: None, verifiers })
    }

    /// The key of a JWK. `None`: it is not for signatures, or of a kind that is not known. A secret
    /// is not taken from it, as a set of keys is public.
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let coordinate = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let mut key = match text("kty")? {
            "RSA" => Self::rsa(&coordinate("n")?, &coordinate("e")?)?,
            "EC" => {
                let curve = text("crv")?;
                let (_, size, method) = CURVES.iter().find(|(name, ..)| *name == curve)?;
                let (x, y) = (coordinate("x")?, coordinate("y")?);
                let fits = x.len() == *size && y.len() == *size;
                let point = [&[4][..], &x, &y].concat();
                Self::parsed(&[*method], &point).filter(|_| fits)?
            }
            "OKP" if text("crv")? == "Ed25519" => Self::parsed(&[EDWARDS], &coordinate("x")?)?,
            _ => return None,
        };
        if let Some(only) = text("alg") {
            key.verifiers.retain(|named| named.algorithm == only);
        }
        key.id = text("kid").map(str::to_owned);
        (!key.verifiers.is_empty()).then_some(key)
    }

    fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let n = &n[n.iter().position(|byte| *byte != 0)?..];
        if n.len() < RSA_BYTES {
            return None;
        }
        let der: PublicKeyX509Der<'_> = RsaPublicKeyComponents { n, e }.as_der().ok()?;
        Self::parsed(&RSA, der.as_ref())
    }

    /// Whether a signature by one of the key's algorithms is right.
    pub(super) fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let mut named = self.verifiers.iter().filter(|named| named.algorithm == algorithm);
        named.any(|named| match &named.verifier {
            Verifier::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Verifier::Public(key) => key.verify_sig(message, signature).is_ok(),
        })
    }

    /// Whether it is a secret.
    pub fn is_secret(&self) -> bool {
        self.verifiers.iter().any(|named| matches!(named.verifier, Verifier::Secret(_)))
    }
}
