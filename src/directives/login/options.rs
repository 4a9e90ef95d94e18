//! Reads a block of `login`.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;

use super::Login;
use super::form::Back;
use super::page::Page;
use super::session::{Cookie, Session};
use super::users::Users;
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, Forbidden, LastWins};
use crate::caddyfile::{Args, ConfigError, OptionRow, Options, option};
use crate::credentials;
use crate::site::SiteBuilder;
use crate::tokens::Signer;

const BOOLEAN: &[(&str, bool)] = &[("true", true), ("false", false)];

pub(in crate::directives) static OPTIONS: Options<Block> = Options::new(USERS).and(SESSION);

const USERS: &[OptionRow<Block>] = &[
    option("simple USER=PASSWORD,..., such as: simple kim=secret", Accumulates, |block, args| {
        let word = one(args)?;
        block.simple(word).map_err(|why| args.error_at(word, format!("login: {why}")))
    }),
    option(
        "htpasswd file=FILE[;FILE], such as: htpasswd file=users",
        Accumulates,
        |block, args| {
            let word = one(args)?;
            block.htpasswd(word).map_err(|why| args.error_at(word, format!("login: {why}")))
        },
    ),
    option(
        "backend provider=simple|htpasswd,OPTIONS, as older files have it",
        Accumulates,
        backend,
    ),
    option("login_path PATH, such as: login_path /login", LastWins, |block, args| {
        let word = one(args)?;
        arguments::prefix(args, word).map(|path| path.as_str().clone_into(&mut block.path))
    }),
    option("success_url URL, such as: success_url /home", LastWins, |block, args| {
        location(args).map(|url| block.success = url)
    }),
    option("logout_url URL, such as: logout_url /bye", LastWins, |block, args| {
        location(args).map(|url| block.logout = Some(url))
    }),
    option("template FILE, such as: template login.html", LastWins, |block, args| {
        block.template = Some(one(args)?.to_owned());
        Ok(())
    }),
    option("redirect true|false", LastWins, |block, args| {
        args.one_of("value", BOOLEAN).map(|is| block.back.is_allowed = is)
    }),
    option("redirect_query_parameter NAME", LastWins, |block, args| {
        one(args).map(|name| name.clone_into(&mut block.back.parameter))
    }),
    option("redirect_check_referer true|false", LastWins, |block, args| {
        args.one_of("value", BOOLEAN).map(|is| block.back.check_referer = is)
    }),
    option("redirect_host_file FILE", LastWins, |block, args| {
        let word = one(args)?;
        let text = std::fs::read_to_string(word);
        let text = text
            .map_err(|error| args.error_at(word, format!("login: cannot read {word}: {error}")))?;
        let hosts = text.lines().map(str::trim).filter(|line| !line.is_empty());
        block.back.hosts = hosts.map(str::to_lowercase).collect();
        Ok(())
    }),
    option("osiam OPTIONS", Accumulates, |_, args| Err(absent(args, args.val()))),
    option("httpupstream OPTIONS", Accumulates, |_, args| Err(absent(args, args.val()))),
    option("github OPTIONS", Accumulates, |_, args| Err(absent(args, args.val()))),
    option("google OPTIONS", Accumulates, |_, args| Err(absent(args, args.val()))),
    option("bitbucket OPTIONS", Accumulates, |_, args| Err(absent(args, args.val()))),
    option("facebook OPTIONS", Accumulates, |_, args| Err(absent(args, args.val()))),
    option("gitlab OPTIONS", Accumulates, |_, args| Err(absent(args, args.val()))),
    option("user_file FILE", Accumulates, |_, args| Err(absent(args, args.val()))),
    option("user_endpoint URL", Accumulates, |_, args| Err(absent(args, args.val()))),
    option("user_endpoint_token TOKEN", Accumulates, |_, args| Err(absent(args, args.val()))),
    option("user_endpoint_timeout DURATION", Accumulates, |_, args| Err(absent(args, args.val()))),
];

const SESSION: &[OptionRow<Block>] = &[
    option("cookie_name NAME", LastWins, |block, args| {
        let word = one(args)?;
        if !word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.!#$%&'*+^`|~".contains(&byte))
        {
            return Err(args.error_at(word, format!("login: '{word}' is not the name of a cookie")));
        }
        word.clone_into(&mut block.cookie.name);
        Ok(())
    }),
    option("cookie_domain DOMAIN", LastWins, |block, args| {
        let word = one(args)?;
        if word.contains([';', ',', ' ']) || HeaderValue::try_from(word).is_err() {
            return Err(args.error_at(word, format!("login: '{word}' is not a domain")));
        }
        block.cookie.domain = Some(word.to_owned());
        Ok(())
    }),
    option("cookie_expiry DURATION, such as: cookie_expiry 12h", LastWins, |block, args| {
        args.positive_duration().map(|time| block.cookie.lifetime = Some(time))
    }),
    option("cookie_http_only true|false", LastWins, |block, args| {
        args.one_of("value", BOOLEAN).map(|is| block.cookie.http_only = is)
    }),
    option("cookie_secure true|false", LastWins, |block, args| {
        args.one_of("value", BOOLEAN).map(|is| block.cookie.secure = is)
    }),
    option("cookie_same_site lax|strict|none", Forbidden, |block, args| {
        let known = [("lax", "Lax"), ("strict", "Strict"), ("none", "None")];
        args.one_of("value", &known).map(|value| block.cookie.same_site = value)
    }),
    option("jwt_secret SECRET", LastWins, |block, args| {
        block.secret = Some(one(args)?.as_bytes().to_vec());
        Ok(())
    }),
    option("jwt_secret_file FILE", LastWins, |block, args| {
        let word = one(args)?;
        let read = std::fs::read(word);
        let read = read
            .map_err(|error| args.error_at(word, format!("login: cannot read {word}: {error}")))?;
        let line = read.strip_suffix(b"\n").unwrap_or(&read);
        block.secret_file = Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
        block.hidden.push(word.into());
        Ok(())
    }),
    option("jwt_algo ALGORITHM, such as: jwt_algo HS512", LastWins, |block, args| {
        let known = Signer::ALGORITHMS.map(|name| (name, name));
        args.one_of("algorithm", &known).map(|name| block.algorithm = name)
    }),
    option("jwt_key_id ID", LastWins, |block, args| {
        block.key_id = Some(one(args)?.to_owned());
        Ok(())
    }),
    option("jwt_expiry DURATION, such as: jwt_expiry 24h", LastWins, |block, args| {
        args.positive_duration().map(|time| block.lifetime = time)
    }),
    option("jwt_refreshes N, such as: jwt_refreshes 10", LastWins, |block, args| {
        args.number(0..).map(|times| block.refreshes = times)
    }),
];

/// A block as far as it has been read.
pub(in crate::directives) struct Block {
    users: Users,
    hidden: Vec<std::path::PathBuf>,
    path: String,
    success: String,
    logout: Option<String>,
    template: Option<String>,
    back: Back,
    cookie: Cookie,
    secret: Option<Vec<u8>>,
    secret_file: Option<Vec<u8>>,
    algorithm: &'static str,
    key_id: Option<String>,
    lifetime: Duration,
    refreshes: u64,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            users: Users::default(),
            hidden: Vec::new(),
            path: "/login".to_owned(),
            success: "/".to_owned(),
            logout: None,
            template: None,
            back: Back {
                is_allowed: true,
                parameter: "backTo".to_owned(),
                check_referer: true,
                hosts: BTreeSet::new(),
            },
            cookie: Cookie {
                name: "jwt_token".to_owned(),
                domain: None,
                lifetime: None,
                http_only: true,
                secure: true,
                same_site: "Lax",
            },
            secret: None,
            secret_file: None,
            algorithm: "HS512",
            key_id: None,
            lifetime: Duration::from_secs(24 * 3600),
            refreshes: 0,
        }
    }
}

impl Block {
    /// Adds `USER=PASSWORD,...`.
    fn simple(&mut self, text: &str) -> Result<(), String> {
        self.users.simple(text)
    }

    /// Adds the users of `file=FILE[;FILE]`.
    fn htpasswd(&mut self, text: &str) -> Result<(), String> {
        self.hidden.extend(self.users.htpasswd(text)?);
        Ok(())
    }
}

/// `provider=NAME,OPTIONS`, as the plugin had it before each provider had a word of its own.
fn backend(block: &mut Block, args: &mut Args<'_>) -> Result<(), ConfigError> {
    let word = one(args)?;
    let named = word.strip_prefix("provider=");
    let (provider, options) =
        named.map(|named| named.split_once(',').unwrap_or((named, ""))).unwrap_or_default();
    let read = match provider {
        "simple" => block.simple(options),
        "htpasswd" => block.htpasswd(options),
        "osiam" | "httpupstream" | "github" | "google" | "bitbucket" | "facebook" | "gitlab" => {
            return Err(absent(args, provider));
        }
        _ => Err(format!("'{word}' names no provider")),
    };
    read.map_err(|why| {
        args.error_at(word, format!("login: {why}"))
            .hint("write: simple USER=PASSWORD, or: htpasswd file=FILE")
    })
}

/// Reads one line and its block.
pub(super) fn read(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<Login, ConfigError> {
    let mut block = Block::default();
    match args.remaining()[..] {
        [] => {}
        [path] => {
            let below = arguments::prefix(args, path)?;
            block.path = format!("{}/login", below.as_str().trim_end_matches('/'));
        }
        _ => return Err(args.arg_error()),
    }
    OPTIONS.read(&mut block, args)?;
    if block.users.is_empty() {
        return Err(args
            .error("login: nobody may log in")
            .hint("write: simple USER=PASSWORD, or: htpasswd file=FILE"));
    }
    if block.cookie.secure && !site.secure {
        let message = "login: browsers drop the cookie, as this site is not served over TLS";
        let hint = "serve it over TLS, or write for a test: cookie_secure false";
        args.warn(args.error(message).hint(hint));
    }
    let page = match &block.template {
        Some(file) => {
            let path = site.root.join(file);
            let text = std::fs::read_to_string(&path).map_err(|error| {
                args.error(format!("login: cannot read {}: {error}", path.display()))
            })?;
            Page::parse(&text).map_err(|why| {
                args.error(format!("login: invalid template {}: {why}", path.display()))
                    .hint("the page about login lists what a template may use")
            })?
        }
        None => Page::ours().map_err(|why| args.error(why))?,
    };
    site.hidden.append(&mut block.hidden);
    let session = session(&mut block).map_err(|why| args.error(format!("login: {why}")))?;
    Ok(Login {
        path: block.path.trim_end_matches('/').to_owned(),
        users: block.users,
        session,
        page,
        success: block.success,
        logout: block.logout,
        back: block.back,
        site: site.name(),
    })
}

fn session(block: &mut Block) -> Result<Session, String> {
    let environment = || credentials::variable("JWT_SECRET");
    let secret = block.secret_file.take().or(block.secret.take());
    let secret = secret.or_else(|| environment().map(String::into_bytes));
    let secret = match secret {
        Some(secret) => secret,
        None => OWN_SECRET.clone()?,
    };
    let signer = Signer::new(block.algorithm, &secret, block.key_id.as_deref())?;
    let cookie = std::mem::replace(&mut block.cookie, Block::default().cookie);
    Ok(Session { signer, lifetime: block.lifetime, refreshes: block.refreshes, cookie })
}

/// The secret of this process, if none is given: its tokens end with it.
static OWN_SECRET: LazyLock<Result<Vec<u8>, String>> = LazyLock::new(|| {
    let mut bytes = [0; 48];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| "the system's random numbers are unavailable".to_owned())?;
    Ok(BASE64_STANDARD.encode(bytes).into_bytes())
});

/// The one argument there must be.
fn one<'a>(args: &mut Args<'a>) -> Result<&'a str, ConfigError> {
    let word = args.required()?;
    args.no_more()?;
    Ok(word)
}

fn location(args: &mut Args<'_>) -> Result<String, ConfigError> {
    let word = one(args)?;
    match HeaderValue::try_from(word) {
        Ok(_) => Ok(word.to_owned()),
        Err(_) => Err(args.error_at(word, format!("login: '{word}' is not a URL"))),
    }
}

/// The error for an option of the plugin that this server does not have.
fn absent(args: &Args<'_>, name: &str) -> ConfigError {
    let hint = match name {
        "user_file" | "user_endpoint" | "user_endpoint_token" | "user_endpoint_timeout" => {
            "add claims where they are used, by the claim sub"
        }
        "httpupstream" => "write reauth with: upstream url=URL",
        _ => "write forward_auth with a server that speaks to it, such as oauth2-proxy",
    };
    args.error(format!("login: {name} is not supported")).hint(hint)
}
