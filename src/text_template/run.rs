//! What an execution has left of its bounds; functions and methods of values take from it.

/// What one execution may use, with all templates that it includes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Nodes and calls; a call also costs one for each 256 bytes of its arguments.
    pub steps: u64,
    /// Templates, blocks and parentheses within one another, and lists and maps.
    pub depth: usize,
    /// Of the result, and of all text made on the way to it.
    pub bytes: usize,
}

/// How foreign text becomes part of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// As it is.
    Plain,
    Html,
    /// For Markdown that HTML is made of: no character means anything, there nor here.
    Markdown,
}

/// An execution, as functions and methods see it.
pub struct Run {
    left: Bounds,
    /// Of values.
    depth: usize,
    escape: Escape,
}

impl Run {
    pub(super) fn new(bounds: Bounds, is_html: bool) -> Self {
        let escape = if is_html { Escape::Html } else { Escape::Plain };
        Self { left: bounds, depth: bounds.depth, escape }
    }

    pub(super) fn escape(&self) -> Escape {
        self.escape
    }

    /// Runs something whose result is Markdown that HTML is made of.
    pub fn in_markdown<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.escape, Escape::Markdown);
        let result = run(self);
        self.escape = outer;
        result
    }

    /// Takes one step, and more for work on so many bytes.
    pub fn work(&mut self, bytes: usize) -> Result<(), String> {
        let steps = 1 + bytes as u64 / 256;
        let left = self.left.steps.checked_sub(steps);
        self.left.steps = left.ok_or("the template takes too many steps")?;
        Ok(())
    }

    /// Takes room for text that is about to be made.
    pub fn room(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.left.bytes.checked_sub(bytes);
        self.left.bytes = left.ok_or("the template makes too much text")?;
        Ok(())
    }

    /// How many bytes of text may still be made.
    pub fn room_left(&self) -> usize {
        self.left.bytes
    }

    /// Checks how many lists and maps of a new value lie within one another.
    pub(super) fn nests(&self, depth: usize) -> Result<(), String> {
        if depth > self.depth {
            return Err("the template makes lists within lists too deeply".to_owned());
        }
        Ok(())
    }

    /// Runs something that may call itself.
    pub(super) fn deeper<T>(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        self.enter()?;
        let result = run(self);
        self.leave();
        result
    }

    pub(super) fn enter(&mut self) -> Result<(), String> {
        self.left.depth = self.left.depth.checked_sub(1).ok_or(TOO_DEEP)?;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.left.depth += 1;
    }
}

const TOO_DEEP: &str = "the template calls templates too deeply";
