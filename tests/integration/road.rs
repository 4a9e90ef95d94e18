//! The bench of roads at four of them: one that is clean, one that loses packets, one with an MTU
//! below 1500, and one on which the client's address changes in the middle. How long it takes is
//! not judged.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{BINARY, World, python_script};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const LINK: &str = "target/roadlink";
/// The roads, and whether packets get lost on them.
const CELLS: [(&str, bool); 4] =
    [("16ms-20m-0", false), ("50ms-20m-2", true), ("50ms-20m-0-mtu", false), (MOVES, false)];
/// The client gets another address when it has received a quarter of the mebibyte.
const MOVES: &str = "50ms-20m-0-move";

/// The road's program.
pub fn link() -> String {
    format!("{ROOT}/{LINK}/release/roadlink")
}

/// Builds it as it is in this tree.
pub fn build_link() {
    let done = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--target-dir", LINK])
        .args(["--manifest-path", "benches/road/link/Cargo.toml"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn one_mebibyte_comes_over_every_road_by_http_3() {
    let Some(home) = World::share() else { return };
    build_link();
    let at = |name: &str| home.path().join(name);
    let cells = CELLS.map(|(cell, _)| cell).join(",");
    let done = python_script("../../benches/road/run")
        .args(["--cell", &cells, "--load", "1m"])
        .args(["--target", "ours-h3-*", "--runs", "1", "--roads", "1"])
        .args(["--python", ".venv/bin/python", "--binary", &format!("ours={BINARY}")])
        .args(["--link", &link()])
        .arg("--home")
        .arg(at("home"))
        .arg("--results")
        .arg(at("results"))
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for (cell, loses) in CELLS {
        let text = std::fs::read_to_string(at("results").join(format!("{cell}.json"))).unwrap();
        let found: Value = serde_json::from_str(&text).unwrap();
        let load = &found["loads"]["1m"];
        assert_eq!(load["protocol"], json!({"ours-h3-bbr": "h3", "ours-h3-cubic": "h3"}));
        for controller in ["bbr", "cubic"] {
            let run = &load["runs"][format!("ours-h3-{controller}")][0];
            // A run without figures has the reason in their place: a wrong byte, another protocol.
            assert!(run[1][0].is_number(), "{cell}, {controller}: {run}");
            let counted = |at: usize| run[2][at].as_u64().unwrap();
            assert!(counted(0) > 1024 * 1024 / 1500, "{cell}, {controller}: {run}");
            assert_eq!(counted(2) > 0, loses, "{cell}, {controller}: {run}");
            // Packets to the old address, on the way when it changed: all that came later had to
            // go to the new one.
            assert_eq!(counted(5) > 0, cell == MOVES, "{cell}, {controller}: {run}");
        }
    }
}

#[test]
fn its_clients_refuse_to_run_elsewhere() {
    for client in ["fetch.py", "browser.py"] {
        let done = python_script(&format!("../../benches/road/{client}")).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{client}: {said}");
        assert!(said.contains("only on a road that benches/road/run has made"), "{client}: {said}");
    }
}
