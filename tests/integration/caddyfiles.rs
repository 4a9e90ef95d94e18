//! Broken Caddyfiles and the exact first line each gets from `-validate`. The tables are
//! `caddyfiles.txt` and, for `tls` alone, `tls_lines.txt`: a name behind `==`, the text, `--`,
//! the line.

use crate::harness::Setup;

const TABLES: [&str; 2] = [include_str!("caddyfiles.txt"), include_str!("tls_lines.txt")];

struct Case {
    name: &'static str,
    text: &'static str,
    want: &'static str,
}

fn cases() -> impl Iterator<Item = Case> {
    TABLES.iter().flat_map(|table| table.split("\n== ").skip(1)).map(|case| {
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
    assert!(cases().count() >= 100, "{}", cases().count());
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
    let text = "http://:@PORT@ {\n log logs/access.log\n errors error.log\n}\n\
                https://localhost:@PORT2@ {\n tls self_signed\n log syslog://localhost:514\n}\n";
    let setup = Setup::new(text)
        .arg("-validate")
        .arg("-pidfile=@DIR@/caddy.pid")
        .arg("-log=@DIR@/process.log")
        .arg("-user=nobody")
        .env("CADDYPATH", "@DIR@/store");
    // Whoever bound a port would fail: all of them are taken.
    let hold = |port| std::net::TcpListener::bind(("::", port)).unwrap();
    let _held = [hold(setup.ports[0]), hold(setup.ports[1])];
    let valid = |setup: &Setup| {
        let done = setup.output();
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(String::from_utf8_lossy(&done.stdout), "Caddyfile is valid\n");
    };
    valid(&setup);
    let left: Vec<_> =
        std::fs::read_dir(setup.dir()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["Caddyfile"]);
    // Where nothing can be written nothing is.
    valid(&setup.world("mount --bind -o ro @DIR@ @DIR@\ncd @DIR@"));
}

#[test]
fn validate_refuses_what_a_start_would() {
    for (line, arg, want) in [
        ("log syslog://h:x", "-quiet", "'syslog://h:x' is no syslog address"),
        ("log .", "-quiet", "log: cannot open '.': is a directory"),
        ("log Caddyfile/a.log", "-quiet", "log: cannot open 'Caddyfile/a.log': not a directory"),
        ("gzip", "-user=no-such-user", "unknown user 'no-such-user'"),
        ("gzip", "-log=syslog+tcp://", "'syslog+tcp://' is no syslog address"),
    ] {
        for mode in ["-validate", "-quiet"] {
            let setup = Setup::new(&format!("http://:@PORT@\n{line}\n")).arg(arg).arg(mode);
            let done = setup.output();
            let said = String::from_utf8_lossy(&done.stderr).to_lowercase();
            assert_eq!(done.status.code(), Some(1), "{line} {arg} {mode}: {said}");
            assert!(said.contains(&want.to_lowercase()), "{line} {arg} {mode}: {said}");
        }
    }
}
