//! Reads a line of `jwt` and its block.

use std::sync::Arc;

use super::claims::AccessRule;
use super::keyring::{KeyFile, Keyring, Kind, Unusable};
use super::keyset::KeySet;
use super::source::Source;
use super::{Rule, Template};
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, Forbidden, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option, templated};
use crate::credentials;
use crate::http::paths::Prefix;
use crate::site::SiteBuilder;
use crate::tokens::Key;

pub(in crate::directives) static OPTIONS: Options<Block> = Options::new(&[
    option("path PATH, such as: path /private", Forbidden, |block, args| {
        let word = args.required()?;
        args.no_more()?;
        arguments::prefix(args, word).map(|path| block.path = Some(path))
    }),
    option("except PATH, such as: except /login", Accumulates, |block, args| {
        let word = args.required()?;
        args.no_more()?;
        arguments::prefix(args, word).map(|path| block.except.push(path))
    }),
    option("allowroot", Accumulates, |block, args| {
        block.allow_root = true;
        args.no_more()
    }),
    option("checkpath", Accumulates, |block, args| {
        block.check_path = true;
        args.no_more()
    }),
    option("allow CLAIM VALUE, such as: allow role admin", Accumulates, |block, args| {
        access(args, true).map(|rule| block.access.push(rule))
    }),
    option("deny CLAIM VALUE, such as: deny role guest", Accumulates, |block, args| {
        access(args, false).map(|rule| block.access.push(rule))
    }),
    templated("redirect LOCATION, such as: redirect /login", LastWins, |block, args| {
        block.redirect = Some(Template::parse(args.required()?));
        args.no_more()
    }),
    option("publickey FILE, such as: publickey /etc/key.pem", Accumulates, |block, args| {
        file(args, Kind::Public).map(|file| block.keys.files.push(file))
    }),
    option("secret FILE, such as: secret /etc/secret", Accumulates, |block, args| {
        file(args, Kind::Secret).map(|file| block.keys.files.push(file))
    }),
    option(
        "jwks FILE|URL, such as: jwks https://id.example.com/keys",
        Accumulates,
        |block, args| jwks(&mut block.keys, args),
    ),
    option("passthrough", Accumulates, |block, args| {
        block.passthrough = true;
        args.no_more()
    }),
    option("strip_header", Accumulates, |block, args| {
        block.strip_header = true;
        args.no_more()
    }),
    option(
        "token_source header|cookie|query_param [NAME], such as: token_source cookie session",
        Accumulates,
        |block, args| Source::read(args).map(|source| block.sources.push(source)),
    ),
]);

/// A block as far as it has been read.
#[derive(Default)]
pub(in crate::directives) struct Block {
    path: Option<Prefix>,
    except: Vec<Prefix>,
    allow_root: bool,
    check_path: bool,
    access: Vec<AccessRule>,
    redirect: Option<Template>,
    keys: Keyring,
    passthrough: bool,
    strip_header: bool,
    sources: Vec<Source>,
}

/// Reads one line.
pub(super) fn read(args: &mut Args<'_>, site: &SiteBuilder) -> Result<Rule, ConfigError> {
    let mut block = Block { keys: environment(args)?, ..Block::default() };
    match args.remaining()[..] {
        [] => {}
        [path] if !args.opens_block() => block.path = Some(arguments::prefix(args, path)?),
        _ => return Err(args.arg_error()),
    }
    OPTIONS.read(&mut block, args)?;
    let Some(path) = block.path else {
        return Err(args.error("jwt: no path is protected").hint("write: jwt /, or: path /"));
    };
    let mut keys = block.keys;
    if keys.is_empty() {
        keys.fixed.clone_from(&site.token_keys);
    }
    if keys.is_empty() {
        let message = format!("jwt: no key verifies tokens, and nobody may pass {path}");
        let hint = "set JWT_SECRET or JWT_PUBLIC_KEY, or write: publickey FILE, secret FILE or \
                    jwks URL";
        args.warn(args.error(message).hint(hint));
    }
    if keys.kinds() == [true, true] {
        let message = "jwt: a path has both secrets and public keys".to_owned();
        let hint = "keep one kind; JWT_SECRET and JWT_PUBLIC_KEY of the environment count too";
        return Err(args.error(message).hint(hint));
    }
    let sources = block.sources;
    Ok(Rule {
        path,
        except: block.except,
        allow_root: block.allow_root,
        check_path: block.check_path,
        passthrough: block.passthrough,
        access: block.access,
        redirect: block.redirect,
        strip_header: block.strip_header,
        sources: if sources.is_empty() { Source::defaults() } else { sources },
        keys: Arc::new(keys),
    })
}

/// `JWT_SECRET` or `JWT_PUBLIC_KEY`.
fn environment(args: &Args<'_>) -> Result<Keyring, ConfigError> {
    let mut keys = Keyring::default();
    let wrong = |name: &str, why| args.error(format!("jwt: {name} of the environment: {why}"));
    if let Some(secret) = credentials::variable("JWT_SECRET") {
        let key = Key::secret(secret.as_bytes()).map_err(|why| wrong("JWT_SECRET", why))?;
        keys.fixed.push(Arc::new(key));
    }
    if let Some(pem) = credentials::variable("JWT_PUBLIC_KEY") {
        let found = Key::from_pem(pem.as_bytes()).map_err(|why| wrong("JWT_PUBLIC_KEY", why))?;
        keys.fixed.extend(found.into_iter().map(Arc::new));
    }
    Ok(keys)
}

fn access(args: &mut Args<'_>, is_allow: bool) -> Result<AccessRule, ConfigError> {
    let (claim, value) = (args.required()?.to_owned(), args.required()?.to_owned());
    args.no_more()?;
    Ok(AccessRule { is_allow, claim, value })
}

/// A file that cannot be read is no error: its keys may come later, and until then nobody passes.
fn file(args: &mut Args<'_>, kind: Kind) -> Result<Arc<KeyFile>, ConfigError> {
    let word = args.required()?;
    args.no_more()?;
    let file = KeyFile::new(word, kind);
    match file.read() {
        Ok(()) => {}
        Err(Unusable::Wrong(why)) => return Err(args.error_at(word, format!("jwt: {why}"))),
        Err(Unusable::Absent(why)) => {
            let hint = "no token is valid by this file until the file exists";
            args.warn(args.error_at(word, format!("jwt: {why}")).hint(hint));
        }
    }
    Ok(Arc::new(file))
}

fn jwks(keys: &mut Keyring, args: &mut Args<'_>) -> Result<(), ConfigError> {
    if !args.clone().required()?.contains("://") {
        return file(args, Kind::Set).map(|file| keys.files.push(file));
    }
    let word = args.required()?;
    args.no_more()?;
    let set = KeySet::of(word).map_err(|why| args.error_at(word, format!("jwt: {why}")))?;
    keys.sets.push(set);
    Ok(())
}
