//! Broken Caddyfiles and the exact first line each gets from `-validate`. The tables are
//! `caddyfiles.txt` and, for `tls` alone, `tls_lines.txt`: a name behind `==`, the text, `--`,
//! the line. `options.txt` has the options of blocks, each with its place and remedy too.

use crate::harness::{NOT_CONFIGURED, Setup};

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
        if message != setup.fill(want) || done.status.code() != Some(NOT_CONFIGURED) {
            wrong.push(format!("{name}: {:?}\n want {want}\n got  {message}", done.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// An option that is wrong.
struct Row {
    head: &'static str,
    lines: &'static str,
    message: &'static str,
    hint: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    let sections = include_str!("options.txt").split("\n[").skip(1);
    sections.flat_map(|section| {
        let (head, rows) = section.split_once("]\n").unwrap();
        rows.lines().filter(|line| !line.is_empty()).map(move |line| {
            let mut parts = line.split(" :: ");
            let mut part = || parts.next().unwrap_or_default();
            Row { head, lines: part(), message: part(), hint: part() }
        })
    })
}

impl Row {
    fn text(&self) -> String {
        let lines = self.lines.replace('^', "").replace(" ; ", "\n");
        let block = match self.head {
            "" => lines,
            head => format!("{head} {{\n{lines}\n}}"),
        };
        format!("http://:@PORT@ {{\n{block}\n}}\n")
    }

    /// Line and column of the mark.
    fn place(&self) -> (usize, usize) {
        let lines = self.lines.split(" ; ").zip(if self.head.is_empty() { 2.. } else { 3.. });
        let mut marks = lines.filter_map(|(text, line)| Some((line, text.find('^')? + 1)));
        marks.next().expect(self.lines)
    }

    /// What is not as it should be.
    fn complaint(&self) -> Option<String> {
        let done = Setup::new(&self.text()).arg("-validate").output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let (line, column) = self.place();
        let (code, wanted) = match self.message.strip_prefix("warning: ") {
            Some(message) => {
                (0, vec![format!("[WARNING] Caddyfile:{line}:{column} - {message}\n")])
            }
            None => {
                let first = format!("Caddyfile:{line} - Parse error: {}\n", self.message);
                let mark = format!("\n  --> Caddyfile:{line}:{column}\n");
                (NOT_CONFIGURED, vec![first, mark, format!("\n  hint: {}\n", self.hint)])
            }
        };
        let right = done.status.code() == Some(code) && wanted.iter().all(|w| said.contains(w));
        (!right).then(|| format!("{}: {}\n want {wanted:?}\n got  {said}", self.head, self.lines))
    }
}

#[test]
fn each_wrong_option_is_named_with_its_place_and_a_remedy() {
    let wrong: Vec<_> = rows().filter_map(|row| row.complaint()).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The options in the tables of a page.
fn documented(page: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.split("| option |").nth(1).expect(page).split("\n\n").next().unwrap();
    let words = table.lines().filter_map(|line| line.strip_prefix("| `"));
    words.map(|line| line.split([' ', '`']).next().unwrap().to_owned()).collect()
}

#[test]
fn each_option_of_the_documentation_has_a_wrong_one() {
    for word in ["proxy", "fastcgi", "realip", "timeouts"] {
        let options = documented(&format!("{word}.md"));
        assert!(options.len() >= 4, "{word}: {options:?}");
        for option in options {
            let is_about = |row: &Row| {
                let head = row.head.split(' ').next();
                head == Some(word) && row.lines.split(['^', ' ']).any(|part| part == option)
            };
            assert!(rows().any(|row| is_about(&row)), "{word}: {option}");
        }
    }
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
        "  --> Caddyfile:2:2",
        "| \t^^^^^\n  hint: did you mean `proxy`?",
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
        ("log syslog://h:x", "-quiet", "'syslog://h:x' is not a syslog address"),
        ("log .", "-quiet", "log: cannot open '.': is a directory"),
        ("log Caddyfile/a.log", "-quiet", "log: cannot open 'Caddyfile/a.log': not a directory"),
        ("gzip", "-user=no-such-user", "unknown user 'no-such-user'"),
        ("gzip", "-log=syslog+tcp://", "'syslog+tcp://' is not a syslog address"),
    ] {
        for mode in ["-validate", "-quiet"] {
            let setup = Setup::new(&format!("http://:@PORT@\n{line}\n")).arg(arg).arg(mode);
            let done = setup.output();
            let said = String::from_utf8_lossy(&done.stderr).to_lowercase();
            assert_eq!(done.status.code(), Some(NOT_CONFIGURED), "{line} {arg} {mode}: {said}");
            assert!(said.contains(&want.to_lowercase()), "{line} {arg} {mode}: {said}");
        }
    }
}
