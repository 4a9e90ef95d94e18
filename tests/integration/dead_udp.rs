//! UDP that stops getting through: Chromium is back on TCP by its own timers, and the `Alt-Svc`
//! that it remembers does not keep a new browser from the site. How long it takes is not judged.

use serde_json::Value;

use crate::harness::{BINARY, World, python_script};
use crate::road::{build_link, link};

#[test]
fn chromium_is_back_on_tcp_when_udp_dies() {
    let Some(home) = World::share() else { return };
    build_link();
    let done = python_script("dead_udp.py").arg(BINARY).arg(link()).arg(home.path()).output();
    let done = done.unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    let found: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{errors}"));
    let came = |one: &Value, bytes: u64| {
        assert_eq!((&one["protocol"], &one["bytes"]), (&"h2".into(), &bytes.into()), "{found}");
    };
    // Each browser had an HTTP/3 connection before. A request on it that nothing answers is sent
    // again by the browser itself.
    came(&found["between"][0], 1000);
    assert_eq!(found["between"][0]["errors"], Value::Array(Vec::new()), "{found}");
    came(&found["between"][1], 1000);
    assert_eq!(found["between"][2]["bytes"], 1000, "{found}");
    // A response that has begun fails, and comes when the page asks again.
    came(&found["within"], 2 << 20);
    assert_eq!(found["within"]["errors"].as_array().unwrap().len(), 1, "{found}");
    // A browser that has been started again tries HTTP/3 and TCP.
    assert_eq!(found["before"]["remembered"], true, "{found}");
    for page in found["before"]["pages"].as_array().unwrap() {
        assert_eq!(page["protocol"], "h2", "{found}");
    }
}
