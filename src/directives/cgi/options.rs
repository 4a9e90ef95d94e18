//! Reads a line of `cgi` and its block.

use std::path::PathBuf;
use std::time::Duration;

use glob::Pattern;

use super::rule::{Rule, Text, Variable};
use crate::caddyfile::Repeat::{Accumulates, Forbidden};
use crate::caddyfile::{Args, ConfigError, Options, option, templated};
use crate::http::placeholders::Template;
use crate::limits::CGI_TIME;
use crate::site::SiteBuilder;

pub(in crate::directives) static OPTIONS: Options<Block> = Options::new(&[
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
        args.positive_duration().map(|limit| block.limit = limit)
    }),
]);

/// A block as far as it has been read.
pub(in crate::directives) struct Block {
    matches: Vec<Pattern>,
    except: Vec<Pattern>,
    exec: Vec<String>,
    dir: Option<PathBuf>,
    env: Vec<(String, String)>,
    pass: Vec<String>,
    limit: Duration,
}

/// Reads one line.
pub(super) fn read(args: &mut Args<'_>, site: &SiteBuilder) -> Result<Rule, ConfigError> {
    let mut block = Block {
        matches: Vec::new(),
        except: Vec::new(),
        exec: Vec::new(),
        dir: None,
        env: Vec::new(),
        pass: Vec::new(),
        limit: CGI_TIME,
    };
    let words = args.remaining();
    match words.as_slice() {
        [] => {
            OPTIONS.read(&mut block, args)?;
        }
        [path, exec @ ..] if !exec.is_empty() => {
            block.matches.push(pattern(args, path)?);
            block.exec = exec.iter().map(|word| (*word).to_owned()).collect();
            if args.opens_block() {
                let error = args.error("cgi: PATTERN and PROGRAM are in the line or in the block");
                return Err(error.hint("write 'match PATTERN' and 'exec PROGRAM' in the block"));
            }
        }
        _ => return Err(args.arg_error()),
    }
    if block.matches.is_empty() {
        return Err(args.error("cgi: no path has a program").hint("write: match PATTERN"));
    }
    let root = std::path::absolute(&site.root).unwrap_or_else(|_| site.root.clone());
    let here = std::env::current_dir().unwrap_or_default();
    let text = |text: &str| {
        let text = text.replace("{root}", &root.display().to_string());
        let text = text.replace("{.}", &here.display().to_string());
        Text(text.split("{match}").map(Template::parse).collect())
    };
    let Some((program, arguments)) = block.exec.split_first() else {
        return Err(args.error("cgi: no program is named").hint("write: exec PROGRAM"));
    };
    let env = block.env.iter();
    let env = env.map(|(name, value)| Variable { name: name.clone(), value: text(value) });
    Ok(Rule {
        matches: block.matches,
        except: block.except,
        program: text(program),
        arguments: arguments.iter().map(|argument| text(argument)).collect(),
        dir: block.dir.unwrap_or_else(|| root.clone()),
        env: env.collect(),
        pass: block.pass,
        limit: block.limit,
        root,
    })
}

fn pattern(args: &mut Args<'_>, word: &str) -> Result<Pattern, ConfigError> {
    let wrong = |why: &str| args.error_at(word, format!("cgi: '{word}' {why}"));
    if !word.starts_with('/') {
        return Err(wrong("is not a pattern of paths").hint("begin it with '/'"));
    }
    Pattern::new(word).map_err(|error| wrong(&format!("is not a pattern: {}", error.msg)))
}

fn variable(args: &mut Args<'_>, word: &str) -> Result<(String, String), ConfigError> {
    let pair = word.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) =
        pair.ok_or_else(|| args.error_at(word, format!("cgi: '{word}' is not NAME=VALUE")))?;
    Ok((name.to_owned(), value.to_owned()))
}
