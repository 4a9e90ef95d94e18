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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// An example of CommonMark's specification.
    struct Example {
        number: usize,
        text: String,
        html: String,
    }

    /// The examples of CommonMark 0.31.2, which the package of the parser has as a test of its own.
    fn examples() -> Vec<Example> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let asked = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--offline", "--locked"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let told: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
        let packages = told["packages"].as_array().unwrap().iter();
        let mut named = packages.filter(|package| package["name"] == "pulldown-cmark");
        let manifest = named.next().unwrap()["manifest_path"].as_str().unwrap().to_owned();
        let file = Path::new(&manifest).with_file_name("tests/suite/spec.rs");
        let source = fs::read_to_string(file).unwrap();
        let literal = |after: &str, name: &str| {
            let begin = format!("let {name} = r##\"");
            let (text, _) = after.split_once(&begin).unwrap().1.split_once("\"##;").unwrap();
            text.to_owned()
        };
        let each = source.split("fn spec_test_").skip(1).map(|test| Example {
            number: test.split_once('(').unwrap().0.parse().unwrap(),
            text: literal(test, "original"),
            html: literal(test, "expected"),
        });
        each.collect()
    }

    /// HTML that means the same is written in one way.
    fn standard(html: &str) -> String {
        html.replace("<br>", "<br />").replace("<hr>", "<hr />").replace(">\n<", "><")
    }

    #[test]
    fn what_the_specification_of_commonmark_says() {
        let examples = examples();
        assert_eq!(examples.len(), 652);
        let differs =
            |example: &&Example| standard(&to_html(&example.text)) != standard(&example.html);
        let differing: Vec<_> =
            examples.iter().filter(differs).map(|example| example.number).collect();
        assert_eq!(differing, Vec::<usize>::new(), "of 652");
    }
}
