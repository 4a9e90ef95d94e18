//! XML of clients as a tree of bounded depth. What declares a document type is refused, so there
//! are no entities to expand.

use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{NamespaceResolver, ResolveResult};
use quick_xml::reader::NsReader;

use crate::http::html::escape;
use crate::limits::{WEBDAV_EXPANDED, WEBDAV_NESTING};

/// The namespace of WebDAV's own elements.
pub(super) const DAV: &str = "DAV:";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// The name of an element or property, with its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) space: String,
    pub(super) local: String,
}

impl Name {
    pub(super) fn is_dav(&self, local: &str) -> bool {
        self.space == DAV && self.local == local
    }

    /// An element of this name without content.
    pub(super) fn empty(&self) -> String {
        format!("<{} xmlns=\"{}\"/>", self.local, escape(&self.space))
    }
}

#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: Name,
    attributes: Vec<Attribute>,
    pub(super) nodes: Vec<Node>,
}

#[derive(Debug)]
struct Attribute {
    name: Name,
    value: String,
}

#[derive(Debug)]
pub(super) enum Node {
    Element(Element),
    Text(String),
}

/// Bytes that elements may still hold. A namespace that is written once is held by each of them.
struct Left(usize);

impl Left {
    fn take(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.checked_sub(text.len())?;
        Some(())
    }
}

impl Element {
    /// None if it is malformed, nested too deep, expands to too much, or has a document type.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = NsReader::from_str(text);
        let mut left = Left(WEBDAV_EXPANDED);
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        loop {
            let event = reader.read_event().ok()?;
            let is_end = matches!(event, Event::Empty(_) | Event::End(_));
            match event {
                Event::Start(tag) | Event::Empty(tag) => {
                    if open.len() == WEBDAV_NESTING || root.is_some() {
                        return None;
                    }
                    open.push(Self::begin(&tag, reader.resolver(), &mut left)?);
                }
                Event::Text(text) => add(&mut open, &text.xml10_content(), &mut left)?,
                Event::CData(text) => add(&mut open, &text.xml10_content(), &mut left)?,
                Event::GeneralRef(name) => {
                    let text = match name.resolve_char_ref().ok()? {
                        Some(c) => is_allowed(c).then(|| c.to_string())?,
                        None => predefined(&name)?.to_owned(),
                    };
                    add(&mut open, &text, &mut left)?;
                }
                Event::End(_) | Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::DocType(_) => return None,
                Event::Eof => return root.filter(|_| open.is_empty()),
            }
            if is_end {
                let done = open.pop()?;
                match open.last_mut() {
                    Some(parent) => parent.nodes.push(Node::Element(done)),
                    None => root = Some(done),
                }
            }
        }
    }

    fn begin(tag: &BytesStart<'_>, resolver: &NamespaceResolver, left: &mut Left) -> Option<Self> {
        let (space, local) = resolver.resolve_element(tag.name());
        let of_tag = name(space, local.into_inner(), left)?;
        let mut attributes = Vec::new();
        for attribute in tag.attributes() {
            let attribute = attribute.ok()?;
            let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).ok()?;
            if let Some(binding) = attribute.key.as_namespace_binding() {
                // A prefix cannot be bound to nothing (Namespaces in XML 1.0, section 2.2).
                let is_default = matches!(binding, quick_xml::name::PrefixDeclaration::Default);
                (is_default || !value.is_empty()).then_some(())?;
                continue;
            }
            let (space, local) = resolver.resolve_attribute(attribute.key);
            left.take(&value)?;
            let name = name(space, local.into_inner(), left)?;
            attributes.push(Attribute { name, value: value.into_owned() });
        }
        Some(Self { name: of_tag, attributes, nodes: Vec::new() })
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element within it of a name of WebDAV.
    pub(super) fn get(&self, local: &str) -> Option<&Self> {
        self.elements().find(|element| element.name.is_dav(local))
    }

    /// The language that it names (`xml:lang`).
    pub(super) fn language(&self) -> Option<&str> {
        let of =
            |attribute: &&Attribute| attribute.name.space == XML && attribute.name.local == "lang";
        self.attributes.iter().find(of).map(|attribute| attribute.value.as_str())
    }

    pub(super) fn set_language(&mut self, language: &str) {
        let name = Name { space: XML.to_owned(), local: "lang".to_owned() };
        self.attributes.push(Attribute { name, value: language.to_owned() });
    }

    /// Writes it so that it means the same wherever it stands.
    pub(super) fn write(&self, out: &mut String) {
        out.push_str(&format!("<{} xmlns=\"{}\"", self.name.local, escape(&self.name.space)));
        for (at, attribute) in self.attributes.iter().enumerate() {
            let (name, value) = (&attribute.name, escape(&attribute.value));
            match name.space.as_str() {
                "" => out.push_str(&format!(" {}=\"{value}\"", name.local)),
                XML => out.push_str(&format!(" xml:{}=\"{value}\"", name.local)),
                space => {
                    let space = escape(space);
                    let local = &name.local;
                    out.push_str(&format!(" xmlns:a{at}=\"{space}\" a{at}:{local}=\"{value}\""));
                }
            }
        }
        out.push('>');
        for node in &self.nodes {
            match node {
                Node::Element(element) => element.write(out),
                Node::Text(text) => out.push_str(&escape(text)),
            }
        }
        out.push_str(&format!("</{}>", self.name.local));
    }
}

/// Text stands within an element; around the root only white space does.
fn add(open: &mut [Element], text: &str, left: &mut Left) -> Option<()> {
    left.take(text)?;
    if !text.chars().all(is_allowed) {
        return None;
    }
    match open.last_mut() {
        Some(element) => {
            if let Some(Node::Text(before)) = element.nodes.last_mut() {
                before.push_str(text);
            } else {
                element.nodes.push(Node::Text(text.to_owned()));
            }
        }
        None => text.trim().is_empty().then_some(())?,
    }
    Some(())
}

fn name(space: ResolveResult<'_>, local: &str, left: &mut Left) -> Option<Name> {
    left.take(local)?;
    let space = match space {
        ResolveResult::Bound(space) => {
            left.take(space.as_ref())?;
            unescape(space.into_inner()).ok()?.into_owned()
        }
        ResolveResult::Unbound => String::new(),
        ResolveResult::Unknown(_) => return None,
    };
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.') || !c.is_ascii();
    let starts = local.starts_with(|c: char| c.is_alphabetic() || c == '_' || !c.is_ascii());
    let is_good = starts && local.chars().all(is_name) && local.chars().all(is_allowed);
    is_good.then(|| Name { space, local: local.to_owned() })
}

fn predefined(name: &str) -> Option<&'static str> {
    Some(match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

/// Whether XML 1.0 has the character (section 2.2).
fn is_allowed(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> Option<String> {
        let mut out = String::new();
        Element::parse(text)?.write(&mut out);
        Some(out)
    }

    #[test]
    fn elements_mean_the_same_wherever_they_stand() {
        for (text, expected) in [
            ("<a/>", "<a xmlns=\"\"></a>"),
            (
                "<?xml version=\"1.0\"?>\n<D:a xmlns:D=\"DAV:\" b='1' D:c=\"&lt;2\" xml:lang=\"en\">\
                 x &amp; y<!-- no --><![CDATA[<z>]]>&#x1F600;<e xmlns=\"urn:&amp;\"/></D:a>\n",
                "<a xmlns=\"DAV:\" b=\"1\" xmlns:a1=\"DAV:\" a1:c=\"&lt;2\" xml:lang=\"en\">\
                 x &amp; y&lt;z&gt;😀<e xmlns=\"urn:&amp;\"></e></a>",
            ),
        ] {
            assert_eq!(again(text).as_deref(), Some(expected), "{text}");
            assert_eq!(again(expected).map(|text| text.len()), Some(expected.len()));
        }
    }

    #[test]
    fn what_is_refused() {
        let deep = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        for text in [
            "",
            "text",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "<x:a/>",
            "<a x:b=\"\"/>",
            "<a xmlns:x=\"\"/>",
            "<a b=\"1\" b=\"2\"/>",
            "<a>&none;</a>",
            "<a>&#1;</a>",
            "<a>\u{1}</a>",
            "<a\"b/>",
            "<1/>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            &deep(WEBDAV_NESTING + 1),
        ] {
            assert_eq!(again(text), None, "{text}");
        }
        assert!(again(&deep(WEBDAV_NESTING)).is_some());
    }
}
