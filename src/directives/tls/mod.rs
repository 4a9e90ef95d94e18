//! `tls`: where a site's certificate comes from, and which protocols, ciphers, curves and clients
//! it allows. Files are read here, once, so that a bad one is an error that names its line.

mod managed;
mod names;

use std::sync::Arc;

use crate::caddyfile::{Args, ConfigError, Options, Repeat::Accumulates, Usage};
use crate::site::SiteBuilder;
use crate::tls::clients::{Clients, Mode};
use crate::tls::{Certificates, Files, Policy};

/// The options, as they are written.
const OPTIONS: &[Usage] = &[
    ("protocols MIN [MAX]", Accumulates),
    ("ciphers NAME...", Accumulates),
    ("curves NAME...", Accumulates),
    ("alpn NAME...", Accumulates),
    ("key_type TYPE", Accumulates),
    ("load DIRECTORY", Accumulates),
    ("clients [request|require|verify_if_given] CA-FILE...", Accumulates),
    ("max_certs N", Accumulates),
    ("ask URL", Accumulates),
    ("ca URL", Accumulates),
    ("eab ID KEY", Accumulates),
    ("profile NAME", Accumulates),
    ("must_staple", Accumulates),
    ("muststaple", Accumulates),
    ("wildcard", Accumulates),
    ("dns PROVIDER...", Accumulates),
    ("storage file", Accumulates),
];

/// `tls off | self_signed | EMAIL | CERT KEY [{ … }]` or `tls { … }`. Repeated lines add up.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let words = args.remaining();
        if words.len() > 2 {
            let message = format!("tls: words after '{}' are ignored", words[1]);
            site.warnings.push(args.warning(message));
        }
        source(&words, args, site)?;
        let mut entries = 0;
        let mut options = Options::new(OPTIONS);
        while args.next_block()? {
            entries += 1;
            options.entry(args, |args| entry(args, site))?;
        }
        if words.is_empty() && entries == 0 {
            return Err(args.arg_error());
        }
        managed::check(args, &site.tls)?;
    }
    let plain = site.address.scheme == "http"
        || (site.address.scheme.is_empty() && site.address.port == "80");
    if plain && !matches!(site.tls.certificates, Some(Certificates::Off)) {
        let message = format!("TLS disabled for {}", site.address.original);
        site.warnings.push(args.warning(message));
        site.tls.certificates = Some(Certificates::Off);
    }
    Ok(())
}

fn source(words: &[&str], args: &Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    match words {
        [] => {}
        // An unset environment variable: the default.
        [""] => add(&mut site.tls, Certificates::Managed),
        ["off"] => add(&mut site.tls, Certificates::Off),
        ["self_signed"] => add(&mut site.tls, Certificates::SelfSigned),
        [email] => {
            if !email.contains('@') {
                let taken = args.error(format!("tls: '{email}' is taken for an e-mail address"));
                let hint = "write: tls off, tls self_signed, tls E-MAIL, or tls CERTIFICATE KEY";
                site.warnings.push(taken.hint(hint).warning());
            }
            site.tls.managed.email = Some((*email).to_owned());
            add(&mut site.tls, Certificates::Managed);
        }
        [cert, key, ..] => {
            let failed = |error: &str| {
                unusable(error, args, site)
                    .hint("write: tls CERTIFICATE KEY, two readable PEM files")
            };
            let files = Files::pair(cert, key).map_err(|error| failed(&error))?;
            let complaints = files.complaints();
            site.warnings.extend(complaints.into_iter().map(|text| args.warning(text)));
            add(&mut site.tls, Certificates::Files(Arc::new(files)));
        }
    }
    Ok(())
}

/// What files cannot be used for.
fn unusable(error: &str, args: &Args<'_>, site: &SiteBuilder) -> ConfigError {
    let host = &site.address.host;
    args.error(format!("Unable to load certificate and key files for '{host}': {error}"))
}

/// `off` and `self_signed` replace what was said before, files are added to it.
fn add(policy: &mut Policy, certificates: Certificates) {
    match (&policy.certificates, certificates) {
        (Some(Certificates::Files(_)), Certificates::Files(files)) => policy.more.push(files),
        (_, certificates) => policy.certificates = Some(certificates),
    }
}

fn entry(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let policy = &mut site.tls;
    match args.val() {
        "protocols" => policy.versions = names::protocols(args)?,
        "ciphers" => policy.suites.extend(names::ciphers(args)?),
        "curves" => policy.groups.extend(names::curves(args)?),
        "alpn" => {
            policy.alpn.extend(args.one_or_more()?.iter().map(|name| name.as_bytes().to_vec()))
        }
        "key_type" => policy.key_type = names::key_type(args)?,
        "load" => {
            let dir = args.required()?;
            let hint =
                "write: load DIRECTORY, of *.pem files with a certificate chain and its key each";
            let failed = |error: String| unusable(&error, args, site).hint(hint);
            let files = Arc::new(Files::folder(dir).map_err(failed)?);
            // One old file among many must not keep the others from being served.
            site.warnings.extend(files.complaints().into_iter().map(|text| args.warning(text)));
            add(&mut site.tls, Certificates::Files(files));
        }
        "clients" => policy.clients = Some(Arc::new(clients(args)?)),
        _ => return managed::entry(args, &mut policy.managed),
    }
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
        |error| args.error(error).hint("write: clients [request|require|verify_if_given] CA-FILE…");
    Clients::load(mode, files).map_err(failed)
}

#[cfg(test)]
mod tests;
