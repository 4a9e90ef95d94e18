//! A place in a text, read character by character.

/// What is left of a text, and where it stands: lines and columns are counted from 1.
pub struct Cursor<'a> {
    rest: std::str::Chars<'a>,
    pub line: u32,
    pub column: u32,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { rest: text.chars(), line: 1, column: 1 }
    }

    pub fn rest(&self) -> &'a str {
        self.rest.as_str()
    }

    pub fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    pub fn bump(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            (self.line, self.column) = (self.line + 1, 1);
        } else {
            self.column += 1;
        }
        Some(c)
    }

    /// Passes white space, and comments from `#` on; the first character of a token stays unread.
    pub fn skip_blank(&mut self) -> Option<char> {
        loop {
            match self.peek()? {
                '#' => while self.peek().is_some_and(|c| c != '\n') && self.bump().is_some() {},
                c if c.is_whitespace() => {
                    self.bump();
                }
                c => return Some(c),
            }
        }
    }
}
