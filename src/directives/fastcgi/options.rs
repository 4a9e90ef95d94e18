//! Reads a `fastcgi` directive and its block into a [`Rule`].

use std::time::Duration;

use super::address;
use super::script::Scripts;
use super::turn::Upstreams;
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option, templated};
use crate::http::paths::Prefix;
use crate::http::placeholders::Template;
use crate::limits::{FASTCGI_SILENCE, UPSTREAM_CONNECT};
use crate::site::SiteBuilder;

pub(in super::super) static OPTIONS: Options<Rule> = Options::new(&[
    option("root DIRECTORY", LastWins, |rule, args| {
        args.required().map(|folder| rule.scripts.root = folder.into())
    }),
    option("ext .EXTENSION, such as: ext .php", LastWins, |rule, args| {
        args.required().map(|ext| rule.scripts.ext = ext.into())
    }),
    option("split TEXT, such as: split .php", LastWins, |rule, args| {
        args.required().map(|text| rule.scripts.split = text.into())
    }),
    option("index FILE..., such as: index index.php", LastWins, |rule, args| {
        args.each(|_, file| Ok(file.to_owned())).map(|files| rule.scripts.index = files)
    }),
    option("upstream ADDRESS...", Accumulates, |rule, args| {
        args.each(|args, address| rule.upstream(address, args)).map(drop)
    }),
    templated("env NAME VALUE, such as: env APP_ENV production", Accumulates, |rule, args| {
        let (name, value) = (args.required()?.to_owned(), args.required()?);
        rule.env.retain(|(earlier, _)| *earlier != name);
        rule.env.push((name, Template::parse(value)));
        Ok(())
    }),
    option("except PATH..., such as: except /static", LastWins, |rule, args| {
        arguments::excepted(args, &rule.path).map(|paths| rule.except = paths)
    }),
    option("pool N, the idle connections that each worker keeps", LastWins, |rule, args| {
        args.number(0..).map(|connections| rule.pool = connections)
    }),
    option("connect_timeout DURATION, such as: connect_timeout 3s", LastWins, |rule, args| {
        args.positive_duration().map(|limit| rule.connect_timeout = limit)
    }),
    option("read_timeout DURATION, such as: read_timeout 60s", LastWins, |rule, args| {
        args.positive_duration().map(|limit| rule.read_timeout = limit)
    }),
    option("send_timeout DURATION, such as: send_timeout 60s", LastWins, |rule, args| {
        args.positive_duration().map(|limit| rule.send_timeout = limit)
    }),
]);

/// One `fastcgi` directive.
#[derive(Debug)]
pub(in super::super) struct Rule {
    pub(super) path: Prefix,
    pub(super) except: Vec<Prefix>,
    pub(super) scripts: Scripts,
    /// The site's path without a trailing slash, which its directives do not see.
    pub(super) prefix: String,
    pub(super) env: Vec<(String, Template)>,
    pub(super) upstreams: Upstreams,
    /// Idle connections kept for each responder and worker.
    pub(super) pool: usize,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) send_timeout: Duration,
}

impl Rule {
    /// Reads the directive at which `args` is positioned.
    pub(super) fn parse(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<Self, ConfigError> {
        let path = args.required()?;
        let path = arguments::prefix(args, path)?;
        let mut rule = Self::new(path, site);
        if args.next_arg() {
            rule.upstream(args.val(), args)?;
        }
        match args.next_arg().then(|| args.val()) {
            None => {}
            Some("php") => {
                rule.scripts.ext = b".php".to_vec();
                rule.scripts.split = b".php".to_vec();
                rule.scripts.index = vec!["index.php".to_owned()];
            }
            Some(other) => {
                let message = format!("Invalid fastcgi rule preset '{other}'");
                return Err(args.error(message).hint("the only preset is php"));
            }
        }
        args.no_more()?;
        OPTIONS.read(&mut rule, args)?;
        if rule.upstreams.all.is_empty() {
            return Err(args.arg_error());
        }
        rule.scripts.local = has_files(&rule.scripts.root);
        Ok(rule)
    }

    fn new(path: Prefix, site: &SiteBuilder) -> Self {
        let root = std::path::absolute(&site.root).unwrap_or_else(|_| site.root.clone());
        Self {
            path,
            except: Vec::new(),
            scripts: Scripts {
                root: root.clone(),
                local: false,
                site: root,
                split: Vec::new(),
                ext: Vec::new(),
                index: Vec::new(),
            },
            prefix: site.address.path.trim_end_matches('/').to_owned(),
            env: Vec::new(),
            upstreams: Upstreams::default(),
            pool: 0,
            connect_timeout: UPSTREAM_CONNECT,
            read_timeout: FASTCGI_SILENCE,
            send_timeout: FASTCGI_SILENCE,
        }
    }

    /// Whether the rule applies to this path.
    pub(super) fn covers(&self, route: &str) -> bool {
        self.path.holds(route) && !self.except.iter().any(|except| except.holds(route))
    }

    /// Whether the rule handles all paths.
    pub(super) fn answers_all(&self) -> bool {
        self.path.is_root() && self.except.is_empty() && self.scripts.run_all()
    }

    fn upstream(&mut self, text: &str, args: &Args<'_>) -> Result<(), ConfigError> {
        let wrong = |message| args.error(message).hint("write HOST:PORT or unix:/path/to/socket");
        let upstream = address::parse(text).map_err(wrong)?;
        self.upstreams.all.push(upstream);
        Ok(())
    }
}

/// Whether the directory exists on this machine and is not empty: containers often have an empty
/// directory in place of the one that php-fpm uses.
fn has_files(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).map_or_else(|_| folder.is_dir(), |mut all| all.next().is_some())
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::http::address::Address;
    use crate::http::sink::tests::NoSinks;

    /// The rule of a directive for a site at `/blog`.
    fn read(line: &str) -> Result<Rule, String> {
        let text = format!("host {{\n{line}\n}}");
        let parsed = crate::caddyfile::parse("Caddyfile", &text, Path::new("."), &["fastcgi"]);
        let parsed = parsed.map_err(|error| error.message)?;
        let address = Address::parse("host/blog/").unwrap();
        let mut site = SiteBuilder::new(address, "/none".into(), Arc::new(NoSinks));
        let mut args = Args::new(&parsed.blocks[0].directives[0]);
        args.next();
        Rule::parse(&mut args, &mut site).map_err(|error| error.message)
    }

    impl Rule {
        /// The rule of a directive for a site without a path.
        pub(in super::super) fn of(line: &str) -> Self {
            Self { prefix: String::new(), ..read(line).unwrap() }
        }
    }

    #[test]
    fn every_option_is_read() {
        let rule = read(
            "fastcgi /app php:9000 php {\nroot /\next .php5\nsplit .php\nindex a.php b.php\n\
             upstream /run/x.sock php2:9000\nenv A 1\nenv A 2\nexcept /static img\npool 3\n\
             connect_timeout 1s\nread_timeout 2m\nsend_timeout 500ms\n}",
        )
        .unwrap();
        let Scripts { root, local, site, split, ext, index } = &rule.scripts;
        assert_eq!((root.to_str(), *local, site.to_str()), (Some("/"), true, Some("/none")));
        assert_eq!((&split[..], &ext[..]), (&b".php"[..], &b".php5"[..]));
        assert_eq!(index, &["a.php", "b.php"]);
        let names: Vec<&str> = rule.upstreams.all.iter().map(|one| &*one.name).collect();
        assert_eq!(names, ["php:9000", "unix:/run/x.sock", "php2:9000"]);
        assert_eq!(rule.env.len(), 1);
        assert_eq!((rule.pool, rule.prefix.as_str()), (3, "/blog"));
        let times = [rule.connect_timeout, rule.read_timeout, rule.send_timeout];
        assert_eq!(times.map(|time| time.as_millis()), [1_000, 120_000, 500]);
        let covered = ["/app/x", "/app", "/appx.php", "/APP/x", "/ap", "/app/static/x", "/app/img"];
        let covers = [true, true, true, true, false, false, false];
        assert_eq!(covered.map(|path| rule.covers(path)), covers);
    }

    #[test]
    fn the_preset_and_the_defaults() {
        let rule = read("fastcgi / unix:/run/php.sock php").unwrap();
        assert_eq!((&rule.scripts.split[..], &rule.scripts.ext[..]), (&b".php"[..], &b".php"[..]));
        assert_eq!(rule.scripts.index, ["index.php"]);
        assert_eq!((rule.pool, rule.read_timeout), (0, FASTCGI_SILENCE));
        assert!(!rule.scripts.local);
        assert!(read("fastcgi / {\nupstream a:1\n}").unwrap().scripts.split.is_empty());
    }

    #[test]
    fn what_is_refused() {
        for (line, said) in [
            ("fastcgi", "Wrong argument count"),
            ("fastcgi /", "Wrong argument count"),
            ("fastcgi / a:1 php more", "Wrong argument count"),
            ("fastcgi / a:1 asp", "Invalid fastcgi rule preset 'asp'"),
            ("fastcgi / a", "'a' is not the address of a FastCGI server"),
            ("fastcgi / a:1 {\npool -1\n}", "pool must be a whole number of at least 0, not '-1'"),
            ("fastcgi / a:1 {\nread_timeout x\n}", "read_timeout must be a duration"),
            ("fastcgi / a:1 {\nread_timeout 0\n}", "read_timeout must be more than 0"),
            ("fastcgi / a:1 {\nenv A\n}", "Wrong argument count"),
            ("fastcgi / a:1 {\nenv A b c\n}", "Wrong argument count"),
            ("fastcgi / a:1 {\nexcept\n}", "Wrong argument count"),
            ("fastcgi / a:1 {\nsplti .php\n}", "unknown property 'splti'"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
