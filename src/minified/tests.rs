//! What becomes of texts, and which stay as they are.

use super::*;

fn check(language: Language, cases: &[(&str, Option<&str>)]) {
    for (text, expected) in cases {
        let made = minified(language, Space::Less, text);
        assert_eq!(made.as_deref(), *expected, "{}: {text}", language.name());
    }
}

#[test]
fn languages_by_type() {
    for (kind, language) in [
        ("text/css", Some(Language::Css)),
        ("Text/HTML; charset=utf-8", Some(Language::Html)),
        ("application/javascript", Some(Language::Js)),
        ("text/x-javascript", Some(Language::Js)),
        ("application/ld+json", Some(Language::Json)),
        ("image/svg+xml", Some(Language::Svg)),
        ("application/rss+xml", Some(Language::Xml)),
        ("text/plain", None),
        ("image/png", None),
        ("", None),
    ] {
        assert_eq!(Language::of(kind), language, "{kind}");
    }
}

#[test]
fn scripts() {
    check(
        Language::Js,
        &[
            ("var a = 1 ;\n\n// b\nvar c = 2 ;\n", Some("var a=1;var c=2;")),
            ("a = b\n(c)", Some("a=b\n(c)")),
            ("return\na", None),
            ("x ++\n++ y", Some("x++\n++y")),
            ("a + + b - - c", Some("a+ +b- -c")),
            ("a = b / c / d", Some("a=b/c/d")),
            ("a = b / /c/ .d", Some("a=b/ /c/.d")),
            ("if ( a ) / b /.test( c )", Some("if(a)/ b /.test(c)")),
            ("a . if ( b ) / c / d", Some("a.if(b)/c/d")),
            ("/ [/] a/ . b", Some("/ [/] a/.b")),
            ("/a/  in b", Some("/a/ in b")),
            ("1 . a", Some("1 .a")),
            ("a < ! -- b", Some("a< !--b")),
            ("` a ${ b + ` c ` } d `", Some("` a ${b+` c `} d `")),
            ("'a  b' + \"c // d\"", Some("'a  b'+\"c // d\"")),
            ("a = { } \n/b/ c", None),
            ("of /a/ b ", None),
            ("a <!-- b\n ;", None),
            ("a\n--> b\n ;", None),
            ("x = <p> a  b </p>", None),
            ("'a \n b'", None),
            ("( a ", None),
            ("#!node\n a ;", Some("#!node\na;")),
            ("/*! MIT */\n\n a ;", Some("/*! MIT */\na;")),
            ("a /* b */ + /* c\n */ d", Some("a+d")),
            ("a /* c\n */ d", Some("a\nd")),
            ("a ? .5 : b ?. c", Some("a? .5:b?.c")),
            ("class A { static #x = 1 ; get b ( ) { } }", Some("class A{static #x=1;get b(){}}")),
            ("é\u{a0}= 1\u{2028}b", Some("é=1\nb")),
        ],
    );
}

#[test]
fn style_sheets() {
    check(
        Language::Css,
        &[
            ("a { b : c ; d : e ; }\n", Some("a{b :c;d :e}")),
            ("a  b , c > d { }", Some("a b,c > d{}")),
            ("a :hover { }", Some("a :hover{}")),
            ("/* a */ b /* c */ d { }", Some("b d{}")),
            ("a{b:1px/* c */2px}", Some("a{b:1px/**/2px}")),
            ("/*! MIT */ a { }", Some("/*! MIT */ a{}")),
            ("@media ( a : b ) and ( c ) { }", Some("@media (a :b) and (c){}")),
            ("a { b : calc( 1px + 2px ) }", Some("a{b :calc(1px + 2px)}")),
            ("a { b : \" c  /* d */ \" }", Some("a{b :\" c  /* d */ \"}")),
            ("a { b : url( c  d.png ) }", Some("a{b :url( c  d.png )}")),
            (".\\31  a { }", Some(".\\31  a{}")),
            (".a\\  { }", Some(".a\\ {}")),
            ("a { --b: ; --c: ; }", Some("a{--b: ;--c: ;}")),
            ("a { b : 'c }", None),
            ("a { } /* b", None),
        ],
    );
}

#[test]
fn data() {
    check(
        Language::Json,
        &[
            ("{ \"a b\" : [ 1 , -2.5e+3 , null ] }\n", Some("{\"a b\":[1,-2.5e+3,null]}")),
            ("[ \"\\\" , \" ]", Some("[\"\\\" , \"]")),
            ("{\"a\":1}\n{\"b\":2}\n", None),
            ("[1 2]", None),
            ("{ // a\n \"b\": 1 }", None),
            ("[ 'a' ]", None),
            ("[ \"a", None),
            ("[1]", None),
        ],
    );
}

#[test]
fn pages() {
    check(
        Language::Html,
        &[
            ("<p>\n  a  b\n  c\n</p>\n\n", Some("<p>\na  b\nc\n</p>\n")),
            ("<p   a = \"b  c\"\n d=e  f >x", Some("<p a=\"b  c\" d=e f>x")),
            ("<img  src=a />", Some("<img src=a />")),
            ("<b>a</b>   <i>b</i>\n\n", Some("<b>a</b>   <i>b</i>\n")),
            ("<!-- a menu --><p>", Some("<p>")),
            ("a\n<!-- b -->\nc", Some("a\nc")),
            // Ends as browsers take them.
            ("<!-- a menu --!><p>b</p><!-- a menu -->\n\n", Some("<p>b</p>\n")),
            (
                "<textarea>\n\n</textareas>\n\n</textarea>\n\n",
                Some("<textarea>\n\n</textareas>\n\n</textarea>\n"),
            ),
            (
                "<!--[if IE]> <p> <![endif]--><!--#include a --><!-- ko if: a --><!----><!-- --><!--$-->  \n",
                Some(
                    "<!--[if IE]> <p> <![endif]--><!--#include a --><!-- ko if: a --><!----><!-- --><!--$-->\n",
                ),
            ),
            ("<pre>\n a\n  <b>\n b</b></pre>\n\n", Some("<pre>\n a\n  <b>\n b</b></pre>\n")),
            (
                "<code><code>\n\n</code>\n\n</code>\n\n",
                Some("<code><code>\n\n</code>\n\n</code>\n"),
            ),
            (
                "<p style=\"white-space: pre\">\n\n</p>\n\n",
                Some("<p style=\"white-space: pre\">\n\n</p>\n"),
            ),
            ("<p class=whitespace-pre>\n\n</p>\n\n", Some("<p class=whitespace-pre>\n\n</p>\n")),
            ("<textarea>\n\n</textarea>\n\n", Some("<textarea>\n\n</textarea>\n")),
            ("<script >\n\n a // b\n</script>\n\n", Some("<script>\n\n a // b\n</script>\n")),
            ("<script> <!-- <script> </script> --> </script>\n\n", None),
            ("<p a='b", None),
            ("<!-- a", None),
            ("a < b\n\n 1 <2", Some("a < b\n1 <2")),
        ],
    );
    let text = "<p>\n\n<b  a>\n</p>";
    assert_eq!(minified(Language::Html, Space::Kept, text).unwrap(), "<p>\n\n<b a>\n</p>");
}

#[test]
fn pictures_and_documents() {
    check(
        Language::Svg,
        &[
            ("<svg >\n <!-- a -->\n <g  b = 'c' />\n</svg>\n", Some("<svg><g b='c'/></svg>")),
            (
                "<svg>\n<text> a\n <tspan>b</tspan> </text>\n</svg>",
                Some("<svg><text> a\n <tspan>b</tspan> </text></svg>"),
            ),
            (
                "<svg>\n<style> a\n\n{ } </style></svg>",
                Some("<svg><style> a\n\n{ } </style></svg>"),
            ),
            ("<!DOCTYPE svg [ <!ENTITY a 'b'> ]><svg>\n\n</svg>", None),
        ],
    );
    check(
        Language::Xml,
        &[
            (
                "<a>\n  <b> </b>\n  <c>\n\n</c> d\n\n e</a>",
                Some("<a>\n<b> </b>\n<c>\n\n</c> d\n\n e</a>"),
            ),
            ("<a><!-- b --><![CDATA[ <!-- c --> ]]></a>", Some("<a><![CDATA[ <!-- c --> ]]></a>")),
            ("<a xml:space='preserve'>\n\n  <b/></a>", None),
            ("<?b  c?><a  />", Some("<?b  c?><a/>")),
        ],
    );
}
