//! Broken Caddyfiles and the exact first line each gets from `-validate`. The table is
//! `caddyfiles.txt`: a name behind `==`, the text, `--`, the line.

use crate::harness::Setup;

const TABLE: &str = include_str!("caddyfiles.txt");

struct Case {
    name: &'static str,
    text: &'static str,
    want: &'static str,
}

fn cases() -> impl Iterator<Item = Case> {
    TABLE.split("\n== ").skip(1).map(|case| {
        let (name, rest) = case.split_once('\n').unwrap();
        let (text, want) = rest.split_once("\n--\n").expect(name);
        Case { name, text, want: want.trim_end() }
    })
}

#[test]
fn each_broken_caddyfile_gets_its_message() {
    let mut wrong = vec![];
    for Case { name, text, want } in cases() {
        let setup = Setup::new(text).arg("-validate");
        let done = setup.output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        // The first line, behind date and time.
        let first = said.lines().next().unwrap_or_default();
        let message = first.get(20..).unwrap_or(first);
        if message != setup.fill(want) || done.status.code() != Some(1) {
            wrong.push(format!("{name}: {:?}\n want {want}\n got  {message}", done.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_table_is_long_enough() {
    assert!(cases().count() >= 40, "{}", cases().count());
}

#[test]
fn messages_show_the_place_and_a_hint() {
    let setup = Setup::new("localhost:@PORT@ {\n\tprxoy / localhost:1\n}\n").arg("-validate");
    let said = String::from_utf8_lossy(&setup.output().stderr).into_owned();
    for part in [
        "Caddyfile:2 - Parse error: Unknown directive 'prxoy'",
        "2 | \tprxoy / localhost:1",
        "| \t^ column 2",
        "proxy",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn validate_has_no_side_effects() {
    let setup = Setup::new("http://:@PORT@\nlog access.log\n")
        .arg("-validate")
        .arg("-pidfile=@DIR@/caddy.pid");
    let done = setup.output();
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "Caddyfile is valid\n");
    let left: Vec<_> =
        std::fs::read_dir(setup.dir()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["Caddyfile"]);
}
