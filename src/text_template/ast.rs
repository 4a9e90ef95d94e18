//! A parsed template.

use super::value::Value;

/// Nodes in the order of the text.
#[derive(Clone, Default)]
pub(super) struct Body(pub(super) Vec<Node>);

#[derive(Clone)]
pub(super) enum Node {
    Text(String),
    /// A pipeline whose value is printed, unless it declares variables.
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    /// `template`, and what is left of a `block`.
    Call {
        line: u32,
        name: String,
        argument: Option<Pipeline>,
    },
    Break,
    Continue,
}

/// `if`, `with` and `range`.
#[derive(Clone)]
pub(super) struct Branch {
    pub(super) pipeline: Pipeline,
    pub(super) body: Body,
    pub(super) otherwise: Body,
}

/// Commands, each of which gets the value of the one before it as its last argument.
#[derive(Clone)]
pub(super) struct Pipeline {
    pub(super) line: u32,
    /// The variables that get its value, without `$`.
    pub(super) variables: Vec<String>,
    /// `=` and not `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// A word and its arguments.
#[derive(Clone)]
pub(super) struct Command {
    pub(super) words: Vec<Word>,
}

#[derive(Clone)]
pub(super) enum Word {
    Dot,
    Nil,
    Literal(Value),
    Function(String),
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A.B`; the name is empty for `$`.
    Variable(String, Vec<String>),
    /// `(…)`, perhaps with fields.
    Pipeline(Box<Pipeline>, Vec<String>),
}
