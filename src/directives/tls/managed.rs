//! The words of a `tls` block that are about certificates from a CA.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};

use crate::caddyfile::{Args, ConfigError, parse_duration};
use crate::tls::acme::ca_url;
use crate::tls::{Algorithm, Certificates, Dns, Eab, ManagedPolicy, Policy, Rfc2136, dns_variable};

const DNS_PORT: u16 = 53;
/// How long an update may take to reach the zone's other servers, unless told.
const PROPAGATION: Duration = Duration::from_secs(2);

pub(super) fn entry(args: &mut Args<'_>, policy: &mut ManagedPolicy) -> Result<(), ConfigError> {
    match args.val() {
        "max_certs" => {
            let most = args.required()?.parse().ok().filter(|most| *most > 0);
            let most = most.ok_or_else(|| {
                args.error("max_certs must be a positive integer").hint("write: max_certs 100")
            })?;
            policy.on_demand.get_or_insert_default().max = Some(most);
        }
        "ask" => {
            let url = args.required()?;
            let uri: Option<http::Uri> = url.parse().ok();
            let usable = |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
            if !uri.as_ref().is_some_and(usable) {
                return Err(args
                    .error(format!("ask: '{url}' is not a URL"))
                    .hint("write: ask http://localhost:9000/allowed"));
            }
            policy.on_demand.get_or_insert_default().ask = Some(url.to_owned());
        }
        "ca" => {
            let url = args.required()?;
            let hint = "write: ca https://acme-v02.api.letsencrypt.org/directory";
            policy.ca = Some(ca_url(url).map_err(|error| args.error(error).hint(hint))?);
        }
        "eab" => policy.eab = Some(eab(args)?),
        "profile" => policy.profile = Some(args.required()?.to_owned()),
        "must_staple" | "muststaple" => policy.must_staple = true,
        "wildcard" => policy.wildcard = true,
        "dns" => policy.dns = Some(dns(args)?),
        "storage" => match args.required()? {
            "file" => {}
            other => {
                return Err(args
                    .error(format!("Unsupported storage provider '{other}'"))
                    .hint("there is 'file': the folder $CADDYPATH; leave the line out"));
            }
        },
        word => return Err(args.error(format!("unknown property '{word}'"))),
    }
    Ok(())
}

/// What goes together.
pub(super) fn check(args: &Args<'_>, policy: &Policy) -> Result<(), ConfigError> {
    let managed = &policy.managed;
    if managed.wildcard && managed.dns.is_none() {
        return Err(args
            .error("tls: 'wildcard' needs 'dns'")
            .hint("a CA issues for *.NAME only by DNS-01; add: dns rfc2136, or dns exec COMMAND"));
    }
    let own = match policy.certificates {
        Some(Certificates::SelfSigned) => "self_signed",
        Some(Certificates::Files(_)) => "certificate files",
        _ => return Ok(()),
    };
    if managed.on_demand.is_some() {
        return Err(args
            .error(format!("tls: 'max_certs' and 'ask' do not go with {own}"))
            .hint("on-demand certificates come from a CA: write 'tls E-MAIL {' or 'tls {'"));
    }
    Ok(())
}

/// `eab ID KEY`, the key as CAs show it: base64url.
fn eab(args: &mut Args<'_>) -> Result<Eab, ConfigError> {
    let words = args.one_or_more()?;
    let [id, key] = words[..] else { return Err(args.arg_error()) };
    let key = BASE64_URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')).map_err(|_| {
        args.error("eab: the key is not base64url")
            .hint("write: eab KEY-ID HMAC-KEY, as the CA shows them")
    })?;
    Ok(Eab { id: id.to_owned(), key })
}

fn dns(args: &mut Args<'_>) -> Result<Dns, ConfigError> {
    let words = args.one_or_more()?;
    match (words[0], &words[1..]) {
        ("exec", []) => Err(args.error("dns exec: a command is missing").hint(
            "write: dns exec /path/to/program; it is run with 'present NAME VALUE' and \
                   'cleanup NAME VALUE'",
        )),
        ("exec", command) => Ok(Dns::Exec(command.iter().map(|&word| word.to_owned()).collect())),
        ("rfc2136", []) => rfc2136(args, dns_variable),
        ("rfc2136", _) => Err(args.error("dns rfc2136 takes no further words").hint(
            "the server and its key are in the environment: RFC2136_NAMESERVER, \
                   RFC2136_TSIG_KEY, RFC2136_TSIG_SECRET",
        )),
        (other, _) => Err(args
            .error(format!("Unsupported DNS provider '{other}'"))
            .hint("there are rfc2136, for servers that take dynamic updates, and exec COMMAND")),
    }
}

/// By the environment, as v1's providers were.
fn rfc2136(args: &Args<'_>, var: impl Fn(&str) -> Option<String>) -> Result<Dns, ConfigError> {
    let missing = |name: &str| {
        args.error(format!("dns rfc2136: {name} is not set"))
            .hint("set RFC2136_NAMESERVER=host:port, RFC2136_TSIG_KEY and RFC2136_TSIG_SECRET")
    };
    let mut server = var("RFC2136_NAMESERVER").ok_or_else(|| missing("RFC2136_NAMESERVER"))?;
    let has_port = server.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
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
                .hint("there are hmac-sha256, hmac-sha384 and hmac-sha512")
        })?,
    };
    let propagation = match var("RFC2136_PROPAGATION_TIMEOUT") {
        None => PROPAGATION,
        Some(text) => parse_duration(&text)
            .or_else(|_| parse_duration(&format!("{text}s")))
            .map_err(|error| args.error(format!("RFC2136_PROPAGATION_TIMEOUT: {error}")))?,
    };
    Ok(Dns::Rfc2136(Rfc2136 { server, key, algorithm, propagation }))
}
