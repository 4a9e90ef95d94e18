//! Known tokens of the RFCs, and those that must not be accepted.

use serde_json::json;

use super::*;

const NOW: u64 = 1_300_819_379;

/// RFC 7515 appendix A.1; the token is valid until the second after [`NOW`].
const HS256: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const HS256_KEY: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

/// Appendix A.3.
const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 8037 appendix A.4; its payload is text.
const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
    hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn secret() -> Key {
    use base64::Engine as _;
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(HS256_KEY).unwrap();
    Key::secret(&bytes).unwrap()
}

fn p256() -> Key {
    Key::from_jwk(&json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }))
    .unwrap()
}

fn ed25519(more: &serde_json::Value) -> Option<Key> {
    let mut jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Key::from_jwk(&jwk)
}

#[test]
fn tokens_of_the_rfcs() {
    for (token, key) in [(HS256, secret()), (ES256, p256())] {
        assert_eq!(verify(token, [&key].into_iter(), NOW).unwrap()["iss"], "joe");
        assert_eq!(verify(token, [&key].into_iter(), NOW + 1), Err(Refused::Expired));
    }
    let key = ed25519(&json!({})).unwrap();
    // Its signature is right, and its payload is no object.
    assert_eq!(verify(EDDSA, [&key].into_iter(), NOW), Err(Refused::Malformed));
    assert_eq!(verify(EDDSA, [&p256(), &secret()].into_iter(), NOW), Err(Refused::Signature));
}

#[test]
fn what_is_never_accepted() {
    use base64::Engine as _;
    let base64 = |text: &str| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(text);
    let (_, rest) = HS256.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let with = |header: &str| format!("{}.{payload}.{signature}", base64(header));
    let unsigned = |header: &str| format!("{}.{payload}.", base64(header));
    for (token, why) in [
        (unsigned(r#"{"alg":"none"}"#), Refused::Signature),
        (unsigned(r#"{"alg":"None"}"#), Refused::Signature),
        (unsigned(r#"{"alg":"HS256"}"#), Refused::Signature),
        (with(r#"{"alg":"HS256"}"#), Refused::Signature),
        (with(r#"{"alg":"HS384"}"#), Refused::Signature),
        (with(r#"{"typ":"JWT"}"#), Refused::Malformed),
        (with(r#"{"alg":["HS256"]}"#), Refused::Malformed),
        (with(r#"{"alg":"HS256","crit":["exp"]}"#), Refused::Malformed),
        (HS256.replace("dBjf", "dBjg"), Refused::Signature),
        (format!("{HS256}="), Refused::Malformed),
        (format!("{HS256}."), Refused::Malformed),
        (format!("{HS256}.a.b"), Refused::Malformed),
        ("..".to_owned(), Refused::Malformed),
        (String::new(), Refused::Malformed),
    ] {
        assert_eq!(verify(&token, [&secret()].into_iter(), NOW), Err(why), "{token}");
    }
    assert_eq!(verify(HS256, std::iter::empty(), NOW), Err(Refused::Signature));
}

#[test]
fn a_public_key_is_no_secret() {
    let signer = Signer::new("ES256", EC_PRIVATE.as_bytes(), None).unwrap();
    let public = EC_PUBLIC.as_bytes();
    // As an attacker would sign who has the public key, which everybody has.
    let claims = json!({"sub": "root"}).as_object().unwrap().clone();
    let forged = Signer::new("HS256", public, None).unwrap().sign(&claims).unwrap();
    let keys = Key::from_pem(public).unwrap();
    assert_eq!(verify(&forged, keys.iter(), NOW), Err(Refused::Signature));
    let right = signer.sign(&claims).unwrap();
    assert_eq!(verify(&right, keys.iter(), NOW).unwrap()["sub"], "root");
    assert!(verify(&right, [&**signer.key()].into_iter(), NOW).is_ok());
}

#[test]
fn times_and_names_of_keys() {
    let signer = Signer::new("HS512", b"0123456789abcdef0123456789abcdef", Some("b")).unwrap();
    for (claims, expected) in [
        (json!({}), None),
        (json!({"exp": NOW + 1, "nbf": NOW}), None),
        (json!({"exp": NOW as f64 + 0.5}), None),
        (json!({"exp": NOW}), Some(Refused::Expired)),
        (json!({"nbf": NOW + 1}), Some(Refused::NotYet)),
        (json!({"exp": "tomorrow"}), Some(Refused::Malformed)),
        (json!({"nbf": null}), Some(Refused::Malformed)),
    ] {
        let token = signer.sign(claims.as_object().unwrap()).unwrap();
        let verified = verify(&token, [&**signer.key()].into_iter(), NOW);
        assert_eq!(verified.err(), expected, "{claims}");
    }
    let token = signer.sign(&Claims::new()).unwrap();
    let mut key = Key::secret(b"0123456789abcdef0123456789abcdef").unwrap();
    for (id, accepted) in [(None, true), (Some("b"), true), (Some("a"), false)] {
        key.id = id.map(str::to_owned);
        assert_eq!(verify(&token, [&key].into_iter(), NOW).is_ok(), accepted, "{id:?}");
    }
}

#[test]
fn which_jwks_are_keys() {
    for (more, is_key) in [
        (json!({}), true),
        (json!({"use": "sig", "alg": "EdDSA"}), true),
        (json!({"use": "enc"}), false),
        (json!({"alg": "ES256"}), false),
        (json!({"crv": "X25519"}), false),
        (json!({"kty": "oct", "k": HS256_KEY}), false),
        (json!({"x": "AAAA"}), false),
        (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}), false),
    ] {
        assert_eq!(ed25519(&more).is_some(), is_key, "{more}");
    }
}

#[test]
fn which_files_are_keys() {
    for (text, message) in [
        ("", "it holds no public key in PEM"),
        ("secret", "it holds no public key in PEM"),
        (EC_PRIVATE, "it holds a private key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "its kind is not"),
        ("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "'X509 CRL' is not"),
    ] {
        let error = Key::from_pem(text.as_bytes()).err().unwrap_or_default();
        assert!(error.starts_with(message), "{text}: {error}");
    }
    for (algorithm, secret) in
        [("HS256", ""), ("RS256", EC_PRIVATE), ("ES384", EC_PRIVATE), ("ES256", EC_PUBLIC)]
    {
        assert!(Signer::new(algorithm, secret.as_bytes(), None).is_err(), "{algorithm}");
    }
    assert!(Key::secret(b"").is_err());
}

/// Made by openssl.
const EC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmhkpUe/z3MU2FBFx
O5N+fdS9xlB9hxfreUZYGXL1PbihRANCAAQaD7XYv8yewNHvR6/j86XNGgzW2oot
gmJWgwvcUt/UasnWysdmxCOPu9NzUJk+K6BSes7eehgErR3nQ2X7/5rb
-----END PRIVATE KEY-----
";
const EC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGg+12L/MnsDR70ev4/OlzRoM1tqK
LYJiVoML3FLf1GrJ1srHZsQjj7vTc1CZPiugUnrO3noYBK0d50Nl+/+a2w==
-----END PUBLIC KEY-----
";
