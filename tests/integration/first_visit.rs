//! HTTP/3 at the first visit of Chromium, by an HTTPS record that the server has published: no flag
//! of the browser is about QUIC. Its root store has the test's CA, as QUIC needs one of that store.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{BINARY, World, python_script};

#[test]
fn chromium_uses_http_3_for_its_first_request_once_the_record_is_published() {
    let Some(home) = World::share() else { return };
    let script = python_script("first_visit.py");
    let done = Command::new("unshare")
        .args(["--net", "--mount"])
        .arg(script.get_program())
        .args(script.get_args())
        .arg(BINARY)
        .arg(home.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    let found: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{errors}"));
    let before =
        json!({"protocols": ["h2", "h2", "h2", "h2", "h2"], "from_dns": false, "record": ""});
    assert_eq!(found["check"], before, "{errors}");
    let after = &found["publish"];
    assert_eq!(after["record"], "1 . alpn=\"h3,h2\"", "{found}");
    assert_eq!(after["from_dns"], true, "{found}");
    assert_eq!(after["protocols"].as_array().unwrap().last().unwrap(), "h3", "{found}");
}
