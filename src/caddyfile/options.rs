//! The options of a directive's block as one table: how each is written, whether it may be written
//! twice, and what reads it. Errors and their hints come from it, and the tables of the
//! documentation are compared with it.

use super::nearest::suggestion;
use super::{Args, ConfigError, Kind, Role, Syntax, Token};

/// What happens to an option that is written twice, or has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Each adds to those before it, or repeats them.
    Accumulates,
    /// The last one holds, with a warning: Caddy 1.0 did so, and files in use may repeat it.
    LastWins,
    /// An error: Caddy 1.0 did not have the option.
    Forbidden,
}

/// Reads what follows an option's name, which the cursor stands on.
type Set<T> = fn(&mut T, &mut Args<'_>) -> Result<(), ConfigError>;

/// One option.
pub struct OptionRow<T> {
    name: &'static str,
    /// How it is written, its name first; behind the first `, ` an example or a remark.
    usage: &'static str,
    repeat: Repeat,
    set: Set<T>,
    templates: bool,
}

/// A row of a table of options.
pub const fn option<T>(usage: &'static str, repeat: Repeat, set: Set<T>) -> OptionRow<T> {
    OptionRow { name: name_in(usage), usage, repeat, set, templates: false }
}

/// The same of an option whose arguments may hold placeholders.
pub const fn templated<T>(usage: &'static str, repeat: Repeat, set: Set<T>) -> OptionRow<T> {
    OptionRow { templates: true, ..option(usage, repeat, set) }
}

/// The name that a usage begins with.
pub const fn name_in(usage: &'static str) -> &'static str {
    let (bytes, mut end) = (usage.as_bytes(), 0);
    while end < bytes.len() && !matches!(bytes[end], b' ' | b',') {
        end += 1;
    }
    usage.split_at(end).0
}

/// The options of one block, which set parts of a `T`.
pub struct Options<T: 'static> {
    rows: &'static [OptionRow<T>],
    shared: &'static [OptionRow<T>],
    others: Option<OptionRow<T>>,
}

impl<T> Syntax for Options<T> {
    fn usages(&self) -> Vec<&'static str> {
        let synopsis = |row: &OptionRow<T>| row.usage.split(", ").next().unwrap_or(row.usage);
        self.named().chain(&self.others).map(synopsis).collect()
    }

    fn has(&self, word: &str) -> bool {
        self.row(word).is_some()
    }

    fn takes_placeholders(&self, word: &str) -> bool {
        self.row(word).or(self.others.as_ref()).is_some_and(|row| row.templates)
    }
}

impl<T> Options<T> {
    pub const fn new(rows: &'static [OptionRow<T>]) -> Self {
        Self { rows, shared: &[], others: None }
    }

    /// With rows that several directives have.
    pub const fn and(self, shared: &'static [OptionRow<T>]) -> Self {
        Self { shared, ..self }
    }

    /// With a row for entries that begin with any other word. The cursor stands on that word.
    pub const fn others(self, row: OptionRow<T>) -> Self {
        Self { others: Some(row), ..self }
    }

    /// Reads the block that follows, if one does.
    pub fn read<'a>(
        &'static self,
        target: &mut T,
        args: &mut Args<'a>,
    ) -> Result<Written<'a>, ConfigError> {
        let mut written = Written::default();
        self.read_more(target, args, &mut written)?;
        Ok(written)
    }

    /// As [`Self::read`], where several blocks count as one. An entry that is wrong does not keep
    /// those behind it from being checked; what they add up to is not.
    pub fn read_more<'a>(
        &'static self,
        target: &mut T,
        args: &mut Args<'a>,
        written: &mut Written<'a>,
    ) -> Result<(), ConfigError> {
        let mut first = None;
        loop {
            match args.next_block() {
                Ok(true) => {}
                Ok(false) => return first.map_or(Ok(()), Err),
                Err(error) => return Err(keep(args, first, error)),
            }
            let place = args.place();
            if let Err(error) = self.entry(target, args, written) {
                first = Some(keep(args, first, error));
                args.skip_entry(place);
            }
        }
    }

    /// Reads the entry that `args` stands on. An error without a hint gets the option's usage.
    ///
    /// Several options may stand on one line. The first word behind another one's arguments that
    /// names an option is one; behind a line's first option, whose arguments may have such names,
    /// it is one if that option is complete.
    fn entry<'a>(
        &'static self,
        target: &mut T,
        args: &mut Args<'a>,
        written: &mut Written<'a>,
    ) -> Result<(), ConfigError> {
        let Some(token) = args.token() else { return Ok(()) };
        let named = self.row(&token.text);
        let Some(row) = named.or(self.others.as_ref()) else {
            let names: Vec<_> = self.named().map(|row| row.name).collect();
            return Err(args.unknown("property", &names).role(Role::Option));
        };
        let outside = args.reading;
        args.reading.usage = Some(row.usage);
        args.reading.option = named.map(|row| row.name);
        args.reading.stops = named.filter(|_| args.shares_line()).map(|_| self as &dyn Syntax);
        let first = args.clone();
        let end = |args: &mut Args<'a>| named.map_or(Ok(()), |row| self.end(row, args, first));
        let done = (row.set)(target, args).and_then(|()| end(args));
        args.reading = outside;
        done.map_err(|error| match error.hint {
            None => error.hint(format!("write: {}", row.usage)),
            Some(_) => error,
        })?;
        written.add(token, row.repeat, args)
    }

    /// Behind an entry: the line ends, or another option begins.
    fn end<'a>(
        &self,
        row: &OptionRow<T>,
        args: &mut Args<'a>,
        mut first: Args<'a>,
    ) -> Result<(), ConfigError> {
        // The entry's own block ends a line, too.
        let is_block = args.val() == "}";
        if let Some(next) = args.peek_arg().filter(|_| !is_block) {
            return if self.has(&next.text) {
                Ok(())
            } else {
                args.reading.stops = None;
                args.no_more()
            };
        }
        // An option that takes any number of words has taken those that follow it, too.
        first.next_arg();
        while row.usage.contains("...") && first.stands_before(args) && first.next_arg() {
            if self.has(first.val()) {
                let message =
                    format!("'{}' may be an option or an argument of another", first.val());
                return Err(first
                    .error(message)
                    .hint("write each option on a line of its own, and a path with its slash"));
            }
        }
        Ok(())
    }

    fn named(&self) -> impl Iterator<Item = &OptionRow<T>> {
        self.rows.iter().chain(self.shared)
    }

    fn row(&self, name: &str) -> Option<&OptionRow<T>> {
        self.named().find(|row| row.name == name)
    }
}

/// The entries of a block that have been read.
#[derive(Default)]
pub struct Written<'a> {
    entries: Vec<(&'a Token, Repeat)>,
}

impl<'a> Written<'a> {
    /// Whether the block had no entry, or there was no block.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first of an option's entries.
    pub fn token(&self, option: &str) -> Option<&'a Token> {
        self.first(option).map(|(token, _)| token)
    }

    /// Complains of an option, where it is written, that it has no effect, `why`, and what to do.
    pub fn warn_no_effect(
        &self,
        args: &mut Args<'_>,
        option: &str,
        why: &str,
        hint: &str,
    ) -> Result<(), ConfigError> {
        let Some((token, repeat)) = self.first(option) else { return Ok(()) };
        let message = format!("{option} has no effect {why}");
        complain(args, repeat, ConfigError::at(token, Kind::Parse, message).hint(hint))
    }

    fn add(
        &mut self,
        token: &'a Token,
        repeat: Repeat,
        args: &mut Args<'a>,
    ) -> Result<(), ConfigError> {
        let first = self.token(&token.text).filter(|_| repeat != Repeat::Accumulates);
        self.entries.push((token, repeat));
        let Some(first) = first else { return Ok(()) };
        let rest = if repeat == Repeat::Forbidden { "" } else { "; the last one applies" };
        let message = format!("{} is written twice{rest}", token.text);
        let hint = format!("leave one of them out; the other is at {}:{}", first.file, first.line);
        complain(args, repeat, ConfigError::at(token, Kind::Parse, message).hint(hint))
    }

    fn first(&self, option: &str) -> Option<(&'a Token, Repeat)> {
        self.entries.iter().find(|(token, _)| token.text == option).copied()
    }
}

/// The first of two errors; `args` keeps the other one.
fn keep(args: &mut Args<'_>, first: Option<ConfigError>, error: ConfigError) -> ConfigError {
    match first {
        None => error,
        Some(first) => {
            args.also(error);
            first
        }
    }
}

fn complain(args: &mut Args<'_>, repeat: Repeat, error: ConfigError) -> Result<(), ConfigError> {
    if repeat == Repeat::Forbidden {
        return Err(error);
    }
    args.warn(error);
    Ok(())
}

impl Args<'_> {
    /// The current word is none of the `known` ones.
    pub fn unknown(&self, what: &str, known: &[&str]) -> ConfigError {
        self.error(format!("unknown {what} '{}'", self.val())).hint(suggestion(self.val(), known))
    }
}
