//! The names of protocols, ciphers, curves and key types in a `tls` block.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{cipher_suite as suite, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::caddyfile::{Args, ConfigError};
use crate::tls::KeyType;

/// An unknown name, and the remedy.
fn refused(args: &Args<'_>, what: &str, name: &str, hint: &str) -> ConfigError {
    args.error_at(name, format!("Wrong {what} name or {what} not supported: '{name}'")).hint(hint)
}

pub(super) fn protocols(
    args: &mut Args<'_>,
) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
    let min = args.required().and_then(|name| protocol(args, name))?;
    let max = if args.next_arg() { protocol(args, args.val())? } else { min };
    if min > max {
        return Err(args
            .error("Minimum protocol version cannot be higher than maximum (reverse the order)"));
    }
    let all: [&'static SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
    Ok(all[min..=max].to_vec())
}

/// The index in the list of versions.
fn protocol(args: &Args<'_>, name: &str) -> Result<usize, ConfigError> {
    match name.to_ascii_lowercase().as_str() {
        "tls1.2" => Ok(0),
        "tls1.3" => Ok(1),
        "tls1.0" | "tls1.1" => Err(args
            .error_at(name, format!("'{name}' is insecure and not supported (RFC 8996)"))
            .hint("write 'protocols tls1.2 tls1.3', or leave the line out: that is the default")),
        _ => Err(refused(args, "protocol", name, "write tls1.2 or tls1.3")),
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

/// Names that Caddy v1 knew and that are too weak.
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

pub(super) fn cipher(args: &mut Args<'_>, name: &str) -> Result<SupportedCipherSuite, ConfigError> {
    let upper = name.to_ascii_uppercase();
    let found = CIPHERS.iter().find(|(known, _)| *known == upper).map(|(_, suite)| *suite);
    found.ok_or_else(|| {
        let hint = if OLD_CIPHERS.contains(&upper.as_str()) {
            "CBC, 3DES and RSA key exchange are too weak; write ECDHE-ECDSA-AES128-GCM-SHA256 and \
             ECDHE-RSA-AES128-GCM-SHA256 instead, or leave 'ciphers' out"
        } else {
            "leave 'ciphers' out for the default list"
        };
        refused(args, "cipher", name, hint)
    })
}

pub(super) fn curve(
    args: &mut Args<'_>,
    name: &str,
) -> Result<&'static dyn SupportedKxGroup, ConfigError> {
    match name.to_ascii_lowercase().as_str() {
        "x25519" => Ok(kx_group::X25519),
        "x25519mlkem768" => Ok(kx_group::X25519MLKEM768),
        "p256" => Ok(kx_group::SECP256R1),
        "p384" => Ok(kx_group::SECP384R1),
        "p521" => Err(refused(args, "curve", name, "write 'p384' instead of p521")),
        _ => Err(refused(args, "curve", name, "write X25519MLKEM768, X25519, p256 or p384")),
    }
}

pub(super) fn key_type(args: &mut Args<'_>) -> Result<KeyType, ConfigError> {
    let name = args.required()?;
    match name.to_ascii_uppercase().as_str() {
        "P256" => Ok(KeyType::P256),
        "P384" => Ok(KeyType::P384),
        "RSA2048" => Ok(KeyType::Rsa2048),
        "RSA4096" => Ok(KeyType::Rsa4096),
        "RSA8192" => Err(refused(args, "KeyType", name, "write RSA4096, or better P384")),
        _ => Err(refused(args, "KeyType", name, "write P256, P384, RSA2048 or RSA4096")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caddyfile::Directive;

    #[test]
    fn weak_names_say_what_to_write_instead() {
        for (_, suite) in CIPHERS {
            assert!(suite.tls13().is_none());
        }
        let directive = Directive { name: "tls".to_owned(), tokens: Vec::new() };
        let mut args = Args::new(&directive);
        for name in OLD_CIPHERS {
            let error = cipher(&mut args, name).err().unwrap();
            let message = format!("Wrong cipher name or cipher not supported: '{name}'");
            assert_eq!(error.message, message);
            assert!(error.hint.unwrap().contains("ECDHE-ECDSA-AES128-GCM-SHA256"));
        }
        assert!(cipher(&mut args, "ecdhe-rsa-aes128-gcm-sha256").is_ok());
        assert!(protocol(&args, "tls1.0").err().unwrap().hint.unwrap().contains("tls1.2"));
        assert!(curve(&mut args, "P256").is_ok());
    }
}
