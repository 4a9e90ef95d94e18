//! CommonMark to HTML, with tables, strikethrough and definition lists as Caddy v1 had them.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Beside CommonMark itself.
const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_DEFINITION_LIST);

/// The HTML of a text. HTML in it stays as it is: the text is the site's own.
pub fn to_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut out, Parser::new_ext(text, OPTIONS));
    out
}

/// The first words of the paragraphs, without headings, lists, quotes, code blocks and images.
pub fn summary(text: &str, words: usize) -> String {
    let (mut plain, mut outside) = (String::new(), 0_usize);
    for event in Parser::new_ext(text, OPTIONS) {
        match event {
            Event::Start(tag) if !is_read(&tag) => outside += 1,
            Event::End(tag) if !is_read_end(tag) => outside = outside.saturating_sub(1),
            Event::End(TagEnd::Paragraph) | Event::SoftBreak | Event::HardBreak => plain.push(' '),
            Event::Text(text) if outside == 0 => plain.push_str(&text),
            Event::Code(code) if outside == 0 => {
                plain.push('`');
                plain.push_str(&code);
                plain.push('`');
            }
            _ => {}
        }
    }
    let words: Vec<&str> = plain.split_whitespace().take(words).collect();
    words.join(" ")
}

fn is_read(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::Paragraph | Tag::Emphasis | Tag::Strong | Tag::Link { .. })
}

fn is_read_end(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::Paragraph | TagEnd::Emphasis | TagEnd::Strong | TagEnd::Link)
}
