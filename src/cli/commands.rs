//! Commands that people type out of habit from Caddy 2 and from other servers. Each stands for
//! flags, or for a Caddyfile.

use super::{Action, Flag, Options, set, switch, value};

/// A word before the flags.
pub(super) struct Command {
    name: &'static str,
    /// How it is written.
    pub(super) usage: &'static str,
    pub(super) help: &'static str,
    /// What it sets.
    pub(super) begin: fn(&mut Options),
    /// Flags of its own.
    pub(super) flags: &'static [Flag],
    takes_file: bool,
}

impl Command {
    pub(super) fn named(word: &str) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| command.name == word)
    }

    /// A word behind the command that is no flag: the Caddyfile's name.
    pub(super) fn word(&self, options: &mut Options, word: &str) -> Result<(), String> {
        if !self.takes_file || options.conf.is_some() {
            return Err(format!(
                "unexpected word '{word}' behind '{}': write caddy {}\n",
                self.name, self.usage
            ));
        }
        options.conf = Some(word.to_owned());
        Ok(())
    }

    /// Whether all is there that the command needs; the rest of the Caddyfile.
    pub(super) fn end(&self, options: &mut Options) -> Result<(), String> {
        if !matches!(self.name, "reverse-proxy" | "file-server") {
            return Ok(());
        }
        if options.conf.is_some() {
            return Err(format!("{} takes no Caddyfile\n", self.name));
        }
        let of_flags = || format!("{}:{}", options.host, options.port);
        options.site = Some(options.site.take().unwrap_or_else(of_flags));
        if self.name == "file-server" {
            return Ok(());
        }
        let Some(line) = options.lines.iter_mut().find(|line| line.starts_with(PROXY)) else {
            return Err(format!("flag needs to be given: --to\nwrite: caddy {}\n", self.usage));
        };
        line.push_str(" {\n\ttransparent\n\twebsocket\n}");
        Ok(())
    }
}

const PROXY: &str = "proxy / ";

const fn on_service(
    name: &'static str,
    usage: &'static str,
    help: &'static str,
    begin: fn(&mut Options),
) -> Command {
    Command { name, usage, help, begin, flags: CONFIG, takes_file: false }
}

const fn on_file(
    name: &'static str,
    usage: &'static str,
    help: &'static str,
    begin: fn(&mut Options),
) -> Command {
    Command { takes_file: true, ..on_service(name, usage, help, begin) }
}

/// Every command, in the order of the help.
pub(super) static COMMANDS: &[Command] = &[
    on_file("run", "run [FILE] [FLAG...]", "Serve; the same as no command", |_| {}),
    on_file("start", "start [FILE] [FLAG...]", "Serve in the background (-daemon)", |options| {
        options.daemon = true;
    }),
    on_service("stop", "stop [-control FILE]", "Stop the running service", |options| {
        options.action = Action::Stop;
    }),
    on_service("reload", "reload [-control FILE]", "Reload the running service", |options| {
        options.action = Action::Reload;
    }),
    on_file("validate", "validate [FILE]", "Check the Caddyfile (-validate)", |options| {
        options.action = Action::Validate;
    }),
    Command {
        flags: FMT,
        ..on_file("fmt", "fmt [--overwrite] [FILE]", "Format the Caddyfile (-fmt)", |options| {
            options.action = Action::Format;
        })
    },
    on_file("convert", "convert FILE", "Translate nginx or Caddy 2 (-convert)", |options| {
        options.action = Action::Convert;
    }),
    Command {
        flags: REVERSE_PROXY,
        ..on_service(
            "reverse-proxy",
            "reverse-proxy [--from ADDRESS] --to ADDRESS",
            "Serve what another server serves",
            |_| {},
        )
    },
    Command {
        flags: FILE_SERVER,
        ..on_service(
            "file-server",
            "file-server [--root DIRECTORY] [--listen ADDRESS] [--browse]",
            "Serve files",
            |_| {},
        )
    },
    on_service("version", "version", "Print the version", |options| {
        options.action = Action::Version;
    }),
    on_service("help", "help", "Print this", |options| options.action = Action::Help),
];

const CONFIG_FLAG: Flag = value("config", |o, v| set(&mut o.conf, v), "The Caddyfile");
const ADAPTER: Flag = value("adapter", adapter, "caddyfile");

static CONFIG: &[Flag] = &[CONFIG_FLAG, ADAPTER];

static FMT: &[Flag] =
    &[CONFIG_FLAG, switch("w", |o, on| o.overwrite = on, "Rewrite the Caddyfile in place")];

static REVERSE_PROXY: &[Flag] = &[
    value("from", site, "The site's address"),
    value("to", upstream, "An upstream's address"),
    switch("internal-certs", self_signed, "Use a self-signed certificate"),
];

static FILE_SERVER: &[Flag] = &[
    value("listen", site, "The site's address"),
    value("domain", site, "The site's address"),
    switch("browse", |o, on| o.lines.extend(on.then(|| "browse".to_owned())), "List files"),
];

/// There is one form of configuration.
fn adapter(_: &mut Options, name: &str) -> Result<(), String> {
    if name == "caddyfile" { Ok(()) } else { Err("must be caddyfile".to_owned()) }
}

fn site(options: &mut Options, address: &str) -> Result<(), String> {
    options.site = Some(word(address)?.to_owned());
    Ok(())
}

fn upstream(options: &mut Options, address: &str) -> Result<(), String> {
    let address = word(address)?;
    match options.lines.iter_mut().find(|line| line.starts_with(PROXY)) {
        Some(line) => {
            line.push(' ');
            line.push_str(address);
        }
        None => options.lines.push(format!("{PROXY}{address}")),
    }
    Ok(())
}

fn self_signed(options: &mut Options, on: bool) {
    options.lines.extend(on.then(|| "tls self_signed".to_owned()));
}

/// A word that is one in a Caddyfile, too.
fn word(text: &str) -> Result<&str, String> {
    let is_word = |c: char| !c.is_whitespace() && !matches!(c, '"' | '{' | '}' | '#' | ',');
    let fits = !text.is_empty() && text.chars().all(is_word);
    fits.then_some(text).ok_or_else(|| "must be an address".to_owned())
}
