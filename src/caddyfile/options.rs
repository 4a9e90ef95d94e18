//! The options of a directive's block: how each is written, for whoever gets one wrong, and what
//! is said of one that is there twice or changes nothing.

use super::nearest::nearest;
use super::usage::{find, name};
use super::{Args, ConfigError, Kind, Repeat, Token, Usage};
use crate::warning::Warning;

/// The options of one block, as far as they have been read.
pub struct Options<'a> {
    known: &'static [Usage],
    written: Vec<&'a Token>,
    pub warnings: Vec<Warning>,
}

impl<'a> Options<'a> {
    pub fn new(known: &'static [Usage]) -> Self {
        Self { known, written: Vec::new(), warnings: Vec::new() }
    }

    /// Reads the entry that `args` stands on. A word that is no option is refused. What `read`
    /// refuses gets the option's usage as a hint, if it has none of its own.
    ///
    /// Several options may stand on one line. The first word behind another one's arguments that
    /// names an option is one; behind a line's first option, whose arguments may have such names,
    /// it is one if that option is complete.
    pub fn entry(
        &mut self,
        args: &mut Args<'a>,
        read: impl FnOnce(&mut Args<'a>) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let Some(option) = args.token() else { return Ok(()) };
        let Some((usage, nature)) = self.known(&option.text) else {
            return Err(self.unknown(args));
        };
        let outside = (args.usage, args.stops);
        args.usage = Some(usage);
        args.stops = args.shares_line().then_some(self.known);
        let first = args.clone();
        let done = read(args).and_then(|()| self.end(args, first));
        (args.usage, args.stops) = outside;
        done.map_err(|error| match error.hint {
            None => error.hint(format!("write: {usage}")),
            Some(_) => error,
        })?;
        if nature != Repeat::Accumulates {
            self.once(option)?;
        }
        self.written.push(option);
        Ok(())
    }

    /// Behind an entry: the line ends, or another option begins.
    fn end(&self, args: &mut Args<'a>, mut first: Args<'a>) -> Result<(), ConfigError> {
        // The entry's own block ends a line, too.
        let is_block = args.val() == "}";
        if let Some(next) = args.peek_arg().filter(|_| !is_block) {
            return if self.knows(&next.text) {
                Ok(())
            } else {
                args.stops = None;
                args.next_arg();
                Err(args.arg_error())
            };
        }
        // An option that takes any number of words has taken those that follow it, too.
        let takes_all = first.usage.is_some_and(|usage| usage.contains("..."));
        first.next_arg();
        while takes_all && first.stands_before(args) && first.next_arg() {
            if self.knows(first.val()) {
                let message = format!("'{}' may be an option or a word of another", first.val());
                return Err(first
                    .error(message)
                    .hint("write each option on a line of its own, and a path with its slash"));
            }
        }
        Ok(())
    }

    pub fn knows(&self, option: &str) -> bool {
        self.known(option).is_some()
    }

    fn unknown(&self, args: &Args<'_>) -> ConfigError {
        let word = args.val();
        let names: Vec<_> = self.known.iter().map(|(usage, _)| name(usage)).collect();
        let hint = match (nearest(word, &names), names.as_slice()) {
            (Some(name), _) => format!("did you mean '{name}'?"),
            (None, [only]) => format!("the only option is {only}"),
            (None, names) => format!("it may be one of {}", names.join(", ")),
        };
        args.error(format!("unknown property '{word}'")).hint(hint)
    }

    /// The first of an option's entries.
    pub fn written(&self, option: &str) -> Option<&'a Token> {
        self.written.iter().find(|token| token.text == option).copied()
    }

    /// Says of an option, where it is written, that it changes nothing, `why`, and what to do.
    pub fn warn_no_effect(
        &mut self,
        option: &str,
        why: &str,
        hint: &str,
    ) -> Result<(), ConfigError> {
        match self.written(option) {
            Some(token) => self.complain(token, format!("{option} has no effect {why}"), hint),
            None => Ok(()),
        }
    }

    fn once(&mut self, option: &'a Token) -> Result<(), ConfigError> {
        let Some(first) = self.written(&option.text) else { return Ok(()) };
        let new = self.known(&option.text).is_some_and(|(_, repeat)| repeat == Repeat::Forbidden);
        let rest = if new { "" } else { "; the last one holds" };
        let message = format!("{} is written twice{rest}", option.text);
        let hint = format!("leave one of them out; the other is at {}:{}", first.file, first.line);
        self.complain(option, message, &hint)
    }

    fn complain(&mut self, at: &Token, message: String, hint: &str) -> Result<(), ConfigError> {
        let error = ConfigError::at(at, Kind::Parse, message).hint(hint);
        if self.known(&at.text).is_some_and(|(_, repeat)| repeat == Repeat::Forbidden) {
            return Err(error);
        }
        self.warnings.push(error.warning());
        Ok(())
    }

    fn known(&self, option: &str) -> Option<Usage> {
        find(self.known, option)
    }
}
