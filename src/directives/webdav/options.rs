//! Reads a line of `webdav` and its block.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regex::Regex;

use crate::arguments;
use crate::caddyfile::Repeat::Accumulates;
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::http::paths::Prefix;
use crate::own_files::Withheld;
use crate::site::SiteBuilder;

// What stands behind a user's name is for that user: nothing is written twice.
pub(in crate::directives) static OPTIONS: Options<Block> = Options::<Block>::new(&[
    option("scope DIRECTORY, such as: scope /srv/files", Accumulates, |block, args| {
        let word = args.required()?;
        if !Path::new(word).is_dir() {
            return Err(args
                .error_at(word, format!("webdav: '{word}' is no directory"))
                .hint("make it, and let the user that the service runs as write to it"));
        }
        word.clone_into(&mut block.current().scope);
        Ok(())
    }),
    option("modify true|false", Accumulates, |block, args| {
        let may_modify = args.one_of("value", &[("true", true), ("false", false)])?;
        block.current().may_modify = may_modify;
        Ok(())
    }),
    option("allow PATH|dotfiles", Accumulates, |block, args| block.paths(args, Effect::Allow)),
    option("allow_r REGEX", Accumulates, |block, args| block.pattern(args, Effect::Allow)),
    option("block PATH|dotfiles", Accumulates, |block, args| block.paths(args, Effect::Block)),
    option("block_r REGEX", Accumulates, |block, args| block.pattern(args, Effect::Block)),
])
.others(option("USER:, such as: kim:", Accumulates, |block, args| {
    let word = args.val();
    let Some(name) = word.strip_suffix(':').filter(|name| !name.is_empty()) else {
        return Err(args
            .error_at(word, format!("webdav: '{word}' is neither an option nor a user"))
            .hint(format!("write {word}: for the options of a user of this name")));
    };
    if block.users.iter().any(|(known, _)| known.as_deref() == Some(name)) {
        return Err(args
            .error_at(word, format!("webdav: duplicate user '{name}'"))
            .hint("write the options of a user in one place"));
    }
    let user = block.users[0].1.clone();
    block.users.push((Some(name.to_owned()), user));
    Ok(())
}));

/// A block while it is read: everybody first, then those that are named.
pub(in crate::directives) struct Block {
    users: Vec<(Option<String>, User)>,
}

impl Block {
    /// Whose options are being read.
    fn current(&mut self) -> &mut User {
        let last = self.users.len() - 1;
        &mut self.users[last].1
    }

    fn paths(&mut self, args: &mut Args<'_>, effect: Effect) -> Result<(), ConfigError> {
        let what = match args.required()? {
            "dotfiles" => Held::Dotfiles,
            word => Held::Below(arguments::prefix(args, word)?),
        };
        self.current().rules.push(Rule { effect, what });
        Ok(())
    }

    fn pattern(&mut self, args: &mut Args<'_>, effect: Effect) -> Result<(), ConfigError> {
        let word = args.required()?;
        let what = Held::Pattern(arguments::pattern(args, word)?);
        self.current().rules.push(Rule { effect, what });
        Ok(())
    }
}

/// What a user reaches, and whether he may change it.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) scope: String,
    /// The same without links, by which locks know it.
    pub(super) real: PathBuf,
    pub(super) may_modify: bool,
    pub(super) withheld: Arc<Withheld>,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Block,
}

#[derive(Debug, Clone)]
struct Rule {
    effect: Effect,
    what: Held,
}

#[derive(Debug, Clone)]
enum Held {
    Below(Prefix),
    Pattern(Regex),
    /// A name in the path begins with a dot.
    Dotfiles,
}

impl User {
    /// Whether the user reaches a path below the scope. The last rule that holds it decides.
    pub(super) fn reaches(&self, path: &str) -> bool {
        let rule = self.rules.iter().rev().find(|rule| match &rule.what {
            Held::Below(prefix) => prefix.holds(path),
            Held::Pattern(pattern) => pattern.is_match(path),
            Held::Dotfiles => path.contains("/."),
        });
        rule.is_none_or(|rule| rule.effect == Effect::Allow)
    }
}

/// A path of the site with what users find below it.
pub(super) struct Share {
    path: Prefix,
    pub(super) everybody: Arc<User>,
    pub(super) users: HashMap<String, Arc<User>>,
}

impl Share {
    /// The rest of a route behind the path.
    pub(super) fn rest<'a>(&self, route: &'a str) -> Option<&'a str> {
        let rest = self.path.rest(route)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

pub(super) fn read(args: &mut Args<'_>, site: &SiteBuilder) -> Result<Share, ConfigError> {
    let path = match args.remaining()[..] {
        [] => "/",
        [path] => path,
        _ => return Err(args.arg_error()),
    };
    // As in the plugin the last slash does not count.
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let path = arguments::prefix(args, path)?;
    let everybody = User {
        scope: ".".to_owned(),
        real: PathBuf::new(),
        may_modify: true,
        withheld: site.withheld.clone(),
        rules: Vec::new(),
    };
    let mut block = Block { users: vec![(None, everybody)] };
    OPTIONS.read(&mut block, args)?;
    let mut users = HashMap::new();
    let mut everybody = None;
    for (name, user) in block.users {
        let real = Path::new(&user.scope).canonicalize();
        let real = real.map_err(|error| {
            args.error(format!("webdav: '{}' cannot be opened: {error}", user.scope))
        })?;
        if user.scope == "." && everybody.is_none() {
            args.warn(
                args.error(format!("webdav: no scope is named: it is {}", real.display()))
                    .hint("write in its block: scope DIRECTORY"),
            );
        }
        if user.may_modify {
            site.foreign.add(&real);
        }
        let user = Arc::new(User { real, ..user });
        match name {
            None => everybody = Some(user),
            Some(name) => {
                users.insert(name, user);
            }
        }
    }
    let Some(everybody) = everybody else { return Err(args.arg_error()) };
    if everybody.may_modify && !site.is_private(path.as_str()) {
        args.warn(
            args.error("webdav: anyone may change and remove files")
                .hint("let users in by basicauth, forward_auth or jwt, or write: modify false"),
        );
    }
    Ok(Share { path, everybody, users })
}
