//! `minify` over files and over nginx; a script that is minified does in node what it did.

use std::process::Command;

use crate::harness::{Nginx, Setup, by_all, curl};

const PAGE: &str = "<!doctype html>\n<!-- a page -->\n<ul>\n    <li>a</li>\n    <li>b</li>\n</ul>\n\
                    <pre>\n  as\n    it is\n</pre>\n<script>\n  // stays\n</script>\n";
const SMALL: &str = "<!doctype html>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n\
                     <pre>\n  as\n    it is\n</pre>\n<script>\n  // stays\n</script>\n";

/// Where a minifier may go wrong; each line says what it found.
const SCRIPT: &str = r#"
// Comments, and what looks like some.
const say = (...all) => console.log ( ...all ) /* said */ ;
say ( "// no comment" , 'it\'s /* none */' , `nor // this ${ 1 + /* but this */ 1 } ` ) ;

const division = 8 / 4 / 2 , pattern = / [/] \/ /g ;
say ( division , pattern.source , "a / b" . split ( / \/ / ) ) ;
if ( division ) /x/ . test ( "x" ) && say ( "a pattern behind a head" )

function returned ( ) {
    return
    1
}
let i = 1 , j = 1
i
++
j
say ( returned ( ) , i , j , i + + j , i - - j , i+ ++j , i- --j )

const object = { if ( x ) { return x } , return : 4 , get [ "a b" ] ( ) { return 5 } }
say ( object . if ( 8 ) / 2 / 2 , object . return / 2 , object [ "a b" ] , 1 . toFixed ( 2 ) , 1..toFixed ( 1 ) )
class Kind { static #hidden = 6
    static get shown ( ) { return Kind . #hidden }
    'quoted' = 7
    ;[ "computed" ] = 8
}
say ( Kind . shown , new Kind ( ) , hidden_in ( ) )
function hidden_in ( ) { return typeof /a/ in { } }
label : for ( const k of [ 1 , 2 ] ) { if ( k > 1 ) break label
    say ( k ) }
do i ++ ; while ( i < 5 ) say ( i )
say ( i ? .5 : 1 , i ?. j , a`x ${ `y ${ "z" } ` } ` , (() => { })
    === 1 , "\
continued" , 0x1e +3 , 1e+3 , 1_000 )
function a ( parts , one ) { return parts . raw . join ( "|" ) + one }
//# sourceMappingURL=none.map
"#;

fn node(script: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.cjs");
    std::fs::write(&file, script).unwrap();
    let done = Command::new("node").arg(&file).output().expect("node");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn files_are_minified_over_every_protocol() {
    let text = "https://localhost:@PORT@ {\n tls self_signed\n root www\n gzip\n minify\n}";
    let caddy = Setup::new(text)
        .file("www/index.html", PAGE)
        .file("www/script.js", SCRIPT)
        .file("www/style.css", "a { b : url( c.png ) ; }\n")
        .file("www/style.css.gz", "a sibling")
        .file("www/data.json", "{ \"a\" : [ 1, 2 ] }\n")
        .file("www/wrong.json", "{ \"a\" : 1 }\n{ \"b\" : 2 }\n")
        .start();
    for (path, content) in [
        ("/", SMALL),
        ("/style.css", "a{b :url( c.png )}"),
        ("/data.json", "{\"a\":[1,2]}"),
        ("/wrong.json", "{ \"a\" : 1 }\n{ \"b\" : 2 }\n"),
    ] {
        for (version, answer) in by_all(&caddy, path) {
            assert_eq!((answer.status, answer.text().as_str()), (200, content), "{version} {path}");
            assert_eq!(answer.header("content-length"), content.len().to_string());
            let known = format!("If-None-Match: {}", answer.header("etag"));
            let again = curl(&["--http2", "-H", &known], &caddy.url(path));
            assert_eq!((again.status, again.len), (304, 0), "{path}");
        }
    }
    for (version, answer) in by_all(&caddy, "/script.js") {
        assert!(answer.len < SCRIPT.len() * 4 / 5, "{version}: {} bytes", answer.len);
        assert_eq!(node(&answer.body), node(SCRIPT.as_bytes()), "{version}:\n{}", answer.text());
    }
    let coded = curl(&["--http2", "-H", "Accept-Encoding: gzip"], &caddy.url("/script.js"));
    assert_eq!(coded.header("content-encoding"), "gzip");
    let plain = curl(&["--http2", "--compressed"], &caddy.url("/script.js"));
    assert_eq!(node(&plain.body), node(SCRIPT.as_bytes()));
}

#[test]
fn what_an_upstream_answers_is_minified() {
    let nginx = Nginx::before("gzip on; gzip_min_length 1; gzip_proxied any;");
    nginx.write("page.html", PAGE.as_bytes());
    nginx.write("kept.html", PAGE.as_bytes());
    let text = "https://localhost:@PORT@ {\n tls self_signed\n proxy / @NGINX@\n\
                minify {\n if {path} not /kept.html\n}\n}";
    let caddy = Setup::new(text).set("NGINX", &nginx.addr).start();
    for (path, content) in [("/page.html", SMALL), ("/kept.html", PAGE)] {
        for (version, answer) in by_all(&caddy, path) {
            assert_eq!(answer.text(), content, "{version} {path}");
        }
    }
}
