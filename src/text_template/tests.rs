//! The language: what templates print, what is refused, and the bounds.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

const BOUNDS: Bounds = Bounds { steps: 10_000, depth: 60, bytes: 100_000 };

/// A value with a method.
struct Page;

impl Object for Page {
    fn name(&self) -> &'static str {
        "Page"
    }

    fn get(&self, name: &str, args: &[Value], run: &mut Run) -> Result<Option<Value>, String> {
        let value = match name {
            "Title" => Value::own("Home"),
            "Join" => {
                let [a, b] = texts("Join", args)?;
                Value::own(format!("{}-{}", a.text, b.text))
            }
            "Slice" => Value::list(args.iter().cloned()),
            "Map" => Value::map([("k".to_owned(), args[0].clone())]),
            "Include" => {
                let mut set = Set::default();
                set.add("part", "[{{.}}{{template `own` .}}]{{define `own`}}!{{end}}")
                    .map_err(|error| error.to_string())?;
                Value::Text(include(run, &set, "part", &args[0])?)
            }
            _ => return Ok(None),
        };
        Ok(Some(value))
    }
}

fn data() -> Value {
    let words = ["a", "b", "c"].map(Value::own);
    let at = UNIX_EPOCH + Duration::new(1_136_214_245, 120_000_000);
    Value::map(
        [
            ("Zero", Value::Int(0)),
            ("One", Value::Int(1)),
            ("Half", Value::Float(0.5)),
            ("Yes", Value::Bool(true)),
            ("Name", Value::own("Kim")),
            ("Wild", Value::foreign("<b>'x'&\"y\"</b>")),
            ("Words", Value::list(words)),
            ("None", Value::list([])),
            (
                "Map",
                Value::map(
                    [("k", Value::own("v")), ("a b", Value::Int(2))].map(|entry| owned([entry])),
                ),
            ),
            ("Page", Value::object(Page)),
            ("Time", Value::Moment(Moment::utc(at))),
        ]
        .map(|entry| owned([entry])),
    )
}

fn owned(entry: [(&str, Value); 1]) -> (String, Value) {
    let [(key, value)] = entry;
    (key.to_owned(), value)
}

fn run(template: &str) -> Result<String, Error> {
    let mut set = Set::default();
    set.add("t", template)?;
    Setting { bounds: BOUNDS, is_html: true }.execute(&set, "t", &data())
}

/// Checks what templates print.
fn check(cases: &[(&str, &str)]) {
    for (template, expected) in cases {
        match run(template) {
            Ok(text) => assert_eq!(text, *expected, "{template}"),
            Err(error) => panic!("{template}: {error}"),
        }
    }
}

#[test]
fn text_trimming_and_comments() {
    check(&[
        ("plain } text", "plain } text"),
        ("{{\"a\"}}{{`b\\n`}}{{'c'}}", "ab\\n99"),
        ("{{\"\\x41\\u00e4\\t\\\"\\101\"}}", "A\u{e4}\t\"A"),
        ("{{23 -}} < {{- 45}}", "23<45"),
        ("a \n {{- \"b\" -}} \t\n c", "abc"),
        ("a {{- -1}}", "a-1"),
        ("a {{/* a }} comment */}} b", "a  b"),
        ("a {{- /* b */ -}} c", "ac"),
        ("{{ \"}}\" }}", "}}"),
        ("{{\n.Name\n}}", "Kim"),
    ]);
}

#[test]
fn values_and_numbers() {
    check(&[
        (
            "{{.One}} {{-7}} {{0x1F}} {{017}} {{0b11}} {{1_000}} {{1e3}} {{.Half}}",
            "1 -7 31 15 3 1000 1000 0.5",
        ),
        ("{{1e21}} {{0.00001}} {{1.5e-7}} {{100000.0}}", "1e+21 1e-05 1.5e-07 100000"),
        ("{{.Yes}} {{.Words}} {{.Map}} {{.None}}", "true [a b c] map[a b:2 k:v] []"),
        ("[{{.Missing}}] [{{.Map.none}}]", "[] []"),
        ("{{printf \"%v\" nil}}", "<nil>"),
        ("{{.Map.k}} {{$.Name}} {{$x := .Map}}{{$x.k}} {{(.Map).k}}", "v Kim v v"),
    ]);
}

#[test]
fn branches() {
    check(&[
        ("{{if .Zero}}a{{else}}b{{end}}", "b"),
        ("{{if .Zero}}a{{else if .One}}b{{else}}c{{end}}", "b"),
        ("{{if .None}}a{{end}}{{if .Page}}p{{end}}{{if 0.0}}z{{end}}", "p"),
        ("{{with .Name}}{{.}}{{$.One}}{{end}}", "Kim1"),
        ("{{with .Zero}}a{{else with .Name}}{{.}}{{end}}", "Kim"),
        ("{{with $x := .Name}}{{$x}}{{else}}none{{end}}", "Kim"),
        ("{{range .Words}}{{.}},{{end}}", "a,b,c,"),
        ("{{range $i, $w := .Words}}{{$i}}{{$w}} {{end}}", "0a 1b 2c "),
        ("{{range $w := .Words}}{{$w}}{{end}}", "abc"),
        ("{{range $k, $v := .Map}}{{$k}}={{$v}};{{end}}", "a b=2;k=v;"),
        ("{{range .None}}a{{else}}none{{end}}", "none"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{range .Words}}{{if eq . `b`}}{{continue}}{{end}}{{.}}{{end}}", "ac"),
        ("{{range .Words}}{{if eq . `b`}}{{break}}{{end}}{{.}}{{end}}!", "a!"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
        ("{{$x := 0}}{{range .Words}}{{$x = .}}{{end}}{{$x}}", "c"),
    ]);
}

#[test]
fn functions() {
    check(&[
        ("{{and 1 0 2}} {{and 1 2}} {{or 0 `` 3}} {{or 0 ``}}|{{not 0}}", "0 2 3 |true"),
        ("{{or .One (index .None 5)}} {{and .Zero (index .None 5)}}", "1 0"),
        ("{{len .Words}} {{len .Name}} {{len .Map}}", "3 3 2"),
        ("{{index .Words 1}} {{index .Map \"a b\"}} {{index .Name 0}}", "b 2 75"),
        ("{{slice .Name 1}} {{slice .Name 1 2}} {{slice .Words 1 3}}", "im i [b c]"),
        (
            "{{eq 1 1}} {{eq .Name `x` `Kim`}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt `b` `a`}} {{ge 1.5 2.0}}",
            "true true true true true true false",
        ),
        ("{{eq .Missing nil}} {{eq .Name nil}}", "true false"),
        ("{{print 1 2 `a` `b` 3}} {{println `x` 1}}", "1 2ab3 x 1\n"),
        (
            "{{html `<a href=\"x\">`}} {{js `it's <`}} {{urlquery `a b&c`}}",
            "&lt;a href=&#34;x&#34;&gt; it\\'s \\u003C a+b%26c",
        ),
        ("{{.Name | printf `%s-%s` `a`}} {{`x` | len | eq 1}}", "a-Kim true"),
        (
            "{{.Page.Title}} {{.Page.Join `a` `b`}} {{.Page.Join (.Page.Title) .Name}}",
            "Home a-b Home-Kim",
        ),
        ("{{`b` | .Page.Join `a`}}", "a-b"),
    ]);
}

#[test]
fn formats() {
    check(&[
        (
            "{{printf `%d|%5d|%-5d|%05d|%+d|% d` 42 42 42 -42 42 42}}",
            "42|   42|42   |-0042|+42| 42",
        ),
        (
            "{{printf `%x %X %#x %o %b %c %U %q` 255 255 255 8 5 228 228 65}}",
            "ff FF 0xff 10 101 \u{e4} U+00E4 'A'",
        ),
        (
            "{{printf `%f %.2f %8.3f %e %g` 1.5 2.345 3.14159 1500.0 0.1}}",
            "1.500000 2.35    3.142 1.500000e+03 0.1",
        ),
        (
            "{{printf `%s|%6s|%-6s|%.2s|%q|%x` `Kim` `Kim` `Kim` `Kim` `a\"b` `hi`}}",
            "Kim|   Kim|Kim   |Ki|\"a\\\"b\"|6869",
        ),
        ("{{printf `%v %t %T %%` .Words true 1}}", "[a b c] true int %"),
        ("{{printf `%d %s` `x`}} {{printf `a` 1}}", "%!d(string=x) %!s(MISSING) a%!(EXTRA int=1)"),
        ("{{printf `%*d` 4 1}}", "   1"),
    ]);
}

#[test]
fn templates_of_templates() {
    check(&[
        ("{{define `x`}}<{{.}}>{{end}}{{template `x` .Name}}{{template `x` 1}}", "<Kim><1>"),
        ("{{define `x`}}[{{$}}]{{end}}{{with 5}}{{template `x` .}}{{end}}", "[5]"),
        ("{{block `x` .Name}}hi {{.}}{{end}}", "hi Kim"),
        ("{{template `x`}}{{define `x`}}late{{end}}", "late"),
        ("{{.Page.Include .Name}}", "[Kim!]"),
    ]);
}

#[test]
fn times_by_layouts() {
    check(&[
        ("{{.Time.Format `Mon, 02 Jan 2006 15:04:05 MST`}}", "Mon, 02 Jan 2006 15:04:05 UTC"),
        (
            "{{.Time.Format `Monday 2 January 06, 3:4:5 PM pm 03`}}",
            "Monday 2 January 06, 3:4:5 PM pm 03",
        ),
        (
            "{{.Time.Format `2006-01-02T15:04:05Z07:00 -0700 -07:00 002 _2`}}",
            "2006-01-02T15:04:05Z +0000 +00:00 002  2",
        ),
        ("{{.Time.Format `05.000 05.999 05.99999 Month`}}", "05.120 05.12 05.12 Month"),
        (
            "{{.Time.Year}} {{.Time.Month}} {{.Time.Weekday}} {{.Time.Unix}} {{.Time.YearDay}}",
            "2006 January Monday 1136214245 2",
        ),
        (
            "{{(.Time.AddDate 0 1 -1).Format `2006-01-02`}} {{.Time.Before (.Time.AddDate 0 0 1)}}",
            "2006-02-01 true",
        ),
        ("{{.Time}}", "2006-01-02 15:04:05.12 +0000 UTC"),
    ]);
}

#[test]
fn what_is_foreign_is_escaped_where_it_is_printed() {
    let wild = "&lt;b&gt;&#39;x&#39;&amp;&#34;y&#34;&lt;/b&gt;";
    check(&[
        ("{{.Wild}}", wild),
        ("{{html .Wild}}", wild),
        ("<i>{{printf `<p>%s</p>` .Wild}}", &format!("<i><p>{wild}</p>")),
        ("{{print `<p>` .Wild}}", &format!("<p>{wild}")),
        ("{{printf `%.3s` .Wild}} {{slice .Wild 0 3}}", "&lt;b&gt; &lt;b&gt;"),
        ("{{printf `%q` .Wild | len}} {{eq .Wild \"<b>'x'&\\\"y\\\"</b>\"}}", "18 true"),
        ("{{range $k, $v := .Map}}{{$v}}{{end}}", "2v"),
    ]);
    let mut set = Set::default();
    set.add("t", "{{.Wild}}").unwrap();
    let text = Setting { bounds: BOUNDS, is_html: false }.execute(&set, "t", &data()).unwrap();
    assert_eq!(text, "<b>'x'&\"y\"</b>");
}

#[test]
fn other_delimiters() {
    let mut set = Set::default();
    set.add_between("t", "{{.Name}} [[ .Name -]] x [[/* c */]]", ["[[", "]]"]).unwrap();
    let text = Setting { bounds: BOUNDS, is_html: true }.execute(&set, "t", &data()).unwrap();
    assert_eq!(text, "{{.Name}} Kimx ");
}

#[test]
fn what_is_refused_and_where() {
    for (template, expected) in [
        ("a\nb {{", "t:2: unclosed action"),
        ("{{if .One}}", "t:1: if has no end"),
        ("\n{{end}}", "t:2: unexpected {{end}}"),
        ("{{nope}}", "t:1: function \"nope\" not defined"),
        ("{{\"a}}", "t:1: unclosed string"),
        ("{{/* a }}", "t:1: unclosed comment"),
        ("{{$x}}", "t:1: undefined variable $x"),
        ("{{$x = 1}}", "t:1: undefined variable $x"),
        ("{{break}}", "t:1: break is in no range"),
        ("{{1 2}}", "t:1: the first of several words must be a function or a method"),
        ("{{.One | 2}}", "t:1: a value behind | takes no argument"),
        ("{{(1}}", "t:1: unclosed parenthesis"),
        ("{{}}", "t:1: missing value"),
        ("{{print `a``b`}}", "t:1: words need a space between them"),
        ("{{define x}}{{end}}", "t:1: define needs a name in quotes"),
        ("{{if 1}}{{define `x`}}{{end}}{{end}}", "t:1: define is within another block"),
        ("{{1x}}", "t:1: bad number 1x"),
        ("{{'ab'}}", "t:1: 'ab' is not one character"),
        ("{{\n\n1 # 2}}", "t:1: unexpected '#' in an action"),
        ("\n\n{{template `none`}}", "t:3: no template \"none\""),
        ("\n{{.Name.Nope}}", "t:2: can't evaluate field Nope in type string"),
        ("{{.Page.Nope}}", "t:1: can't evaluate field Nope in type Page"),
        ("{{.Missing.Deep}}", "t:1: nil has no field Deep"),
        ("{{eq 1 `a`}}", "t:1: can't compare int and string"),
        ("{{index .Words 9}}", "t:1: index 9 is out of range"),
        ("{{range .Name}}{{end}}", "t:1: range can't iterate over string"),
        ("{{.Page.Join `a`}}", "t:1: Join needs 2 strings"),
    ] {
        let error = run(template).map_err(|error| error.to_string());
        assert_eq!(
            error.as_ref().err().map(String::as_str),
            Some(expected),
            "{template} {error:?}"
        );
    }
}

#[test]
fn steps_depth_and_bytes_are_bounded() {
    let deep = format!("{}1{}", "(".repeat(200), ")".repeat(200));
    let doubled = "{{$x := `0123456789`}}".to_owned() + &"{{$x = print $x $x}}".repeat(40);
    for (template, expected) in [
        ("{{range 1000000}}{{range 1000000}}{{end}}{{end}}", "too many steps"),
        ("{{define `x`}}{{template `x`}}{{end}}{{template `x`}}", "too deeply"),
        ("{{range 5000}}{{printf `%100d` 1}}{{end}}", "too much text"),
        (&doubled, "too much text"),
        (&format!("{{{{{deep}}}}}"), "more than 100 blocks"),
        ("{{printf `%99999d` 1}}", "a width above"),
        // Printing and dropping them recurses.
        ("{{$x := 0}}{{range 2000}}{{$x = $.Page.Slice $x $x}}{{end}}", "within lists too deeply"),
        ("{{$x := 0}}{{range 2000}}{{$x = $.Page.Map $x}}{{end}}", "within lists too deeply"),
    ] {
        let error = run(template).unwrap_err().to_string();
        assert!(error.contains(expected), "{template}: {error}");
    }
    let nested = run("{{$x := 0}}{{range 60}}{{$x = $.Page.Slice $x}}{{end}}{{$x}}").unwrap();
    assert_eq!(nested, format!("{}0{}", "[".repeat(60), "]".repeat(60)));
}
