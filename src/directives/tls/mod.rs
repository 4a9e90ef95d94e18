//! `tls`: the source of a site's certificate, and the protocols, ciphers, curves and client
//! certificates that it accepts. Files are read at load, so that an invalid one is an error with
//! its line.

mod managed;
mod names;

use std::sync::Arc;

use crate::caddyfile::Repeat::{Accumulates, Forbidden};
use crate::caddyfile::{Args, ConfigError, Options, Role, option};
use crate::site::SiteBuilder;
use crate::tls::clients::{Clients, Mode};
use crate::tls::{Certificates, Files, Policy};

pub(super) static OPTIONS: Options<SiteBuilder> = Options::new(&[
    option("protocols MIN [MAX], such as: protocols tls1.2 tls1.3", Accumulates, |site, args| {
        names::protocols(args).map(|versions| site.tls.versions = versions)
    }),
    option("ciphers NAME...", Accumulates, |site, args| {
        args.each(names::cipher).map(|suites| site.tls.suites.extend(suites))
    }),
    option("curves NAME..., such as: curves X25519 p256", Accumulates, |site, args| {
        args.each(names::curve).map(|groups| site.tls.groups.extend(groups))
    }),
    option("alpn NAME..., such as: alpn h2 http/1.1", Accumulates, |site, args| {
        args.each(|_, name| Ok(name.into())).map(|names| site.tls.alpn.extend(names))
    }),
    option("key_type TYPE, such as: key_type P256", Accumulates, |site, args| {
        names::key_type(args).map(|kind| site.tls.key_type = kind)
    }),
    option("load DIRECTORY", Accumulates, load),
    option("clients [request|require|verify_if_given] CA...", Accumulates, |site, args| {
        clients(args).map(|clients| site.tls.clients = Some(Arc::new(clients)))
    }),
    option("ca URL, such as: ca https://acme-v02.api.letsencrypt.org/directory", Accumulates, {
        |site, args| managed::ca(args).map(|url| site.tls.managed.ca = Some(url))
    }),
    option("eab ID KEY, as the CA shows them", Accumulates, |site, args| {
        managed::eab(args).map(|eab| site.tls.managed.eab = Some(eab))
    }),
    option("profile NAME, such as: profile shortlived", Accumulates, |site, args| {
        args.required().map(|name| site.tls.managed.profile = Some(name.to_owned()))
    }),
    option("must_staple", Accumulates, must_staple),
    option("muststaple", Accumulates, must_staple),
    option("dns PROVIDER..., such as: dns rfc2136", Accumulates, |site, args| {
        managed::dns(args).map(|dns| site.tls.managed.dns = Some(dns))
    }),
    option("wildcard", Accumulates, |site, _| {
        site.tls.managed.wildcard = true;
        Ok(())
    }),
    option("max_certs N, such as: max_certs 100", Accumulates, |site, args| {
        let most = managed::max_certs(args)?;
        site.tls.managed.on_demand.get_or_insert_default().max = Some(most);
        Ok(())
    }),
    option("ask URL, such as: ask http://localhost:9000/allowed", Accumulates, |site, args| {
        let url = managed::ask(args)?;
        site.tls.managed.on_demand.get_or_insert_default().ask = Some(url);
        Ok(())
    }),
    option("https_record off|check|publish", Forbidden, |site, args| {
        managed::https_record(args).map(|mode| site.tls.https_record = Some(mode))
    }),
    option("storage file", Accumulates, |_, args| managed::storage(args)),
    option("insecure_disable_sni_matching", Accumulates, |_, args| {
        let why = "tls: insecure_disable_sni_matching has no effect: a request for another host \
                   than that of the handshake gets 421 where it would bypass `clients`";
        args.warn(args.error(why).hint("leave it out"));
        Ok(())
    }),
]);

/// The settings of several directives are combined.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let words = args.remaining();
        if words.len() > 2 {
            let message = format!("tls: words after '{}' are ignored", words[1]);
            args.warn(args.error(message));
        }
        source(&words, args, site)?;
        if OPTIONS.read(site, args)?.is_empty() && words.is_empty() {
            return Err(args.arg_error());
        }
        managed::check(args, &site.tls)?;
    }
    let plain = site.address.scheme == "http"
        || (site.address.scheme.is_empty() && site.address.port == "80");
    if plain && !matches!(site.tls.certificates, Some(Certificates::Off)) {
        let message = format!("TLS disabled for {}", site.address.original);
        args.warn(args.error(message));
        site.tls.certificates = Some(Certificates::Off);
    }
    Ok(())
}

fn source(words: &[&str], args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    match words {
        [] => {}
        // An unset environment variable means the default.
        [""] => add(&mut site.tls, Certificates::Managed),
        ["off"] => add(&mut site.tls, Certificates::Off),
        ["self_signed"] => add(&mut site.tls, Certificates::SelfSigned),
        ["internal"] => {
            let error = args.error_at(words[0], "tls: 'internal' is a word of Caddy 2");
            return Err(error.hint("write: tls self_signed").role(Role::Caddy2));
        }
        [file] if is_file(file) => {
            let error = args.error_at(words[0], format!("tls: '{file}' is a file without its key"));
            return Err(error.hint(format!("write: tls {file} KEY")));
        }
        [email] => {
            if !email.contains('@') {
                let taken = args.error(format!("tls: '{email}' is read as an e-mail address"));
                let hint = "write: tls off, tls self_signed, tls E-MAIL, or tls CERTIFICATE KEY";
                args.warn(taken.hint(hint));
            }
            site.tls.managed.email = Some((*email).to_owned());
            add(&mut site.tls, Certificates::Managed);
        }
        [cert, key, ..] => {
            let failed = |error: &str| {
                let at = if error.contains(*key) { key } else { cert };
                args.error_at(at, unusable(error, site))
                    .hint("write: tls CERTIFICATE KEY, two readable PEM files")
            };
            let files = Files::pair(cert, key).map_err(|error| failed(&error))?;
            files.complaints().into_iter().for_each(|text| args.warn(args.error(text)));
            add(&mut site.tls, Certificates::Files(Arc::new(files)));
        }
    }
    Ok(())
}

/// Whether a word names a file and no account.
fn is_file(word: &str) -> bool {
    let ends = [".pem", ".crt", ".cer", ".key", ".pfx", ".p12"];
    !word.contains('@') && (word.contains('/') || ends.iter().any(|end| word.ends_with(end)))
}

/// Why files cannot be used.
fn unusable(error: &str, site: &SiteBuilder) -> String {
    let host = &site.address.host;
    format!("Unable to load certificate and key files for '{host}': {error}")
}

/// `off` and `self_signed` replace earlier sources, files are added to them.
fn add(policy: &mut Policy, certificates: Certificates) {
    match (&policy.certificates, certificates) {
        (Some(Certificates::Files(_)), Certificates::Files(files)) => policy.more.push(files),
        (_, certificates) => policy.certificates = Some(certificates),
    }
}

fn load(site: &mut SiteBuilder, args: &mut Args<'_>) -> Result<(), ConfigError> {
    let folder = args.required()?;
    let hint = "write: load DIRECTORY, of *.pem files with a certificate chain and its key each";
    let failed = |error: String| args.error(unusable(&error, site)).hint(hint);
    let files = Arc::new(Files::folder(folder).map_err(failed)?);
    // An expired file is a warning, so that the other certificates are still served.
    files.complaints().into_iter().for_each(|text| args.warn(args.error(text)));
    add(&mut site.tls, Certificates::Files(files));
    Ok(())
}

fn must_staple(site: &mut SiteBuilder, _: &mut Args<'_>) -> Result<(), ConfigError> {
    site.tls.managed.must_staple = true;
    Ok(())
}

/// `clients [request|require|verify_if_given] CA…`.
fn clients(args: &mut Args<'_>) -> Result<Clients, ConfigError> {
    let words = args.one_or_more()?;
    let (mode, files) = match words[0] {
        "request" => (Mode::Request, &words[1..]),
        "require" => (Mode::Require, &words[1..]),
        "verify_if_given" => (Mode::VerifyIfGiven, &words[1..]),
        _ => (Mode::RequireAndVerify, &words[..]),
    };
    if files.is_empty() && matches!(mode, Mode::VerifyIfGiven) {
        return Err(args.arg_error());
    }
    let failed =
        |error| args.error(error).hint("write: clients [request|require|verify_if_given] CA...");
    Clients::load(mode, files).map_err(failed)
}

#[cfg(test)]
mod tests;
