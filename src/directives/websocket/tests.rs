//! Parsing of the directive, and refused handshakes.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::http::Body;
use crate::http::address::Address;
use crate::http::request::tests::request;
use crate::http::sink::tests::NoSinks;
use crate::http::upgrade::Upgrade;

fn read(lines: &str) -> Result<Vec<(String, Vec<String>)>, String> {
    let text = format!("host {{\n{lines}\n}}");
    let parsed = crate::caddyfile::parse("Caddyfile", &text, Path::new("."), &["websocket"]);
    let parsed = parsed.map_err(|error| error.message)?;
    let mut args = Args::new(&parsed.blocks[0].directives[0]);
    let mut site = SiteBuilder::new(Address::default(), "/".into(), Arc::new(NoSinks));
    setup(&mut args, &mut site).map_err(|error| error.message)?;
    let mut args = Args::new(&parsed.blocks[0].directives[0]);
    let mut rules = vec![];
    while args.next() {
        let rule = rule(&mut args).map_err(|error| error.message)?;
        rules.push((rule.path.to_string(), rule.command));
    }
    Ok(rules)
}

#[test]
fn lines_are_split_as_by_a_shell() {
    for (line, path, command) in [
        ("websocket cat", "/", &["cat"][..]),
        ("websocket /bin/cat", "/", &["/bin/cat"]),
        ("websocket /chat cat", "/chat", &["cat"]),
        ("websocket /chat \"sh -c 'echo a b'\"", "/chat", &["sh", "-c", "echo a b"]),
        ("websocket cat -n", "/", &["cat", "-n"]),
        ("websocket /chat cat {\nrespawn\n}", "/chat", &["cat"]),
        ("websocket /chat cat { type text bufsize 10 respawn }", "/chat", &["cat"]),
    ] {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        assert_eq!(read(line), Ok(vec![(path.to_owned(), command)]), "{line}");
    }
}

#[test]
fn what_is_refused() {
    for (line, said) in [
        ("websocket", "Wrong argument count"),
        ("websocket \"\"", "no command contained in ''"),
        ("websocket /x \"a 'b\"", "unclosed quote"),
        ("websocket /x a {\nrestart\n}", "unknown property 'restart'"),
        ("websocket /x a\nwebsocket /x b", "Duplicate path: '/x'"),
    ] {
        let error = read(line).unwrap_err();
        assert!(error.contains(said), "{line}: {error}");
    }
}

#[test]
fn handshakes_that_are_none() {
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    for (version, key, status) in [
        ("13", "short", 400),
        ("13", "", 400),
        ("8", KEY, 426),
        ("", KEY, 426),
        // This handshake is valid; the command does not exist.
        ("13", KEY, 500),
    ] {
        let mut req = request("GET", "/");
        let fields = &mut req.head.headers;
        fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(version));
        fields.insert(WEBSOCKET_KEY, HeaderValue::from_static(key));
        let protocol = HeaderValue::from_static("websocket");
        req.upgrade = Some(Box::new(Upgrade { protocol, incoming: Body::empty() }));
        let command = vec!["/none/such".to_owned()];
        let rule = Rule { path: Prefix::default(), command, framing: Framing::default() };
        let socket = WebSocket { rules: vec![], log: ErrorLog::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let fault = socket.open(&rule, &mut req).unwrap_err();
        assert_eq!(fault.status.as_u16(), status, "{version} {key}");
    }
}
