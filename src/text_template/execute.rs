//! Runs a template: nodes to text, within bounds.

use super::ast::{Body, Branch, Node, Pipeline};
use super::error::Error;
use super::evaluate;
use super::format;
use super::run::{Bounds, Run};
use super::scope::Scope;
use super::set::Set;
use super::value::{Joined, Text, Value};

/// How a template is executed.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub bounds: Bounds,
    /// Whether the result is HTML, in which foreign text is escaped.
    pub is_html: bool,
}

impl Setting {
    /// Executes a template of a set with its data as `.` and `$`.
    pub fn execute(&self, set: &Set, name: &str, data: &Value) -> Result<String, Error> {
        let mut run = Run::new(self.bounds, self.is_html);
        let mut execution = Execution { set, run: &mut run, out: String::new() };
        execution.template(name, data)?;
        Ok(execution.out)
    }
}

/// Executes a template of another set within the bounds of an execution.
pub fn include(run: &mut Run, set: &Set, name: &str, data: &Value) -> Result<Text, String> {
    let mut execution = Execution { set, run, out: String::new() };
    execution.template(name, data).map_err(|error| error.to_string())?;
    Ok(Text::own(execution.out))
}

struct Execution<'r> {
    set: &'r Set,
    run: &'r mut Run,
    out: String,
}

/// How a body ended.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// What a body needs to run.
struct Frame<'b> {
    /// The template's name, for errors.
    name: &'b str,
    scope: Scope,
}

impl Frame<'_> {
    fn wrong(&self, line: u32, message: String) -> Error {
        Error { template: self.name.to_owned(), line, message }
    }
}

impl Execution<'_> {
    fn template(&mut self, name: &str, data: &Value) -> Result<(), Error> {
        let mut frame = Frame { name, scope: Scope::new(data.clone()) };
        let set = self.set;
        let body = set.body(name);
        let body = body.ok_or_else(|| frame.wrong(1, format!("no template \"{name}\"")))?;
        self.body(&mut frame, body, data).map(drop)
    }

    fn body(&mut self, frame: &mut Frame<'_>, body: &Body, dot: &Value) -> Result<Flow, Error> {
        self.run.enter().map_err(|message| frame.wrong(first_line(body), message))?;
        let mark = frame.scope.enter();
        let mut flow = Flow::On;
        for node in &body.0 {
            flow = self.node(frame, node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        frame.scope.leave(mark);
        self.run.leave();
        Ok(flow)
    }

    fn node(&mut self, frame: &mut Frame<'_>, node: &Node, dot: &Value) -> Result<Flow, Error> {
        let line = line_of(node);
        self.run.work(0).map_err(|message| frame.wrong(line, message))?;
        match node {
            Node::Text(text) => {
                self.print(&Text::own(text.as_str())).map_err(|m| frame.wrong(line, m))?;
            }
            Node::Action(pipeline) => {
                let value = self.value(frame, pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.show(&value).map_err(|message| frame.wrong(line, message))?;
                }
            }
            Node::If(branch) => return self.branch(frame, branch, dot, false),
            Node::With(branch) => return self.branch(frame, branch, dot, true),
            Node::Range(branch) => return self.range(frame, branch, dot),
            Node::Call { name, argument, .. } => {
                let data = match argument {
                    Some(pipeline) => self.value(frame, pipeline, dot)?,
                    None => Value::Nil,
                };
                if !self.set.has(name) {
                    return Err(frame.wrong(line, format!("no template \"{name}\"")));
                }
                self.template(name, &data)?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// The value of a pipeline, which its variables get.
    fn value(
        &mut self,
        frame: &mut Frame<'_>,
        pipeline: &Pipeline,
        dot: &Value,
    ) -> Result<Value, Error> {
        let value = evaluate::pipeline(self.run, &frame.scope, pipeline, dot)
            .map_err(|message| frame.wrong(pipeline.line, message))?;
        for name in &pipeline.variables {
            if pipeline.assigns {
                frame.scope.assign(name, value.clone());
            } else {
                frame.scope.declare(name, value.clone());
            }
        }
        Ok(value)
    }

    /// `if`, or `with` if the value becomes the dot.
    fn branch(
        &mut self,
        frame: &mut Frame<'_>,
        branch: &Branch,
        dot: &Value,
        sets_dot: bool,
    ) -> Result<Flow, Error> {
        let mark = frame.scope.enter();
        let value = self.value(frame, &branch.pipeline, dot)?;
        let flow = match (value.is_true(), sets_dot) {
            (true, true) => self.body(frame, &branch.body, &value),
            (true, false) => self.body(frame, &branch.body, dot),
            (false, _) => self.body(frame, &branch.otherwise, dot),
        };
        frame.scope.leave(mark);
        flow
    }

    fn range(
        &mut self,
        frame: &mut Frame<'_>,
        branch: &Branch,
        dot: &Value,
    ) -> Result<Flow, Error> {
        let (line, mark) = (branch.pipeline.line, frame.scope.enter());
        let over = evaluate::pipeline(self.run, &frame.scope, &branch.pipeline, dot)
            .map_err(|message| frame.wrong(line, message))?;
        let mut is_empty = true;
        let rounds = evaluate::rounds(&over).map_err(|message| frame.wrong(line, message))?;
        for [key, value] in rounds {
            is_empty = false;
            self.run.work(0).map_err(|message| frame.wrong(line, message))?;
            bind(frame, &branch.pipeline, key, &value);
            let flow = self.body(frame, &branch.body, &value)?;
            if !branch.pipeline.assigns {
                frame.scope.leave(mark);
            }
            if flow == Flow::Break {
                break;
            }
        }
        // `break` and `continue` in the rounds are of this range.
        let flow = match is_empty {
            true => self.body(frame, &branch.otherwise, dot)?,
            false => Flow::On,
        };
        frame.scope.leave(mark);
        Ok(flow)
    }

    fn show(&mut self, value: &Value) -> Result<(), String> {
        let mut joined = Joined::default();
        if !matches!(value, Value::Nil) {
            format::write(&mut joined, value, self.run.room_left())?;
        }
        self.print(&joined.finish())
    }

    fn print(&mut self, text: &Text) -> Result<(), String> {
        let before = self.out.len();
        self.run.work(text.text.len())?;
        format::write_escaped(&mut self.out, text, self.run.escape());
        self.run.room(self.out.len() - before)
    }
}

/// Gives the variables of a `range` their values of one round.
fn bind(frame: &mut Frame<'_>, pipeline: &Pipeline, key: Value, value: &Value) {
    let values = match pipeline.variables.as_slice() {
        [_, _] => vec![key, value.clone()],
        _ => vec![value.clone()],
    };
    for (name, value) in pipeline.variables.iter().zip(values) {
        if pipeline.assigns {
            frame.scope.assign(name, value);
        } else {
            frame.scope.declare(name, value);
        }
    }
}

fn line_of(node: &Node) -> u32 {
    match node {
        Node::Action(pipeline) => pipeline.line,
        Node::If(branch) | Node::With(branch) | Node::Range(branch) => branch.pipeline.line,
        Node::Call { line, .. } => *line,
        Node::Text(_) | Node::Break | Node::Continue => 1,
    }
}

fn first_line(body: &Body) -> u32 {
    body.0.iter().map(line_of).find(|line| *line > 1).unwrap_or(1)
}
