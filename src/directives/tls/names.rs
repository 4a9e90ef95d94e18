//! The names in a `tls` block: protocols, ciphers, curves, kinds of keys.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{cipher_suite as suite, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::caddyfile::{Args, ConfigError};
use crate::tls::KeyType;

/// Why a name is refused, and what to write instead.
struct Refusal {
    message: String,
    hint: &'static str,
}

impl Refusal {
    fn at(self, args: &Args<'_>) -> ConfigError {
        args.error(self.message).hint(self.hint)
    }
}

pub(super) fn protocols(
    args: &mut Args<'_>,
) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
    let words = args.one_or_more()?;
    if words.len() > 2 {
        return Err(args.arg_error());
    }
    let mut ranks = Vec::new();
    for word in &words {
        ranks.push(protocol(word).map_err(|refusal| refusal.at(args))?);
    }
    let (min, max) = (ranks[0], ranks[ranks.len() - 1]);
    if min > max {
        return Err(args
            .error("Minimum protocol version cannot be higher than maximum (reverse the order)"));
    }
    let all: [&'static SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
    Ok(all[min..=max].to_vec())
}

/// The index among the versions there are.
fn protocol(name: &str) -> Result<usize, Refusal> {
    match name.to_ascii_lowercase().as_str() {
        "tls1.2" => Ok(0),
        "tls1.3" => Ok(1),
        "tls1.0" | "tls1.1" => Err(Refusal {
            message: format!("'{name}' is insecure and not supported (RFC 8996)"),
            hint: "write 'protocols tls1.2 tls1.3', or leave the line out: that is the default",
        }),
        _ => Err(Refusal {
            message: format!("Wrong protocol name or protocol not supported: '{name}'"),
            hint: "there are tls1.2 and tls1.3",
        }),
    }
}

const CIPHERS: &[(&str, SupportedCipherSuite)] = &[
    ("ECDHE-ECDSA-AES256-GCM-SHA384", suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-WITH-CHACHA20-POLY1305", suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-WITH-CHACHA20-POLY1305", suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Names that v1 knew and that are too weak to serve.
const OLD_CIPHERS: &[&str] = &[
    "ECDHE-RSA-AES128-CBC-SHA",
    "ECDHE-RSA-AES256-CBC-SHA",
    "ECDHE-ECDSA-AES128-CBC-SHA",
    "ECDHE-ECDSA-AES256-CBC-SHA",
    "RSA-AES128-CBC-SHA",
    "RSA-AES256-CBC-SHA",
    "ECDHE-RSA-3DES-EDE-CBC-SHA",
    "RSA-3DES-EDE-CBC-SHA",
];

pub(super) fn ciphers(args: &mut Args<'_>) -> Result<Vec<SupportedCipherSuite>, ConfigError> {
    let words = args.one_or_more()?;
    words.into_iter().map(|word| cipher(word).map_err(|refusal| refusal.at(args))).collect()
}

fn cipher(name: &str) -> Result<SupportedCipherSuite, Refusal> {
    let upper = name.to_ascii_uppercase();
    if let Some((_, suite)) = CIPHERS.iter().find(|(known, _)| *known == upper) {
        return Ok(*suite);
    }
    let message = format!("Wrong cipher name or cipher not supported: '{name}'");
    if OLD_CIPHERS.contains(&upper.as_str()) {
        return Err(Refusal {
            message,
            hint: "CBC, 3DES and RSA key exchange are not offered any more; write \
             ECDHE-ECDSA-AES128-GCM-SHA256 and ECDHE-RSA-AES128-GCM-SHA256 instead, or leave \
             'ciphers' out",
        });
    }
    Err(Refusal { message, hint: "leave 'ciphers' out for the default list" })
}

pub(super) fn curves(
    args: &mut Args<'_>,
) -> Result<Vec<&'static dyn SupportedKxGroup>, ConfigError> {
    let words = args.one_or_more()?;
    words.into_iter().map(|word| curve(word).map_err(|refusal| refusal.at(args))).collect()
}

fn curve(name: &str) -> Result<&'static dyn SupportedKxGroup, Refusal> {
    match name.to_ascii_lowercase().as_str() {
        "x25519" => Ok(kx_group::X25519),
        "x25519mlkem768" => Ok(kx_group::X25519MLKEM768),
        "p256" => Ok(kx_group::SECP256R1),
        "p384" => Ok(kx_group::SECP384R1),
        "p521" => Err(Refusal {
            message: format!("Wrong curve name or curve not supported: '{name}'"),
            hint: "write 'p384' instead of p521",
        }),
        _ => Err(Refusal {
            message: format!("Wrong curve name or curve not supported: '{name}'"),
            hint: "there are X25519MLKEM768, X25519, p256 and p384",
        }),
    }
}

pub(super) fn key_type(args: &mut Args<'_>) -> Result<KeyType, ConfigError> {
    let name = args.required()?;
    Ok(match name.to_ascii_uppercase().as_str() {
        "P256" => KeyType::P256,
        "P384" => KeyType::P384,
        "RSA2048" => KeyType::Rsa2048,
        "RSA4096" => KeyType::Rsa4096,
        "RSA8192" => {
            return Err(args
                .error(format!("Wrong KeyType name or KeyType not supported: '{name}'"))
                .hint("write RSA4096, or better P384"));
        }
        _ => {
            return Err(args
                .error(format!("Wrong KeyType name or KeyType not supported: '{name}'"))
                .hint("there are P256, P384, RSA2048 and RSA4096"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_names_say_what_to_write_instead() {
        for (_, suite) in CIPHERS {
            assert!(suite.tls13().is_none());
        }
        for name in OLD_CIPHERS {
            let refusal = cipher(name).err().unwrap();
            assert_eq!(
                refusal.message,
                format!("Wrong cipher name or cipher not supported: '{name}'")
            );
            assert!(refusal.hint.contains("ECDHE-ECDSA-AES128-GCM-SHA256"));
        }
        assert!(cipher("ecdhe-rsa-aes128-gcm-sha256").is_ok());
        assert!(protocol("tls1.0").err().unwrap().hint.contains("tls1.2"));
        assert!(protocol("ssl3").err().unwrap().message.contains("Wrong protocol name"));
        assert!(curve("p521").err().unwrap().hint.contains("p384"));
        assert!(curve("P256").is_ok());
    }
}
