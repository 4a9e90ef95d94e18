//! Texts of the web without what no reader needs: comments and white space. Names, values and tags
//! stay as they are; a text that is not understood to its end stays as it is. Pure.

mod css;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod js;
mod json;
mod markup;
#[cfg(test)]
mod tests;

pub use markup::Space;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Css,
    Html,
    Js,
    Json,
    Svg,
    Xml,
}

impl Language {
    pub const ALL: [Self; 6] = [Self::Css, Self::Html, Self::Js, Self::Json, Self::Svg, Self::Xml];

    /// By the media type, without its parameters.
    pub fn of(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        Some(match essence.as_str() {
            "text/css" => Self::Css,
            "text/html" => Self::Html,
            "image/svg+xml" => Self::Svg,
            essence if essence.ends_with("/javascript") => Self::Js,
            essence if essence.ends_with("-javascript") => Self::Js,
            essence if essence.ends_with("/json") || essence.ends_with("+json") => Self::Json,
            essence if essence.ends_with("/xml") || essence.ends_with("+xml") => Self::Xml,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Css => "css",
            Self::Html => "html",
            Self::Js => "js",
            Self::Json => "json",
            Self::Svg => "svg",
            Self::Xml => "xml",
        }
    }
}

/// The smaller text; `None` if the text is not understood, or would not be smaller.
pub fn minified(language: Language, space: Space, text: &str) -> Option<String> {
    let made = match language {
        Language::Css => css::minified(text),
        Language::Html => markup::html(text, space),
        Language::Js => js::minified(text),
        Language::Json => json::minified(text),
        Language::Svg => markup::svg(text, space),
        Language::Xml => markup::xml(text, space),
    };
    made.filter(|made| made.len() < text.len())
}
