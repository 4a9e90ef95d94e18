//! Loads a Caddyfile into a snapshot by the table of directives. `-validate` makes the same call.
//! Loading opens no socket; when it fails, the old configuration stays in use.

mod admin;
mod advice;
mod draft;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod input;
mod listen;
mod loaded;
mod placeholders;
mod records;
mod redirects;
mod settings;
#[cfg(test)]
mod tests;
mod wildcards;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::caddyfile::{self, Args, ConfigError, Directive, Key, Kind, ServerBlock, parse_number};
use crate::directives::{DIRECTIVES, Directive as Row, setup_static};
use crate::http::address::Address;
use crate::http::paths::{Prefix, Remark};
use crate::net::roots;
use crate::own_files::{Foreign, Withheld};
use crate::site::{SiteBuilder, Task};
use crate::tls::{Certificates, is_public};
use crate::warning::Warning;

use advice::{advised, semicolons};
use draft::Draft;

pub use error::{ConfigErrors, LoadError};
pub use input::{Input, Source};
pub use loaded::{Loaded, Redirects};
pub use settings::Settings;

/// Parses the source, runs every directive's set-up and builds the listeners.
pub fn load(source: &Source, settings: &Settings) -> Result<Loaded, LoadError> {
    roots::forget();
    let names = directive_names();
    let parsed = caddyfile::read(&source.name, &source.text, &source.dir, &names);
    if parsed.blocks.is_empty() && parsed.errors.is_empty() {
        return Err(LoadError::Site(no_site(source, &parsed.warnings)));
    }
    let files = source.path.iter().chain(&parsed.files).cloned().collect();
    let common = Common { files, ..Common::default() };
    let mut errors = ConfigErrors::default();
    errors.extend(parsed.errors.into_iter().map(|error| advised(error, None)));
    let mut warnings = parsed.warnings;
    let mut tasks = Vec::new();
    let mut drafts = Vec::new();
    let mut hooks = Vec::new();
    let (mut upstreams, mut series) = (Vec::new(), Vec::new());
    let mut experiments = Vec::new();
    for block in &parsed.blocks {
        for (nth, key) in block.keys.iter().enumerate() {
            let mut draft = match draft(block, key, &common, settings) {
                Ok(draft) => draft,
                Err(wrong) => {
                    errors.extend(wrong);
                    continue;
                }
            };
            // A block is set up once for each of its addresses; its warnings are said once, and
            // its commands run once.
            draft.site.warnings.retain(|warning| !warnings.contains(warning));
            warnings.append(&mut draft.site.warnings);
            tasks.append(&mut draft.site.tasks);
            upstreams.append(&mut draft.site.upstreams);
            series.extend(draft.site.series.take());
            if let Some(plan) = &draft.site.experiment {
                let (experiment, days) = (plan.experiment.clone(), plan.days);
                experiments.push(experiment.clone());
                tasks.push(Task::new(move || experiment.keep(days)));
            }
            if nth == 0 {
                hooks.append(&mut draft.site.hooks);
            }
            drafts.push(draft);
        }
    }
    errors.check(&source.name)?;
    for executed in drafts.iter().flat_map(|draft| &draft.site.executed) {
        if common.foreign.meets(&executed.path) && !warnings.contains(&executed.warning) {
            warnings.push(executed.warning.clone());
        }
    }
    tasks.extend(records::task(&mut drafts));
    let redirects = redirects::implied(&drafts, settings);
    let admin = admin::drafts(&mut drafts, settings);
    drafts.extend(admin);
    let mut loaded = Loaded { warnings, tasks, ..listen::group(drafts, redirects, settings)? };
    loaded.snapshot.hooks = hooks;
    loaded.snapshot.upstreams = upstreams;
    loaded.snapshot.series = series;
    loaded.snapshot.experiments = experiments;
    Ok(loaded)
}

/// The text of a Caddyfile in its usual form.
pub fn format(source: &Source) -> Result<String, LoadError> {
    caddyfile::format(&source.name, &source.text).map_err(|found| {
        let mut errors = ConfigErrors::default();
        errors.extend(found);
        LoadError::Caddyfile(errors)
    })
}

/// A Caddyfile without a site is a mistake: what was meant is unknown, and serving a folder
/// instead would open it.
fn no_site(source: &Source, warnings: &[Warning]) -> String {
    let warnings: String = warnings.iter().map(|warning| format!("\n  {warning}")).collect();
    format!(
        "no site in {}{warnings}\n  hint: write the site's address, such as example.com, and below \
         it its directives",
        source.name
    )
}

const WRITE_ROOT: &str = "write: root /path/of/the/site, or start with -root DIRECTORY";

/// Why the site must not be served: a service's working directory is often `/`, which nobody
/// means to serve.
fn open_root(site: &SiteBuilder) -> Option<String> {
    let is_open = !site.root_is_named
        && !site.answers_all
        && std::env::current_dir().is_ok_and(|dir| dir == Path::new("/"));
    is_open.then(|| {
        format!(
            "{} has no root, and the working directory is /: it would serve all files of this \
             machine",
            match site.address.original.as_str() {
                "" => "the site",
                address => address,
            }
        )
    })
}

/// The words of a Caddyfile, sorted.
pub fn directive_names() -> Vec<&'static str> {
    let mut names: Vec<_> = DIRECTIVES.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names
}

/// What all sites of a configuration have in common.
#[derive(Default)]
struct Common {
    /// The Caddyfile and what it imports, which no site serves.
    files: Vec<PathBuf>,
    /// Folders that clients may write to, and what none of them changes.
    foreign: Arc<Foreign>,
    withheld: Arc<Withheld>,
}

/// Sets up the site of one address of a block.
fn draft(
    block: &ServerBlock,
    key: &Key,
    common: &Common,
    settings: &Settings,
) -> Result<Draft, Vec<ConfigError>> {
    let at_key = |message: String| ConfigError::at(&key.token, Kind::Parse, message);
    let mut errors = Vec::new();
    let address =
        Address::parse(&key.text).map_err(|message| at_key(message).hint(address_hint(&key.text)));
    let mut address = address.unwrap_or_else(|error| {
        errors.push(error);
        Address::default()
    });
    let remark = path_remark(&address).unwrap_or_else(|wrong| {
        errors.push(at_key(wrong.message).hint(wrong.hint));
        None
    });
    let remarks = remark.into_iter().chain(wildcards::remark(&address.host));
    let remarks = remarks.map(|one| at_key(one.message).hint(one.hint).warning());
    let remarks: Vec<_> = remarks.collect();
    if address.host.is_empty() {
        address.host.clone_from(&settings.host);
    }
    let root = settings.root.clone().unwrap_or_else(|| PathBuf::from("."));
    let mut site = SiteBuilder::new(address, root, settings.sinks.clone());
    site.root_is_named = settings.root.is_some();
    site.process = settings.process.clone();
    site.fleet = settings.fleet.clone();
    site.experiments = settings.experiments.clone();
    site.hidden.extend_from_slice(&common.files);
    site.foreign = common.foreign.clone();
    site.withheld = common.withheld.clone();
    site.warnings.extend(remarks);
    for row in DIRECTIVES {
        if row.name == "internal" {
            site.content_follows();
        }
        if let Some(directive) = block.directives.iter().find(|one| one.name == row.name) {
            set_up(directive, row, &mut site, &mut errors);
        }
        if row.name == "tls" {
            settle_tls(&mut site, key, settings);
        }
    }
    // What follows concerns the site as a whole, which is not known where something is wrong.
    if block.is_broken || !errors.is_empty() {
        return Err(errors);
    }
    if let Some(error) = open_root(&site) {
        return Err(vec![at_key(error).hint(WRITE_ROOT)]);
    }
    if !settings.quic && site.experiment.take().is_some() {
        let message = format!("{}: quic_report has no effect with -quic=false", site.address);
        site.warnings.push(at_key(message).warning());
    }
    setup_static(&mut site);
    let port = port(&site, settings).map_err(|message| vec![at_key(message)])?;
    let record = records::spec(&mut site, port, key, settings);
    let place = format!("{}:{}", key.token.file, key.token.line);
    Ok(Draft { site, port, place, record, is_admin: false })
}

/// Runs a directive's set-up. Where one of its lines is wrong, those behind it are checked too.
fn set_up(directive: &Directive, row: &Row, site: &mut SiteBuilder, errors: &mut Vec<ConfigError>) {
    let mut args = Args::new(directive);
    args.written_as(row.usage);
    let done = (row.setup)(&mut args, site);
    let others = args.others();
    let rest = done.as_ref().err().and_then(|error| args.behind(error));
    let done = done.and_then(|()| args.finish()).and_then(|warnings| {
        site.warnings.extend(warnings);
        let mut warn = |error: ConfigError| site.warnings.push(error.warning());
        semicolons(directive, &mut warn);
        placeholders::check(directive, row, &mut warn)
    });
    let found = done.err().into_iter().chain(others);
    errors.extend(found.map(|error| advised(error, Some(directive))));
    if let Some(rest) = rest {
        set_up(&rest, row, site, errors);
    }
}

/// What to write instead of an address that is none.
fn address_hint(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("for the port, write :{text}; with a host, write HOST:{text}");
    }
    if let Some(name) = variable(text) {
        return format!("for a variable of the environment write {{${name}}}");
    }
    let (scheme, rest) = scheme_and_rest(text);
    match scheme {
        "http" if rest.ends_with(":443") => return format!("write https://{rest}, or no scheme"),
        "https" if rest.ends_with(":80") => return format!("write http://{rest}, or no scheme"),
        "" => {}
        _ if text == format!("{scheme}://{rest}") && matches!(scheme, "http" | "https") => {}
        "http" => return format!("write http://{rest}"),
        _ => return format!("write https://{rest}"),
    }
    caddyfile::slip(text).unwrap_or_else(|| {
        "write [SCHEME://]HOST[:PORT][/PATH], such as https://www.example.com".to_owned()
    })
}

/// The last scheme of an address, also one that is not written as such, and what is behind it.
fn scheme_and_rest(text: &str) -> (&str, &str) {
    let Some(at) = text.rfind("://").or_else(|| text.find(":/")).or_else(|| text.find("//")) else {
        return ("", text);
    };
    let (before, rest) = text.split_at(at);
    let scheme = before.rsplit(['/', ':']).next().unwrap_or_default();
    let is_first = before == scheme || before.starts_with("http");
    let is_word = is_first && scheme.bytes().all(|byte| byte.is_ascii_alphabetic());
    match is_word && !scheme.is_empty() {
        true => (scheme, rest.trim_start_matches([':', '/'])),
        false => ("", text),
    }
}

/// The name of a variable that is written as a shell, Caddy 2 or a template has it.
fn variable(text: &str) -> Option<&str> {
    let at = ["{env.", "{{", "${", "$"].iter().find_map(|sign| text.split_once(sign))?.1;
    let rest = at.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end]).filter(|name| !name.is_empty()).or(Some("NAME"))
}

/// What is to be said of the path of an address.
fn path_remark(address: &Address) -> Result<Option<Remark>, Remark> {
    if address.path.is_empty() {
        return Ok(None);
    }
    let read = Prefix::parse(&address.path);
    read.map(|(_, remark)| remark).map_err(|wrong| Remark {
        hint: "a site's path holds for all paths that begin with it: write it without '*'".into(),
        ..wrong
    })
}

/// Decides whether the site is served over TLS, and by which certificate when its block does
/// not say (spec sections 5 and 10.7).
fn settle_tls(site: &mut SiteBuilder, key: &Key, settings: &Settings) {
    let warning = |message: String| ConfigError::at(&key.token, Kind::Parse, message).warning();
    let address = &site.address;
    let plain = address.scheme == "http" || address.port == settings.http_port.to_string();
    let certificates = site.tls.certificates.take();
    let can_be_managed = can_be_managed(site, certificates.as_ref(), settings);
    let settled = match certificates {
        Some(certificates) if plain => {
            if !matches!(certificates, Certificates::Off) {
                site.warnings.push(warning(format!("TLS disabled for {address}")));
            }
            Certificates::Off
        }
        Some(Certificates::Managed) if !can_be_managed => {
            site.warnings.push(warning(format!(
                "{address}: no CA issues for this name, so that it has a self-signed \
                 certificate. Write 'tls self_signed' to agree, or 'tls CERT KEY' for your own"
            )));
            Certificates::SelfSigned
        }
        Some(certificates) => certificates,
        None if plain => Certificates::Off,
        None if can_be_managed => Certificates::Managed,
        None if address.scheme == "https" || address.port == settings.https_port.to_string() => {
            Certificates::SelfSigned
        }
        None => Certificates::Off,
    };
    site.secure = !matches!(settled, Certificates::Off);
    site.tls.certificates = Some(settled);
}

/// Whether a CA can issue for the site. An address has a certificate of a CA only where the block
/// names an account or a CA, since v1 had none for addresses; and a public CA issues for public
/// addresses only.
fn can_be_managed(
    site: &SiteBuilder,
    certificates: Option<&Certificates>,
    settings: &Settings,
) -> bool {
    let managed = &site.tls.managed;
    let Ok(address) = site.address.host.parse::<IpAddr>() else {
        return managed.on_demand.is_some() || managed.subject(&site.address.host).is_some();
    };
    let is_wanted = matches!(certificates, Some(Certificates::Managed))
        || managed.ca.is_some()
        || managed.profile.is_some();
    let ca = managed.ca.as_ref().unwrap_or(&settings.keeper.settings().ca);
    let is_issued_for = is_public(address) || !ca.contains("letsencrypt.org");
    is_wanted && is_issued_for && managed.subject(&site.address.host).is_some()
}

fn port(site: &SiteBuilder, settings: &Settings) -> Result<u16, String> {
    let address = &site.address;
    match (address.scheme.as_str(), address.port.as_str()) {
        ("http", "" | "80") => Ok(settings.http_port),
        ("https", "" | "443") => Ok(settings.https_port),
        (_, "") if site.secure => Ok(settings.https_port),
        (_, "") => parse_number(&settings.port, 0..=u16::MAX).map_err(|why| format!("-port {why}")),
        (_, port) => {
            parse_number(port, 0..=u16::MAX).map_err(|why| format!("the port of {address} {why}"))
        }
    }
}
