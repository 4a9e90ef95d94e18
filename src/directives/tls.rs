//! `tls`: where a site's certificate comes from, and which protocols, ciphers and curves it
//! allows. Files are read here to be judged where they are named, and again for the listener.

use std::path::PathBuf;

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{cipher_suite as suite, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::caddyfile::{Args, ConfigError};
use crate::site::SiteBuilder;
use crate::tls::{Certificates, KeyType, Policy};

/// `tls off | self_signed | CERT KEY [{ … }]` or `tls { … }`. Repeated lines add up.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let words = args.remaining();
        let asked = source(&words, args)?;
        if words.len() > 2 {
            site.warnings.push(format!("tls: words after '{}' are ignored", words[1]));
        }
        if let Some(certificates) = asked {
            let readable = crate::tls::check(&site.address.host, &certificates);
            readable.map_err(|message| {
                args.error(message).hint("write: tls CERTIFICATE KEY, two readable PEM files")
            })?;
            add(&mut site.tls, certificates);
        }
        let mut entries = 0;
        while args.next_block()? {
            entries += 1;
            entry(args, &mut site.tls)?;
        }
        if words.is_empty() && entries == 0 {
            return Err(args.arg_error());
        }
    }
    let plain = site.address.scheme == "http"
        || (site.address.scheme.is_empty() && site.address.port == "80");
    if plain && site.tls.certificates != Some(Certificates::Off) {
        site.warnings.push(format!("TLS disabled for {}", site.address.original));
        site.tls.certificates = Some(Certificates::Off);
    }
    Ok(())
}

fn source(words: &[&str], args: &Args<'_>) -> Result<Option<Certificates>, ConfigError> {
    Ok(match words {
        [] => None,
        ["off"] => Some(Certificates::Off),
        ["self_signed"] => Some(Certificates::SelfSigned),
        [email] if email.contains('@') => {
            Some(Certificates::Managed { email: (*email).to_owned() })
        }
        [word] => {
            return Err(args
                .error(format!("tls: '{word}' is not an e-mail address"))
                .hint("write: tls off, tls self_signed, tls E-MAIL, or tls CERTIFICATE KEY"));
        }
        [cert, key, ..] => {
            Some(Certificates::Files { cert: PathBuf::from(cert), key: PathBuf::from(key) })
        }
    })
}

/// `off` and `self_signed` replace what was said before, files are added to it.
fn add(policy: &mut Policy, certificates: Certificates) {
    let more = matches!(certificates, Certificates::Files { .. } | Certificates::Directory(_));
    let has_files = matches!(
        policy.certificates,
        Some(Certificates::Files { .. } | Certificates::Directory(_))
    );
    if more && has_files {
        policy.more.push(certificates);
    } else {
        policy.certificates = Some(certificates);
    }
}

fn entry(args: &mut Args<'_>, policy: &mut Policy) -> Result<(), ConfigError> {
    match args.val() {
        "protocols" => policy.versions = protocols(args)?,
        "ciphers" => {
            for name in some(args)? {
                policy.suites.push(cipher(name).map_err(|error| refuse(args, error))?);
            }
        }
        "curves" => {
            for name in some(args)? {
                policy.groups.push(curve(name).map_err(|error| refuse(args, error))?);
            }
        }
        "alpn" => policy.alpn.extend(some(args)?.iter().map(|name| name.as_bytes().to_vec())),
        "key_type" => policy.key_type = key_type(args)?,
        "load" => {
            let dir = args.required()?;
            add(policy, Certificates::Directory(PathBuf::from(dir)));
        }
        "clients" => {
            return Err(args
                .error("client certificates are not available yet: 'clients'")
                .hint("remove the line, and restrict access to this site by another means"));
        }
        word @ ("max_certs" | "dns" | "ca" | "ask" | "must_staple" | "muststaple" | "wildcard"
        | "storage") => {
            return Err(args
                .error(format!("automatic HTTPS is not available yet: '{word}'"))
                .hint("remove the line; use 'tls self_signed' or 'tls CERT KEY'"));
        }
        word => return Err(args.error(format!("Unknown keyword '{word}'"))),
    }
    Ok(())
}

/// A refusal and what to write instead, which may be empty.
type Refusal = (String, &'static str);

fn refuse(args: &Args<'_>, (message, hint): Refusal) -> ConfigError {
    let error = args.error(message);
    if hint.is_empty() { error } else { error.hint(hint) }
}

fn some<'a>(args: &mut Args<'a>) -> Result<Vec<&'a str>, ConfigError> {
    let words = args.remaining();
    if words.is_empty() { Err(args.arg_error()) } else { Ok(words) }
}

fn protocols(args: &mut Args<'_>) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
    let words = some(args)?;
    if words.len() > 2 {
        return Err(args.arg_error());
    }
    let mut ranks = Vec::new();
    for word in &words {
        ranks.push(protocol(word).map_err(|error| refuse(args, error))?);
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
        "tls1.0" | "tls1.1" => Err((
            format!("'{name}' is insecure and not supported (RFC 8996)"),
            "write 'protocols tls1.2 tls1.3', or leave the line out: that is the default",
        )),
        _ => Err((
            format!("Wrong protocol name or protocol not supported: '{name}'"),
            "there are tls1.2 and tls1.3",
        )),
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

fn cipher(name: &str) -> Result<SupportedCipherSuite, Refusal> {
    let upper = name.to_ascii_uppercase();
    if let Some((_, suite)) = CIPHERS.iter().find(|(known, _)| *known == upper) {
        return Ok(*suite);
    }
    let message = format!("Wrong cipher name or cipher not supported: '{name}'");
    if OLD_CIPHERS.contains(&upper.as_str()) {
        return Err((
            message,
            "CBC, 3DES and RSA key exchange are not offered any more; write \
             ECDHE-ECDSA-AES128-GCM-SHA256 and ECDHE-RSA-AES128-GCM-SHA256 instead, or leave \
             'ciphers' out",
        ));
    }
    Err((message, "leave 'ciphers' out for the default list"))
}

fn curve(name: &str) -> Result<&'static dyn SupportedKxGroup, Refusal> {
    match name.to_ascii_lowercase().as_str() {
        "x25519" => Ok(kx_group::X25519),
        "x25519mlkem768" => Ok(kx_group::X25519MLKEM768),
        "p256" => Ok(kx_group::SECP256R1),
        "p384" => Ok(kx_group::SECP384R1),
        "p521" => Err((
            format!("Wrong curve name or curve not supported: '{name}'"),
            "write 'p384' instead of p521",
        )),
        _ => Err((
            format!("Wrong curve name or curve not supported: '{name}'"),
            "there are X25519MLKEM768, X25519, p256 and p384",
        )),
    }
}

fn key_type(args: &mut Args<'_>) -> Result<KeyType, ConfigError> {
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
            return Err(
                args.error(format!("Wrong KeyType name or KeyType not supported: '{name}'"))
            );
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
            let (message, hint) = cipher(name).unwrap_err();
            assert_eq!(message, format!("Wrong cipher name or cipher not supported: '{name}'"));
            assert!(hint.contains("ECDHE-ECDSA-AES128-GCM-SHA256"));
        }
        assert!(cipher("ecdhe-rsa-aes128-gcm-sha256").is_ok());
        assert!(protocol("tls1.0").unwrap_err().1.contains("tls1.2"));
        assert!(protocol("ssl3").unwrap_err().0.contains("Wrong protocol name"));
        assert!(curve("p521").unwrap_err().1.contains("p384"));
        assert!(curve("P256").is_ok());
    }

    #[test]
    fn files_add_up_and_other_sources_replace() {
        let mut policy = Policy::default();
        let folder = || Certificates::Directory(PathBuf::from("/certs"));
        add(&mut policy, Certificates::SelfSigned);
        add(&mut policy, folder());
        add(&mut policy, folder());
        assert_eq!((policy.certificates, policy.more), (Some(folder()), vec![folder()]));
    }
}
