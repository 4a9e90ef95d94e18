//! The options of a `tls` block for certificates from a CA.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};

use crate::caddyfile::{Args, ConfigError, parse_duration, parse_number, parse_port, suggestion};
use crate::credentials;
use crate::tls::acme::ca_url;
use crate::tls::{
    Algorithm, Certificates, Dns, Eab, HttpsRecord, Policy, Provided, Rfc2136, Unusable,
    provider_names,
};

const DNS_PORT: u16 = 53;
/// The default time for an update to reach the zone's other servers.
const PROPAGATION: Duration = Duration::from_secs(2);

pub(super) fn max_certs(args: &mut Args<'_>) -> Result<u32, ConfigError> {
    args.required().and_then(|most| {
        parse_number(most, 1..).map_err(|_| args.error("max_certs must be a positive integer"))
    })
}

pub(super) fn ask(args: &mut Args<'_>) -> Result<String, ConfigError> {
    let url = args.required()?;
    let uri: Option<http::Uri> = url.parse().ok();
    let is_usable = |uri: http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    if !uri.is_some_and(is_usable) {
        return Err(args.error(format!("ask must be an http or https URL, not '{url}'")));
    }
    Ok(url.to_owned())
}

pub(super) fn ca(args: &mut Args<'_>) -> Result<String, ConfigError> {
    let url = args.required()?;
    ca_url(url).map_err(|error| args.error(error))
}

/// There is only one storage, the directory `$CADDYPATH`.
pub(super) fn storage(args: &mut Args<'_>) -> Result<(), ConfigError> {
    match args.required()? {
        "file" => Ok(()),
        other => Err(args
            .error(format!("Unsupported storage provider '{other}'"))
            .hint("the only one is 'file', the folder $CADDYPATH; leave the line out")),
    }
}

/// `https_record off|check|publish`.
pub(super) fn https_record(args: &mut Args<'_>) -> Result<HttpsRecord, ConfigError> {
    match args.required()? {
        "off" => Ok(HttpsRecord::Off),
        "check" => Ok(HttpsRecord::Check),
        "publish" => Ok(HttpsRecord::Publish),
        other => {
            Err(args
                .error(format!("unknown https_record '{other}': write one of off, check, publish")))
        }
    }
}

/// Checks which options may be combined.
pub(super) fn check(args: &Args<'_>, policy: &Policy) -> Result<(), ConfigError> {
    let managed = &policy.managed;
    if managed.wildcard && managed.dns.is_none() {
        return Err(args
            .error("tls: 'wildcard' requires 'dns'")
            .hint("a CA issues for *.NAME only by DNS-01; add: dns rfc2136, or dns exec COMMAND"));
    }
    if policy.https_record == Some(HttpsRecord::Publish) && managed.dns.is_none() {
        return Err(args
            .error("tls: 'https_record publish' requires 'dns'")
            .hint("add: dns rfc2136, or dns exec COMMAND; or write: https_record check"));
    }
    let publishes = policy.https_record == Some(HttpsRecord::Publish);
    if publishes && managed.dns.as_ref().is_some_and(|dns| !dns.has_https()) {
        return Err(args
            .error("tls: 'https_record publish' works with 'dns rfc2136' and 'dns exec' only")
            .hint("write: https_record check; the log says which record to add"));
    }
    let own = match policy.certificates {
        Some(Certificates::SelfSigned) => "self_signed",
        Some(Certificates::Files(_)) => "certificate files",
        _ => return Ok(()),
    };
    if managed.on_demand.is_some() {
        return Err(args
            .error(format!("tls: 'max_certs' and 'ask' cannot be combined with {own}"))
            .hint("on-demand certificates come from a CA: write 'tls E-MAIL {' or 'tls {'"));
    }
    Ok(())
}

/// `eab ID KEY`, with the key in base64url, as CAs display it.
pub(super) fn eab(args: &mut Args<'_>) -> Result<Eab, ConfigError> {
    let (id, key) = (args.required()?, args.required()?);
    let key = BASE64_URL_SAFE_NO_PAD
        .decode(key.trim_end_matches('='))
        .map_err(|_| args.error("eab: the key is not base64url"))?;
    Ok(Eab { id: id.to_owned(), key })
}

pub(super) fn dns(args: &mut Args<'_>) -> Result<Dns, ConfigError> {
    let words = args.one_or_more()?;
    match (words[0], &words[1..]) {
        ("exec", []) => Err(args.error("dns exec: a command is missing").hint(
            "write: dns exec /path/to/program; it is run with 'present NAME VALUE' and \
                   'cleanup NAME VALUE'",
        )),
        ("exec", command) => Ok(Dns::Exec(command.iter().map(|&word| word.to_owned()).collect())),
        ("rfc2136", []) => rfc2136(args, credentials::variable),
        ("rfc2136", _) => Err(args.error("dns rfc2136 takes no arguments").hint(
            "the server and its key are in the environment: RFC2136_NAMESERVER, \
                   RFC2136_TSIG_KEY, RFC2136_TSIG_SECRET",
        )),
        (name, []) => provided(args, name),
        (name, _) => Err(args.error(format!("dns {name} takes no arguments")).hint(
            "credentials are in the environment of the service; see the documentation of tls",
        )),
    }
}

/// A provider with an HTTP API, configured by environment variables, as in Caddy v1.
fn provided(args: &Args<'_>, name: &str) -> Result<Dns, ConfigError> {
    match Provided::from_environment(name) {
        Some(Ok(provided)) => Ok(Dns::Provided(provided)),
        Some(Err(Unusable { why, remedy })) => Err(args.error(why).hint(remedy)),
        None => {
            let mut known = provider_names();
            known.extend(["rfc2136", "exec"]);
            let error = args.error(format!("Unsupported DNS provider '{name}'"));
            Err(error.hint(suggestion(name, &known)))
        }
    }
}

/// Configured by environment variables, as in Caddy v1.
fn rfc2136(args: &Args<'_>, var: impl Fn(&str) -> Option<String>) -> Result<Dns, ConfigError> {
    let missing = |name: &str| {
        args.error(format!("dns rfc2136: {name} is not set"))
            .hint("set RFC2136_NAMESERVER=host:port, RFC2136_TSIG_KEY and RFC2136_TSIG_SECRET")
    };
    let mut server = var("RFC2136_NAMESERVER").ok_or_else(|| missing("RFC2136_NAMESERVER"))?;
    let has_port = server.rsplit_once(':').is_some_and(|(host, port)| {
        parse_port(port).is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    if !has_port {
        server = format!("{server}:{DNS_PORT}");
    }
    let key = match var("RFC2136_TSIG_KEY") {
        None => None,
        Some(name) => {
            let secret =
                var("RFC2136_TSIG_SECRET").ok_or_else(|| missing("RFC2136_TSIG_SECRET"))?;
            let secret = BASE64_STANDARD
                .decode(secret.trim())
                .map_err(|_| args.error("dns rfc2136: RFC2136_TSIG_SECRET is not base64"))?;
            Some((name, secret))
        }
    };
    let algorithm = match var("RFC2136_TSIG_ALGORITHM") {
        None => Algorithm::default(),
        Some(name) => Algorithm::parse(&name).ok_or_else(|| {
            args.error(format!("dns rfc2136: unknown RFC2136_TSIG_ALGORITHM '{name}'"))
                .hint("write hmac-sha256, hmac-sha384 or hmac-sha512")
        })?,
    };
    let propagation = match var("RFC2136_PROPAGATION_TIMEOUT") {
        None => PROPAGATION,
        Some(text) => parse_duration(&text)
            .or_else(|_| parse_duration(&format!("{text}s")))
            .map_err(|error| args.error(format!("RFC2136_PROPAGATION_TIMEOUT {error}")))?,
    };
    Ok(Dns::Rfc2136(Rfc2136 { server, key, algorithm, propagation }))
}
