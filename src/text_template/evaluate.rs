//! The value of a pipeline.

use super::ast::{Command, Pipeline, Word};
use super::builtins;
use super::moment;
use super::run::Run;
use super::scope::Scope;
use super::value::Value;

/// Runs the commands of a pipeline, each with the value of the one before.
pub(super) fn pipeline(
    run: &mut Run,
    scope: &Scope,
    pipeline: &Pipeline,
    dot: &Value,
) -> Result<Value, String> {
    run.deeper(|run| {
        let mut value = None;
        for one in &pipeline.commands {
            value = Some(Call { run: &mut *run, scope, dot }.command(one, value)?);
        }
        Ok(value.unwrap_or(Value::Nil))
    })
}

struct Call<'c> {
    run: &'c mut Run,
    scope: &'c Scope,
    dot: &'c Value,
}

impl Call<'_> {
    fn command(&mut self, command: &Command, last: Option<Value>) -> Result<Value, String> {
        self.run.work(0)?;
        let Some((first, rest)) = command.words.split_first() else { return Ok(Value::Nil) };
        if let Word::Function(name) = first
            && builtins::is_lazy(name)
        {
            return self.lazily(name, rest, last);
        }
        let mut args = Vec::with_capacity(rest.len() + 1);
        for word in rest {
            args.push(self.word(word)?);
        }
        args.extend(last);
        match first {
            Word::Function(name) => {
                self.run.work(weight(&args))?;
                let value = builtins::call(self.run, name, &args)?;
                self.made(value)
            }
            Word::Field(names) => self.fields(self.dot.clone(), names, &args),
            Word::Variable(name, names) => {
                let value = self.variable(name)?;
                self.fields(value, names, &args)
            }
            Word::Pipeline(inner, names) => {
                let value = pipeline(self.run, self.scope, inner, self.dot)?;
                self.fields(value, names, &args)
            }
            Word::Nil if args.is_empty() => Err("nil is not a command".to_owned()),
            word if args.is_empty() => self.word(word),
            _ => Err("can't give an argument to what is no function".to_owned()),
        }
    }

    /// `and` and `or`, which evaluate no more arguments than they need.
    fn lazily(&mut self, name: &str, words: &[Word], last: Option<Value>) -> Result<Value, String> {
        let mut value = None;
        for word in words {
            let next = self.word(word)?;
            if next.is_true() == (name == "or") {
                return Ok(next);
            }
            value = Some(next);
        }
        last.or(value).ok_or_else(|| format!("{name} needs an argument"))
    }

    fn word(&mut self, word: &Word) -> Result<Value, String> {
        match word {
            Word::Dot => Ok(self.dot.clone()),
            Word::Nil => Ok(Value::Nil),
            Word::Literal(value) => Ok(value.clone()),
            Word::Function(name) if builtins::is_lazy(name) => self.lazily(name, &[], None),
            Word::Function(name) => builtins::call(self.run, name, &[]),
            Word::Field(names) => self.fields(self.dot.clone(), names, &[]),
            Word::Variable(name, names) => {
                let value = self.variable(name)?;
                self.fields(value, names, &[])
            }
            Word::Pipeline(inner, names) => {
                let value = pipeline(self.run, self.scope, inner, self.dot)?;
                self.fields(value, names, &[])
            }
        }
    }

    fn variable(&self, name: &str) -> Result<Value, String> {
        self.scope.get(name).ok_or_else(|| format!("undefined variable ${name}"))
    }

    /// Follows names; the last one gets the arguments.
    fn fields(&mut self, from: Value, names: &[String], args: &[Value]) -> Result<Value, String> {
        let Some((last, names)) = names.split_last() else {
            return match args {
                [] => Ok(from),
                _ => Err("can't give an argument to what is no function".to_owned()),
            };
        };
        let mut value = from;
        for name in names {
            value = self.field(&value, name, &[])?;
        }
        self.field(&value, last, args)
    }

    fn field(&mut self, of: &Value, name: &str, args: &[Value]) -> Result<Value, String> {
        let found = match of {
            Value::Map(entries) if args.is_empty() => {
                return Ok(entries.get(name).cloned().unwrap_or(Value::Nil));
            }
            Value::Map(_) => return Err(format!("{name} is not a method but a key of a map")),
            Value::Object(object) => {
                self.run.work(weight(args))?;
                object.get(name, args, self.run)?
            }
            Value::Moment(moment) => moment::get(moment, name, args)?,
            Value::Nil => return Err(format!("nil has no field {name}")),
            _ => None,
        };
        match found {
            Some(value) => self.made(value),
            None => Err(format!("can't evaluate field {name} in type {}", of.kind())),
        }
    }

    /// Counts what a call has made.
    fn made(&mut self, value: Value) -> Result<Value, String> {
        self.run.room(value.bytes())?;
        self.run.nests(value.depth())?;
        Ok(value)
    }
}

/// The bytes of the arguments.
fn weight(args: &[Value]) -> usize {
    args.iter().map(Value::bytes).sum()
}

/// The keys and the values of a `range`.
pub(super) fn rounds(over: &Value) -> Result<Box<dyn Iterator<Item = [Value; 2]> + '_>, String> {
    match over {
        Value::Nil => Ok(Box::new(std::iter::empty())),
        Value::List(values) => {
            Ok(Box::new(values.iter().zip(0..).map(|(value, at)| [Value::Int(at), value.clone()])))
        }
        Value::Map(entries) => {
            let entries = entries.iter();
            Ok(Box::new(
                entries.map(|(name, value)| [Value::foreign(name.as_str()), value.clone()]),
            ))
        }
        Value::Int(count) => Ok(Box::new((0..*count).map(|at| [Value::Int(at), Value::Int(at)]))),
        other => Err(format!("range can't iterate over {}", other.kind())),
    }
}
