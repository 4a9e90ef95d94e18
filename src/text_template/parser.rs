//! Actions to nodes.

use super::ast::{Body, Branch, Command, Node, Pipeline, Word};
use super::cursor::Cursor;
use super::lexer::{Delimiters, Part, Token, Wrong, parts, tokens};
use super::number;
use super::value::Value;

/// Blocks and parentheses within one another; the parser calls itself for each.
pub const BLOCKS: usize = 100;

/// A template and those that it defines, by name.
pub(super) struct Parsed {
    pub(super) body: Body,
    pub(super) defined: Vec<(String, Body)>,
}

/// Parses a template. `has_function` knows the functions.
pub(super) fn parse(
    text: &str,
    marks: Delimiters<'_>,
    has_function: &dyn Fn(&str) -> bool,
) -> Result<Parsed, Wrong> {
    let parts = parts(text, marks)?;
    let mut parser = Parser {
        parts: parts.into_iter(),
        defined: Vec::new(),
        variables: Vec::new(),
        has_function,
        depth: 0,
        loops: 0,
        line: 1,
    };
    let (body, end) = parser.body(true)?;
    match end {
        Stop::Text => Ok(Parsed { body, defined: parser.defined }),
        end => Err(parser.wrong(format!("unexpected {{{{{}}}}}", end.word()))),
    }
}

struct Parser<'a> {
    parts: std::vec::IntoIter<Part<'a>>,
    defined: Vec<(String, Body)>,
    /// Those in scope.
    variables: Vec<String>,
    has_function: &'a dyn Fn(&str) -> bool,
    depth: usize,
    /// How many `range`s are open.
    loops: usize,
    line: u32,
}

/// What ended a body.
enum Stop {
    Text,
    End,
    /// With the tokens behind it.
    Else(Vec<Token>),
}

impl Stop {
    fn word(&self) -> &'static str {
        match self {
            Self::Text => "end of the template",
            Self::End => "end",
            Self::Else(_) => "else",
        }
    }
}

impl Parser<'_> {
    fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong::new(self.line, message)
    }

    fn body(&mut self, is_top: bool) -> Result<(Body, Stop), Wrong> {
        let mut nodes = Vec::new();
        while let Some(part) = self.parts.next() {
            let (line, inner) = match part {
                Part::Text(text) => {
                    nodes.push(Node::Text(text.to_owned()));
                    continue;
                }
                Part::Action { line, inner } => (line, inner),
            };
            self.line = line;
            let tokens = tokens(inner, line)?;
            let keyword = match tokens.first() {
                Some(Token::Word(word)) => word.as_str(),
                _ => "",
            };
            let rest = || tokens[1..].to_vec();
            match keyword {
                "end" => return self.nothing(&tokens[1..]).map(|()| (Body(nodes), Stop::End)),
                "else" => return Ok((Body(nodes), Stop::Else(rest()))),
                "if" => nodes.push(Node::If(self.branch(rest(), "if")?)),
                "with" => nodes.push(Node::With(self.branch(rest(), "with")?)),
                "range" => nodes.push(Node::Range(self.branch(rest(), "range")?)),
                "define" if is_top => self.define(rest())?,
                "define" => return Err(self.wrong("define is within another block")),
                "template" => nodes.push(self.call(&tokens[1..])?),
                "block" => nodes.push(self.block(&tokens[1..])?),
                "break" | "continue" => {
                    self.nothing(&tokens[1..])?;
                    if self.loops == 0 {
                        return Err(self.wrong(format!("{keyword} is in no range")));
                    }
                    nodes.push(if keyword == "break" { Node::Break } else { Node::Continue });
                }
                _ => nodes.push(Node::Action(self.pipeline(&mut Cursor::new(&tokens), false)?)),
            }
        }
        Ok((Body(nodes), Stop::Text))
    }

    fn nothing(&self, tokens: &[Token]) -> Result<(), Wrong> {
        match tokens {
            [] => Ok(()),
            _ => Err(self.wrong("more words than the action takes")),
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth == BLOCKS {
            return Err(self.wrong(format!("more than {BLOCKS} blocks within one another")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// `if`, `with` and `range`, to their end.
    fn branch(&mut self, tokens: Vec<Token>, keyword: &str) -> Result<Branch, Wrong> {
        self.deeper(|parser| parser.open_branch(tokens, keyword))
    }

    fn open_branch(&mut self, tokens: Vec<Token>, keyword: &str) -> Result<Branch, Wrong> {
        let outside = self.variables.len();
        let is_range = keyword == "range";
        let pipeline = self.pipeline(&mut Cursor::new(&tokens), is_range)?;
        let opened = self.line;
        self.loops += usize::from(is_range);
        let (body, end) = self.body(false)?;
        self.loops -= usize::from(is_range);
        let otherwise = match end {
            Stop::Else(next) => {
                let next = Cursor::new(&next).without_space();
                match next.first() {
                    None => self.closed(keyword, opened)?,
                    Some(Token::Word(word)) if word == keyword && !is_range => {
                        let inner = self.branch(next[1..].to_vec(), keyword)?;
                        let is_if = keyword == "if";
                        Body(vec![if is_if { Node::If(inner) } else { Node::With(inner) }])
                    }
                    Some(_) => {
                        return Err(self.wrong(format!("wrong words after else in {keyword}")));
                    }
                }
            }
            Stop::End => Body::default(),
            Stop::Text => return Err(Wrong::new(opened, format!("{keyword} has no end"))),
        };
        self.variables.truncate(outside);
        Ok(Branch { pipeline, body, otherwise })
    }

    /// A body that only `end` closes.
    fn closed(&mut self, keyword: &str, opened: u32) -> Result<Body, Wrong> {
        let outside = self.variables.len();
        let (body, end) = self.body(false)?;
        self.variables.truncate(outside);
        match end {
            Stop::End => Ok(body),
            Stop::Else(_) => Err(self.wrong(format!("unexpected else in {keyword}"))),
            Stop::Text => Err(Wrong::new(opened, format!("{keyword} has no end"))),
        }
    }

    /// A body with variables of its own.
    fn separate(&mut self, keyword: &str) -> Result<Body, Wrong> {
        let (variables, loops) = (std::mem::take(&mut self.variables), self.loops);
        self.loops = 0;
        let opened = self.line;
        let body = self.deeper(|parser| parser.closed(keyword, opened));
        (self.variables, self.loops) = (variables, loops);
        body
    }

    fn define(&mut self, tokens: Vec<Token>) -> Result<(), Wrong> {
        let mut cursor = Cursor::new(&tokens);
        let name = self.name(&mut cursor, "define")?;
        self.nothing(cursor.without_space())?;
        let body = self.separate("define")?;
        self.defined.push((name, body));
        Ok(())
    }

    fn call(&mut self, tokens: &[Token]) -> Result<Node, Wrong> {
        let mut cursor = Cursor::new(tokens);
        let (line, name) = (self.line, self.name(&mut cursor, "template")?);
        let is_alone = cursor.without_space().is_empty();
        let argument = if is_alone { None } else { Some(self.pipeline(&mut cursor, false)?) };
        Ok(Node::Call { line, name, argument })
    }

    fn block(&mut self, tokens: &[Token]) -> Result<Node, Wrong> {
        let mut cursor = Cursor::new(tokens);
        let (line, name) = (self.line, self.name(&mut cursor, "block")?);
        let argument = Some(self.pipeline(&mut cursor, false)?);
        let body = self.separate("block")?;
        self.defined.push((name.clone(), body));
        Ok(Node::Call { line, name, argument })
    }

    fn name(&self, cursor: &mut Cursor<'_>, keyword: &str) -> Result<String, Wrong> {
        cursor.skip_space();
        match cursor.next() {
            Some(Token::Text(name)) => Ok(name.clone()),
            _ => Err(self.wrong(format!("{keyword} needs a name in quotes"))),
        }
    }

    /// Reads a pipeline to the end of the tokens, or to a closing parenthesis.
    fn pipeline(&mut self, cursor: &mut Cursor<'_>, is_range: bool) -> Result<Pipeline, Wrong> {
        let (variables, assigns) = self.variables_before(cursor, is_range)?;
        let mut commands = Vec::new();
        loop {
            let command = self.command(cursor)?;
            if !commands.is_empty() && !takes_arguments(&command) {
                return Err(self.wrong("a value behind | takes no argument"));
            }
            commands.push(command);
            match cursor.peek() {
                Some(Token::Pipe) => cursor.at += 1,
                None => break,
                Some(Token::Close) if cursor.open > 0 => break,
                Some(token) => return Err(self.wrong(format!("unexpected {}", shown(token)))),
            }
        }
        if !assigns {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipeline { line: self.line, variables, assigns, commands })
    }

    /// `$x :=`, `$x =`, and in `range` also `$i, $x :=`.
    fn variables_before(
        &self,
        cursor: &mut Cursor<'_>,
        is_range: bool,
    ) -> Result<(Vec<String>, bool), Wrong> {
        let start = cursor.at;
        let mut names = Vec::new();
        loop {
            cursor.skip_space();
            let Some(Token::Variable(name)) = cursor.peek() else { break };
            names.push(name.clone());
            cursor.at += 1;
            cursor.skip_space();
            match cursor.peek() {
                Some(Token::Comma) if is_range && names.len() == 1 => cursor.at += 1,
                Some(token @ (Token::Declare | Token::Assign)) => {
                    let assigns = *token == Token::Assign;
                    cursor.at += 1;
                    if assigns {
                        names.iter().try_for_each(|name| self.known(name))?;
                    }
                    return Ok((names, assigns));
                }
                _ => break,
            }
        }
        if names.len() > 1 {
            return Err(self.wrong("range needs := behind its variables"));
        }
        cursor.at = start;
        Ok((Vec::new(), false))
    }

    fn known(&self, name: &str) -> Result<(), Wrong> {
        if name.is_empty() || self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(self.wrong(format!("undefined variable ${name}")))
    }

    fn command(&mut self, cursor: &mut Cursor<'_>) -> Result<Command, Wrong> {
        let mut words = Vec::new();
        loop {
            let spaced = cursor.skip_space();
            let ends = match cursor.peek() {
                None | Some(Token::Pipe) => true,
                Some(Token::Close) => cursor.open > 0,
                Some(_) => false,
            };
            if ends {
                break;
            }
            if !spaced && !words.is_empty() {
                return Err(self.wrong("words need a space between them"));
            }
            words.push(self.word(cursor)?);
        }
        if words.is_empty() {
            return Err(self.wrong("missing value"));
        }
        let command = Command { words };
        if command.words.len() > 1 && !takes_arguments(&command) {
            return Err(self.wrong("the first of several words must be a function or a method"));
        }
        Ok(command)
    }

    fn word(&mut self, cursor: &mut Cursor<'_>) -> Result<Word, Wrong> {
        let Some(token) = cursor.next() else { return Err(self.wrong("missing value")) };
        let word = match token {
            Token::Dot => Word::Dot,
            Token::Field(name) => Word::Field(cursor.fields(Some(name))),
            Token::Variable(name) => {
                self.known(name)?;
                Word::Variable(name.clone(), cursor.fields(None))
            }
            Token::Word(name) => match name.as_str() {
                "true" | "false" => Word::Literal(Value::Bool(name == "true")),
                "nil" => Word::Nil,
                name if (self.has_function)(name) => Word::Function(name.to_owned()),
                name => return Err(self.wrong(format!("function \"{name}\" not defined"))),
            },
            Token::Number(number) => {
                let value = number::parse(number);
                Word::Literal(value.ok_or_else(|| self.wrong(format!("bad number {number}")))?)
            }
            Token::Text(text) => Word::Literal(Value::own(text.as_str())),
            Token::Character(one) => Word::Literal(Value::Int(i64::from(u32::from(*one)))),
            Token::Open => {
                cursor.open += 1;
                let inner = self.deeper(|parser| parser.pipeline(cursor, false))?;
                cursor.open -= 1;
                match cursor.next() {
                    Some(Token::Close) => Word::Pipeline(Box::new(inner), cursor.fields(None)),
                    _ => return Err(self.wrong("unclosed parenthesis")),
                }
            }
            token => return Err(self.wrong(format!("unexpected {}", shown(token)))),
        };
        Ok(word)
    }
}

/// Whether words may follow the first one.
fn takes_arguments(command: &Command) -> bool {
    match command.words.first() {
        Some(Word::Function(_) | Word::Field(_)) => true,
        Some(Word::Variable(_, fields) | Word::Pipeline(_, fields)) => !fields.is_empty(),
        _ => false,
    }
}

fn shown(token: &Token) -> &'static str {
    match token {
        Token::Space => "space",
        Token::Dot | Token::Field(_) => "'.'",
        Token::Variable(_) => "variable",
        Token::Word(_) | Token::Number(_) | Token::Text(_) | Token::Character(_) => "value",
        Token::Pipe => "'|'",
        Token::Comma => "','",
        Token::Assign => "'='",
        Token::Declare => "':='",
        Token::Open => "'('",
        Token::Close => "')'",
    }
}
