//! `git`: the files of a site from a repository, fetched by the `git` command beside requests.

mod hook;
mod keep;
mod pull;
mod repository;
mod signature;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use self::hook::{SERVICES, Service};
use self::keep::State;
use self::repository::{Command, Repository};
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option, parse_number};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::leads_into_git;
use crate::http::{Body, Fault, Reply, Request};
use crate::limits::{GIT_DISTANCE, GIT_HOOK_BYTES, GIT_INTERVAL};
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<Block> = Options::new(&[
    option("repo URL, such as: repo git@example.com:site", LastWins, |block, args| {
        args.required().map(|url| url.clone_into(&mut block.url))
    }),
    option("path DIRECTORY, such as: path htdocs", LastWins, |block, args| {
        args.required().map(|path| block.path = path.into())
    }),
    option("branch BRANCH|TAG|{latest}, such as: branch main", LastWins, |block, args| {
        let word = args.required()?;
        if word.is_empty() || word.starts_with('-') {
            return Err(args.error_at(word, format!("git: '{word}' is not a branch or tag")));
        }
        word.clone_into(&mut block.branch);
        Ok(())
    }),
    option("key FILE, such as: key /srv/keys/site", LastWins, |block, args| {
        let word = args.required()?;
        // ssh runs in the directory of the files.
        let file = std::path::absolute(word).unwrap_or_else(|_| word.into());
        block.key = Some(file);
        Ok(())
    }),
    option("interval SECONDS|-1, such as: interval 600", LastWins, interval),
    option("clone_args ARGUMENT..., such as: clone_args --depth=1", LastWins, |block, args| {
        words(args).map(|words| block.clone_args = words)
    }),
    option("pull_args ARGUMENT..., such as: pull_args --ff-only", LastWins, |block, args| {
        words(args).map(|words| block.pull_args = words)
    }),
    option("args ARGUMENT..., such as: args --depth=1", LastWins, |block, args| {
        words(args).map(|words| block.pull_args = words)
    }),
    option("hook PATH [SECRET], such as: hook /pushed {$SECRET}", LastWins, |block, args| {
        let path = args.required()?;
        let path = arguments::prefix(args, path)?.as_str().to_owned();
        let secret = args.next_arg().then(|| args.val().to_owned());
        block.hook = Some(Named { path, secret: secret.filter(|secret| !secret.is_empty()) });
        Ok(())
    }),
    option("hook_type NAME, such as: hook_type github", LastWins, |block, args| {
        let known = SERVICES.each_ref().map(|service| (service.name, service));
        args.one_of("type of hook", &known).map(|service| block.service = Some(service))
    }),
    option("then COMMAND [ARGUMENT...], such as: then make site", Accumulates, |block, args| {
        command(args).map(|words| block.commands.push(Command { words, is_long: false }))
    }),
    option(
        "then_long COMMAND [ARGUMENT...], such as: then_long make all",
        Accumulates,
        |block, args| {
            command(args).map(|words| block.commands.push(Command { words, is_long: true }))
        },
    ),
]);

#[derive(Default)]
pub(super) struct Block {
    url: String,
    path: PathBuf,
    branch: String,
    key: Option<PathBuf>,
    /// Seconds; -1: never. `None`: not written.
    interval: Option<i64>,
    clone_args: Vec<String>,
    pull_args: Vec<String>,
    hook: Option<Named>,
    service: Option<&'static Service>,
    commands: Vec<Command>,
}

/// The path of a hook, and its secret.
struct Named {
    path: String,
    secret: Option<String>,
}

fn interval(block: &mut Block, args: &mut Args<'_>) -> Result<(), ConfigError> {
    let seconds: i64 =
        args.required().and_then(|word| args.parsed(word, |t| parse_number(t, -1..)))?;
    let least = GIT_DISTANCE.as_secs() as i64;
    if (0..least).contains(&seconds) {
        let message = format!("interval {seconds} is read as {least}, the shortest");
        args.warn(args.error(message).hint(format!("write: interval {least}, or -1 for none")));
    }
    block.interval = Some(if seconds < 0 { seconds } else { seconds.max(least) });
    Ok(())
}

fn words(args: &mut Args<'_>) -> Result<Vec<String>, ConfigError> {
    let words = args.one_or_more()?;
    arguments::command(args, &words)
}

/// The words as they are: each is an argument.
fn command(args: &mut Args<'_>) -> Result<Vec<String>, ConfigError> {
    args.one_or_more().map(|words| words.into_iter().map(str::to_owned).collect())
}

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut hooks = Vec::new();
    while args.next() {
        let mut block = Block { branch: "master".to_owned(), ..Block::default() };
        match args.remaining()[..] {
            [] => {}
            [url] => url.clone_into(&mut block.url),
            [url, path] => {
                url.clone_into(&mut block.url);
                block.path = path.into();
            }
            _ => return Err(args.arg_error()),
        }
        let written = OPTIONS.read(&mut block, args)?;
        if block.hook.is_none() {
            let hint = "write: hook PATH SECRET";
            written.warn_no_effect(args, "hook_type", "without hook", hint)?;
        }
        if block.url.is_empty() {
            let error = args.error("git: no repository is named");
            return Err(error.hint("write: git URL, or repo URL in the block"));
        }
        doubts(&block, args);
        let Block { hook, service, .. } = &mut block;
        let (hook, service) = (hook.take(), *service);
        let repository = repository(block, hook.is_some(), args, site)?;
        let state = State::of(&repository);
        if let Some(Named { path, secret }) = hook {
            let (repository, state) = (repository.clone(), state.clone());
            hooks.push(Hook { path, secret, service, repository, state });
        }
        site.hidden.push(repository.path.join(".git"));
        site.tasks.push(keep::task(repository, state));
    }
    if !hooks.is_empty() {
        site.push(Hooks { hooks });
    }
    site.push_before_content(Guard);
    Ok(())
}

/// What is no error, as the site works without.
fn doubts(block: &Block, args: &mut Args<'_>) {
    if repository::program("git").is_none() {
        let message = "git: there is no program git in PATH: nothing is fetched";
        args.warn(args.error(message).hint("install git; no reload is needed then"));
    }
    let missing = block.key.as_ref().filter(|key| !key.is_file());
    if let Some(key) = missing {
        let message = format!("git: the key {} cannot be read", key.display());
        args.warn(args.error(message).hint("write the path of a private key for SSH"));
    }
    if matches!(block.hook, Some(Named { secret: None, .. })) {
        let message = "git: everyone can have the repository fetched by the hook";
        args.warn(args.error(message).hint("write: hook PATH SECRET"));
    }
}

fn repository(
    block: Block,
    has_hook: bool,
    args: &mut Args<'_>,
    site: &SiteBuilder,
) -> Result<Repository, ConfigError> {
    let url = repository::url_of(&block.url, block.key.is_some()).map_err(|hint| {
        args.error(format!("git: '{}' is not the address of a repository", block.url)).hint(hint)
    })?;
    let path = site.root.join(&block.path);
    if pull::is_foreign(&path) {
        let message = format!("git: '{}' contains files, but is not a repository", path.display());
        args.warn(args.error(message).hint("empty the directory, or name another one by path"));
    }
    let interval = match block.interval {
        Some(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
        // As in the plugin, a hook takes the place of the interval.
        None => (!has_hook).then_some(GIT_INTERVAL),
    };
    let Block { branch, key, clone_args, pull_args, commands, .. } = block;
    Ok(Repository { url, path, branch, key, clone_args, pull_args, commands, interval })
}

struct Hooks {
    hooks: Vec<Hook>,
}

struct Hook {
    path: String,
    secret: Option<String>,
    /// `None`: whoever it is by its fields.
    service: Option<&'static Service>,
    repository: Repository,
    state: Arc<State>,
}

impl Hook {
    /// The service, if the request is one of its hooks.
    fn service(&self, headers: &HeaderMap) -> Option<&'static Service> {
        match self.service {
            Some(service) => service.sent(headers).then_some(service),
            None => Service::of(headers),
        }
    }

    async fn answer(&self, req: &mut Request) -> Reply {
        if req.head.method != Method::POST {
            return Err(Fault::not_allowed("POST"));
        }
        let Some(service) = self.service(&req.head.headers) else {
            let cause = format!("git: the request for {} is no hook that is known", self.path);
            return Err(Fault::caused(StatusCode::BAD_REQUEST, cause));
        };
        let body = Limited::new(&mut req.body, GIT_HOOK_BYTES).collect().await;
        let body =
            body.map_err(|error| Fault::caused(StatusCode::PAYLOAD_TOO_LARGE, error))?.to_bytes();
        let headers = &req.head.headers;
        let secret = self.secret.as_ref();
        if secret.is_some_and(|secret| !service.is_genuine(headers, &body, secret)) {
            let cause = format!("git: the hook of {} does not know the secret", service.name);
            return Err(Fault::caused(StatusCode::FORBIDDEN, cause));
        }
        let news = service.news(headers, &body, &self.repository);
        if news == hook::News::Push {
            self.state.push();
        }
        let mut response = Response::new(Body::from(format!("{}\n", news.text())));
        *response.status_mut() = news.status();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        Ok(response)
    }
}

impl Handler for Hooks {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let hook = self.hooks.iter().find(|hook| hook.path == route);
        drop(route);
        match hook {
            Some(hook) => Box::pin(hook.answer(req)),
            None => next.run(req),
        }
    }
}

/// Keeps what git knows of a repository, passwords among it, from being served.
struct Guard;

impl Handler for Guard {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let readings = req.readings();
        if readings.each().any(leads_into_git) {
            return Box::pin(ready(Err(Fault::status(StatusCode::NOT_FOUND))));
        }
        drop(readings);
        next.run(req)
    }
}
