//! The scripts that build and install: they are clean, and refuse what would not run.

use std::path::Path;
use std::process::Command;

/// Exit code and everything said, run at the top of the sources.
fn run(program: &str, args: &[&str]) -> (i32, String) {
    let done = Command::new(program)
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn scripts_pass_shellcheck() {
    let (_, listed) = run("git", &["grep", "-lE", "^#!/bin/(ba)?sh", "--", ":/"]);
    let scripts: Vec<_> = listed.lines().collect();
    for known in ["init.d/caddy", "packaging/dist.sh", "tests/world/enter.sh"] {
        assert!(scripts.contains(&known), "{known} is not among {scripts:?}");
    }
    // SC2016: single quotes around a dollar are meant.
    let (code, said) = run("shellcheck", &[&["-e", "SC2016"], &scripts[..]].concat());
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_binary_for_a_newer_glibc_is_refused() {
    let own = std::env::current_exe().unwrap().display().to_string();
    let (code, said) = run("packaging/glibc.sh", &[&own]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("needs libraries other than glibc: libgcc_s.so.1"), "{said}");
    let system = Path::new("/bin/true").canonicalize().unwrap().display().to_string();
    let (code, said) = run("packaging/glibc.sh", &[&system, "2.4"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("newer than GLIBC_2.4, for:\n  "), "{said}");
    let (code, said) = run("packaging/glibc.sh", &[&system, "2.99"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn every_dependency_has_its_licence() {
    let (code, said) = run("packaging/licences.py", &[]);
    assert_eq!(code, 0, "{said}");
    for part in
        ["aws-lc-sys ", "rustls ", "quinn ", "Apache License", "Permission is hereby granted"]
    {
        assert!(said.contains(part), "{part}");
    }
    assert!(!said.contains("\ncc "), "only what is in the program");
}
