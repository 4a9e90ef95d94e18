//! `on EVENT COMMAND…`, and `startup` and `shutdown` of Caddy 0.10 and earlier: commands that are
//! run at events of the service.

use crate::arguments;
use crate::caddyfile::{Args, ConfigError};
use crate::site::{Event, Hook, SiteBuilder};

const EVENTS: &[(&str, Event)] = &[
    ("startup", Event::Startup),
    ("shutdown", Event::Shutdown),
    ("certrenew", Event::CertRenew),
    ("instancestartup", Event::InstanceStartup),
    ("instancerestart", Event::InstanceRestart),
];

/// `on EVENT COMMAND ARGUMENT… [&]`.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let word = args.required()?;
        let known = EVENTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        let Some((_, event)) = known else {
            let names: Vec<_> = EVENTS.iter().map(|(name, _)| *name).collect();
            return Err(args.unknown("event", &names));
        };
        site.hooks.push(hook(*event, args)?);
    }
    Ok(())
}

/// `startup COMMAND ARGUMENT… [&]`.
pub(super) fn setup_startup(
    args: &mut Args<'_>,
    site: &mut SiteBuilder,
) -> Result<(), ConfigError> {
    every(Event::Startup, args, site)
}

/// `shutdown COMMAND ARGUMENT… [&]`.
pub(super) fn setup_shutdown(
    args: &mut Args<'_>,
    site: &mut SiteBuilder,
) -> Result<(), ConfigError> {
    every(Event::Shutdown, args, site)
}

fn every(event: Event, args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        site.hooks.push(hook(event, args)?);
    }
    Ok(())
}

/// The remaining words of the line.
fn hook(event: Event, args: &mut Args<'_>) -> Result<Hook, ConfigError> {
    let mut words = args.remaining();
    let background = words.last() == Some(&"&");
    if background {
        words.pop();
    }
    let command = arguments::command(args, &words)?;
    Ok(Hook { event, command, background })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::testing;

    fn hooks(lines: &str) -> Result<Vec<Hook>, String> {
        let word = lines.split_whitespace().next().unwrap();
        let site = match word {
            "startup" => testing::site(word, setup_startup, lines),
            "shutdown" => testing::site(word, setup_shutdown, lines),
            _ => testing::site(word, setup, lines),
        };
        site.map(|site| site.hooks)
    }

    #[test]
    fn commands_are_split_as_by_a_shell() {
        for (line, event, command, background) in [
            ("on startup a", Event::Startup, &["a"][..], false),
            ("on CertRenew a b &", Event::CertRenew, &["a", "b"], true),
            ("on instancestartup a  'b c'", Event::InstanceStartup, &["a", "b c"], false),
            ("startup sh -c 'a; b=\"c\"'", Event::Startup, &["sh", "-c", "a; b=\"c\""], false),
            ("shutdown \"a b\" c\\ d &", Event::Shutdown, &["a", "b", "c d"], true),
            ("on startup a \"$HOME\" b&", Event::Startup, &["a", "$HOME", "b&"], false),
        ] {
            let command = command.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(hooks(line), Ok(vec![Hook { event, command, background }]), "{line}");
        }
        assert_eq!(hooks("startup a\nstartup b").unwrap().len(), 2);
    }

    #[test]
    fn what_is_refused() {
        for (line, message) in [
            ("on", "Wrong argument count or unexpected line ending after 'on'"),
            ("on boot a", "unknown event 'boot'"),
            ("on startup", "no command contained in ''"),
            ("on startup &", "no command contained in ''"),
            ("on startup a 'b", "unclosed quote in the command 'a 'b'"),
        ] {
            assert_eq!(hooks(line).unwrap_err(), message, "{line}");
        }
    }
}
