//! Reads a line of `cgi` and its block.

use std::path::{Path, PathBuf};
use std::time::Duration;

use glob::Pattern;

use super::rule::{Rule, Text, Variable};
use crate::caddyfile::Repeat::{Accumulates, Forbidden};
use crate::caddyfile::{Args, ConfigError, OptionRow, Options, option, templated};
use crate::http::placeholders::Template;
use crate::limits::CGI_TIME;
use crate::site::SiteBuilder;

pub(in crate::directives) static OPTIONS: Options<Block> = Options::new(PROGRAM).and(APPS);

/// The block of an `app`.
static APP: Options<Block> = Options::new(PROGRAM);

const APPS: &[OptionRow<Block>] = &[
    templated("app PATTERN PROGRAM [ARGUMENT...], or: app with a block", Accumulates, app),
    option("inspect", Forbidden, |_, args| {
        let why = "cgi: inspect is not supported: it shows every client how programs are run";
        let instead = "to see it for a time, write: exec /bin/sh -c \
                       \"echo Content-Type: text/plain; echo; env\"";
        Err(args.error(why).hint(instead))
    }),
];

const PROGRAM: &[OptionRow<Block>] = &[
    option("match PATTERN..., such as: match /report /stats/*", Accumulates, |block, args| {
        block.matches.extend(args.each(pattern)?);
        Ok(())
    }),
    option("except PATTERN..., such as: except /report/old", Accumulates, |block, args| {
        block.except.extend(args.each(pattern)?);
        Ok(())
    }),
    templated(
        "exec PROGRAM [ARGUMENT...], such as: exec /usr/bin/lua {root}{match}",
        Forbidden,
        |block, args| {
            block.exec = args.one_or_more()?.into_iter().map(str::to_owned).collect();
            Ok(())
        },
    ),
    option("dir DIRECTORY, such as: dir /srv/cgi", Forbidden, |block, args| {
        block.dir = Some(args.required()?.into());
        args.no_more()
    }),
    templated("env NAME=VALUE..., such as: env LEVEL=debug", Accumulates, |block, args| {
        block.env.extend(args.each(variable)?);
        Ok(())
    }),
    option("pass_env NAME..., such as: pass_env LC_ALL", Accumulates, |block, args| {
        block.pass.extend(args.one_or_more()?.into_iter().map(str::to_owned));
        Ok(())
    }),
    option("empty_env NAME..., such as: empty_env DEBUG", Accumulates, |block, args| {
        let names = args.one_or_more()?;
        block.env.extend(names.into_iter().map(|name| (name.to_owned(), String::new())));
        Ok(())
    }),
    option("timeout DURATION, such as: timeout 10s", Forbidden, |block, args| {
        args.positive_duration().map(|limit| block.limit = Some(limit))
    }),
];

/// A program with its paths, as older versions of the plugin had it: several in one block.
fn app(block: &mut Block, args: &mut Args<'_>) -> Result<(), ConfigError> {
    let mut app = Block::default();
    match args.remaining().as_slice() {
        [] if args.opens_block() => {
            APP.read(&mut app, args)?;
        }
        [path, exec @ ..] if !exec.is_empty() => app.runs(args, path, exec)?,
        _ => return Err(args.arg_error()),
    }
    app.check(args)?;
    block.apps.push(app);
    Ok(())
}

/// A block as far as it has been read.
#[derive(Default)]
pub(in crate::directives) struct Block {
    matches: Vec<Pattern>,
    except: Vec<Pattern>,
    exec: Vec<String>,
    dir: Option<PathBuf>,
    env: Vec<(String, String)>,
    pass: Vec<String>,
    limit: Option<Duration>,
    apps: Vec<Self>,
}

impl Block {
    /// Takes PATTERN and PROGRAM of one line.
    fn runs(&mut self, args: &mut Args<'_>, path: &str, exec: &[&str]) -> Result<(), ConfigError> {
        self.matches.push(pattern(args, path)?);
        self.exec = exec.iter().map(|word| (*word).to_owned()).collect();
        if args.opens_block() {
            let error = args.error("cgi: PATTERN and PROGRAM are in the line or in the block");
            return Err(error.hint("write 'match PATTERN' and 'exec PROGRAM' in the block"));
        }
        Ok(())
    }

    fn check(&self, args: &Args<'_>) -> Result<(), ConfigError> {
        if self.matches.is_empty() {
            return Err(args.error("cgi: no path has a program").hint("write: match PATTERN"));
        }
        if self.exec.is_empty() {
            return Err(args.error("cgi: no program is named").hint("write: exec PROGRAM"));
        }
        Ok(())
    }

    /// What the block says for all its `app`s holds for this one.
    fn within(self, around: &Self) -> Self {
        Self {
            except: [self.except, around.except.clone()].concat(),
            env: [around.env.clone(), self.env].concat(),
            pass: [around.pass.clone(), self.pass].concat(),
            dir: self.dir.or_else(|| around.dir.clone()),
            limit: self.limit.or(around.limit),
            ..self
        }
    }

    fn rule(self, root: &Path) -> Rule {
        let here = std::env::current_dir().unwrap_or_default();
        let text = |text: &str| {
            let text = text.replace("{root}", &root.display().to_string());
            let text = text.replace("{.}", &here.display().to_string());
            Text(text.split("{match}").map(Template::parse).collect())
        };
        let env = self.env.iter();
        let env = env.map(|(name, value)| Variable { name: name.clone(), value: text(value) });
        let mut words = self.exec.iter().map(|word| text(word));
        Rule {
            program: words.next().unwrap_or_else(|| text("")),
            arguments: words.collect(),
            env: env.collect(),
            matches: self.matches,
            except: self.except,
            dir: self.dir.unwrap_or_else(|| root.to_owned()),
            pass: self.pass,
            limit: self.limit.unwrap_or(CGI_TIME),
            root: root.to_owned(),
        }
    }
}

/// Reads one line, which may have several programs.
pub(super) fn read(args: &mut Args<'_>, site: &SiteBuilder) -> Result<Vec<Rule>, ConfigError> {
    let mut block = Block::default();
    match args.remaining().as_slice() {
        [] => {
            OPTIONS.read(&mut block, args)?;
        }
        [path, exec @ ..] if !exec.is_empty() => block.runs(args, path, exec)?,
        _ => return Err(args.arg_error()),
    }
    let apps = std::mem::take(&mut block.apps);
    let mut all: Vec<_> = apps.into_iter().map(|app| app.within(&block)).collect();
    if all.is_empty() || !block.matches.is_empty() || !block.exec.is_empty() {
        block.check(args)?;
        all.push(block);
    }
    let root = std::path::absolute(&site.root).unwrap_or_else(|_| site.root.clone());
    Ok(all.into_iter().map(|block| block.rule(&root)).collect())
}

fn pattern(args: &mut Args<'_>, word: &str) -> Result<Pattern, ConfigError> {
    let wrong = |why: &str| args.error_at(word, format!("cgi: '{word}' {why}"));
    if !word.starts_with('/') {
        return Err(wrong("is not a pattern of paths").hint("begin it with '/'"));
    }
    Pattern::new(word).map_err(|error| {
        wrong(&format!("is not a pattern: {}", error.msg))
            .hint("write a path, in which `*` and `?` stand for what is no slash: /report/*.lua")
    })
}

fn variable(args: &mut Args<'_>, word: &str) -> Result<(String, String), ConfigError> {
    let pair = word.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) =
        pair.ok_or_else(|| args.error_at(word, format!("cgi: '{word}' is not NAME=VALUE")))?;
    Ok((name.to_owned(), value.to_owned()))
}
