//! What holds of a text that is made smaller, whoever writes it.

use super::{Language, Space, minified};
use crate::fuzzing::{Target, text};

/// The targets of this floor.
pub const TARGETS: &[Target] = &[
    Target { name: "minified_css", run: |data| shrinks(Language::Css, data), seeds: CSS },
    Target { name: "minified_html", run: |data| shrinks(Language::Html, data), seeds: HTML },
    Target { name: "minified_js", run: |data| shrinks(Language::Js, data), seeds: JS },
    Target { name: "minified_json", run: |data| shrinks(Language::Json, data), seeds: JSON },
    Target { name: "minified_svg", run: |data| shrinks(Language::Svg, data), seeds: XML },
    Target { name: "minified_xml", run: |data| shrinks(Language::Xml, data), seeds: XML },
];

const CSS: &[&[u8]] = &[
    b"a { b : c ; } /* d */ .\\31  e > f { g: url( h.png ) \"\\\" i\" , calc( 1px + 2px ) }",
    b"@media screen and ( min-width : 1px ) { :root { --x: ; --y : { } } a/**/b { c : d } }",
];
const HTML: &[&[u8]] = &[
    b"<!doctype html>\n <!-- a b --><!--c--> <p  class = 'd'\n e >\n f  g\n</p ><pre> h\n  i </pre>",
    b"<script>\n <!-- j --> </script> <textarea>\n k</textarea> <br / ><img src=l /> < m \xc3\xa4 <\xc3\xa4>",
];
const JS: &[&[u8]] = &[
    b"#!a\n/*! b */ var c = d / e /f ; // g\n if (h) /[/\\]]/i.test(`j${ k + `l${m}` } n`)\no ++\n++ p",
    b"async () => { return a\n/b/ } ; x = { get ['c'] () { } , d : 1 .e } ; '\\\n' + \"f\\\"\" /* g\n */ h",
];
const JSON: &[&[u8]] =
    &[b"{ \"a\" : [ 1 , -2.5e+3 , \"b\\\" c\" , null , true ] , \"d\" : { } }\n"];
const XML: &[&[u8]] = &[
    b"<?xml version='1.0'?>\n<svg >\n <!-- a -->\n <text > b <tspan/> </text>\n <g  c = 'd' />\n</svg>",
    b"<a>\n <b> </b>\n <![CDATA[ <c> ]]>\n d </a>",
];

/// What is made is smaller and has nothing new, and what is made of it is the same or smaller.
fn shrinks(language: Language, data: &[u8]) {
    let text = text(data);
    for space in [Space::Less, Space::Kept] {
        let Some(made) = minified(language, space, &text) else { continue };
        assert!(made.len() < text.len());
        let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
        // A comment of CSS may become an empty one.
        assert!(solid(&made) <= solid(&text), "{made}");
        assert!(minified(language, space, &made).is_none_or(|again| again.len() < made.len()));
    }
}

#[cfg(test)]
#[test]
fn promises_hold_for_any_bytes() {
    crate::fuzzing::hold(TARGETS, 1000);
}
