//! `print`, `println` and `printf`, as Go's `fmt` has them. Foreign text stays foreign.

use super::format;
use super::run::Run;
use super::value::{Joined, Text, Value};

/// The largest width and precision.
const WIDTH: usize = 10_000;

/// With a space between two values of which none is a string.
pub(super) fn print(run: &mut Run, args: &[Value]) -> Result<Text, String> {
    let mut out = Joined::default();
    let is_text = |value: &Value| matches!(value, Value::Text(_));
    for (at, value) in args.iter().enumerate() {
        let follows = at > 0 && !is_text(&args[at - 1]) && !is_text(value);
        out.own(if follows { " " } else { "" });
        format::write(&mut out, value, run.room_left())?;
    }
    Ok(out.finish())
}

pub(super) fn print_line(run: &mut Run, args: &[Value]) -> Result<Text, String> {
    let mut out = Joined::default();
    for (at, value) in args.iter().enumerate() {
        out.own(if at > 0 { " " } else { "" });
        format::write(&mut out, value, run.room_left())?;
    }
    out.own("\n");
    Ok(out.finish())
}

pub(super) fn printf(run: &mut Run, args: &[Value]) -> Result<Text, String> {
    let Some((Value::Text(pattern), args)) = args.split_first() else {
        return Err("printf needs a format string".to_owned());
    };
    let mut out = Joined::default();
    let mut values = args.iter();
    let mut rest: &str = &pattern.text;
    while let Some(at) = rest.find('%') {
        let begins = pattern.text.len() - rest.len();
        if let Some(before) = pattern.part(begins..begins + at) {
            out.push(&before);
        }
        let (verb, length) = Verb::read(&rest[at + 1..], &mut values)?;
        rest = &rest[at + 1 + length..];
        verb.write(&mut out, &mut values, run.room_left())?;
        if out.len() > run.room_left() {
            return Err("the template makes too much text".to_owned());
        }
    }
    if let Some(tail) = pattern.part(pattern.text.len() - rest.len()..pattern.text.len()) {
        out.push(&tail);
    }
    let extra: Vec<&Value> = values.collect();
    if !extra.is_empty() {
        out.own("%!(EXTRA ");
        for (at, value) in extra.into_iter().enumerate() {
            out.own(if at > 0 { ", " } else { "" });
            out.own(&format!("{}=", value.kind()));
            format::write(&mut out, value, run.room_left())?;
        }
        out.own(")");
    }
    Ok(out.finish())
}

/// A verb with its flags.
#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    letter: Option<char>,
}

impl Verb {
    /// Reads what follows `%`, and how long it is.
    fn read<'a>(
        text: &str,
        values: &mut impl Iterator<Item = &'a Value>,
    ) -> Result<(Self, usize), String> {
        let mut verb = Self::default();
        let mut rest = text;
        while let Some(flag) = rest.chars().next() {
            match flag {
                '-' => verb.minus = true,
                '+' => verb.plus = true,
                '#' => verb.sharp = true,
                ' ' => verb.space = true,
                '0' => verb.zero = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        verb.width = count(&mut rest, values)?;
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            verb.precision = Some(count(&mut rest, values)?.unwrap_or(0));
        }
        verb.letter = rest.chars().next();
        let length = text.len() - rest.len() + verb.letter.map_or(0, char::len_utf8);
        Ok((verb, length))
    }

    fn write<'a>(
        &self,
        out: &mut Joined,
        values: &mut impl Iterator<Item = &'a Value>,
        most: usize,
    ) -> Result<(), String> {
        let Some(letter) = self.letter else {
            out.own("%!(NOVERB)");
            return Ok(());
        };
        if letter == '%' {
            out.own("%");
            return Ok(());
        }
        let Some(value) = values.next() else {
            out.own(&format!("%!{letter}(MISSING)"));
            return Ok(());
        };
        let shown = match self.shown(letter, value) {
            Some(text) => text,
            None => {
                let mut printed = Joined::default();
                if matches!(letter, 'v' | 's') {
                    format::write(&mut printed, value, most)?;
                } else {
                    printed.own(&format!("%!{letter}({}=", value.kind()));
                    format::write(&mut printed, value, most)?;
                    printed.own(")");
                }
                printed.finish()
            }
        };
        self.pad(out, &shown, matches!(value, Value::Int(_) | Value::Float(_)));
        Ok(())
    }

    /// The value by a verb for its type.
    fn shown(&self, letter: char, value: &Value) -> Option<Text> {
        let own = |text: String| Some(Text::own(text));
        match (letter, value) {
            ('T', value) => own(value.kind().to_owned()),
            ('t', Value::Bool(value)) => own(value.to_string()),
            ('d' | 'v', Value::Int(value)) => own(self.signed(*value >= 0, value.to_string())),
            ('b', Value::Int(value)) => {
                own(self.radix(*value, format!("{:b}", value.unsigned_abs())))
            }
            ('o', Value::Int(value)) => {
                own(self.radix(*value, format!("{:o}", value.unsigned_abs())))
            }
            ('x', Value::Int(value)) => {
                own(self.radix(*value, format!("{:x}", value.unsigned_abs())))
            }
            ('X', Value::Int(value)) => {
                own(self.radix(*value, format!("{:X}", value.unsigned_abs())))
            }
            ('c', Value::Int(value)) => own(symbol(*value).to_string()),
            ('q', Value::Int(value)) => own(format!("'{}'", symbol(*value))),
            ('U', Value::Int(value)) => own(format!("U+{value:04X}")),
            ('e' | 'f' | 'F' | 'g' | 'v', Value::Float(value)) => {
                own(self.signed(*value >= 0.0, self.float(letter, *value)))
            }
            ('s' | 'v', Value::Text(text)) => self.cut(text),
            ('q', Value::Text(text)) => {
                let cut = self.cut(text)?;
                Some(Text::made_of(go_quoted(&cut.text), cut.is_foreign()))
            }
            ('x', Value::Text(text)) => own(hex(&text.text, false)),
            ('X', Value::Text(text)) => own(hex(&text.text, true)),
            _ => None,
        }
    }

    fn float(&self, letter: char, value: f64) -> String {
        match (letter, self.precision) {
            ('e', precision) => format::exponent(&format!("{value:.*e}", precision.unwrap_or(6))),
            ('g' | 'v', None) => format::float(value),
            (_, precision) => format!("{value:.*}", precision.unwrap_or(6)),
        }
    }

    fn signed(&self, is_positive: bool, text: String) -> String {
        match () {
            () if is_positive && self.plus => format!("+{text}"),
            () if is_positive && self.space => format!(" {text}"),
            () => text,
        }
    }

    fn radix(&self, value: i64, digits: String) -> String {
        let prefix = match self.letter {
            Some('x') if self.sharp => "0x",
            Some('X') if self.sharp => "0X",
            Some('b') if self.sharp => "0b",
            Some('o') if self.sharp => "0",
            _ => "",
        };
        let sign = if value < 0 { "-" } else { "" };
        self.signed(value >= 0, format!("{sign}{prefix}{digits}"))
    }

    /// No more characters than the precision.
    fn cut(&self, text: &Text) -> Option<Text> {
        let end = match self.precision {
            Some(precision) => text.text.char_indices().nth(precision).map(|(at, _)| at),
            None => None,
        };
        text.part(0..end.unwrap_or(text.text.len()))
    }

    fn pad(&self, out: &mut Joined, text: &Text, is_number: bool) {
        let missing = self.width.unwrap_or(0).saturating_sub(text.text.chars().count());
        let zeros = self.zero && !self.minus && is_number;
        if self.minus {
            out.push(text);
            out.own(&" ".repeat(missing));
        } else if zeros && let Some(bare) = text.text.strip_prefix(['-', '+', ' ']) {
            out.own(&text.text[..1]);
            out.own(&"0".repeat(missing));
            out.own(bare);
        } else {
            out.own(&if zeros { "0" } else { " " }.repeat(missing));
            out.push(text);
        }
    }
}

/// A width or a precision, which may be a value: `*`.
fn count<'a>(
    rest: &mut &str,
    values: &mut impl Iterator<Item = &'a Value>,
) -> Result<Option<usize>, String> {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        return match values.next() {
            Some(Value::Int(width)) => bounded(usize::try_from(*width).ok()).map(Some),
            _ => Err("printf: * needs an int".to_owned()),
        };
    }
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let digits = &rest[..end];
    *rest = &rest[end..];
    if digits.is_empty() { Ok(None) } else { bounded(digits.parse().ok()).map(Some) }
}

fn bounded(count: Option<usize>) -> Result<usize, String> {
    count.filter(|count| *count <= WIDTH).ok_or_else(|| format!("printf: a width above {WIDTH}"))
}

fn symbol(value: i64) -> char {
    u32::try_from(value).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
}

fn hex(text: &str, is_upper: bool) -> String {
    let pairs = text.bytes();
    pairs.map(|byte| if is_upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
}

/// A string in Go's quotes.
fn go_quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for next in text.chars() {
        match next {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            next if next.is_control() && next.is_ascii() => {
                out.push_str(&format!("\\x{:02x}", u32::from(next)));
            }
            next if next.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(next))),
            next => out.push(next),
        }
    }
    out.push('"');
    out
}
