//! Files with mistakes that people make: all errors of a file at once, each at the word that is
//! wrong and with what to write instead. The table is `mistakes.txt`.

use std::process::Command;

use crate::harness::{BINARY, NOT_CONFIGURED, Setup, curl, wait_for};

/// One file of the table.
struct Case {
    name: &'static str,
    /// `§` stands before each word that is wrong.
    text: &'static str,
    /// What stands under the marks and what the hint must contain, in order.
    wanted: Vec<(&'static str, &'static str)>,
}

fn cases() -> impl Iterator<Item = Case> {
    include_str!("mistakes.txt").split("\n== ").skip(1).map(|case| {
        let (name, rest) = case.split_once('\n').unwrap();
        let (text, wanted) = rest.split_once("\n--\n").expect(name);
        let wanted = wanted.lines().filter(|line| !line.is_empty());
        Case { name, text, wanted: wanted.map(|l| l.split_once(" :: ").expect(name)).collect() }
    })
}

impl Case {
    fn text(&self) -> String {
        format!("{}\n", self.text.replace('§', ""))
    }

    /// Line and column of each word that is wrong.
    fn places(&self) -> Vec<String> {
        let lines = self.text.lines().zip(1..);
        let of_line = |(line, number): (&str, usize)| -> Vec<String> {
            let starts = line.match_indices('§').enumerate();
            let column = |(before, (at, _)): (usize, (usize, &str))| {
                format!("{number}:{}", line[..at].chars().count() + 1 - before)
            };
            starts.map(column).collect()
        };
        lines.flat_map(of_line).collect()
    }

    /// What is not as it should be.
    fn complaint(&self) -> Option<String> {
        let done = Setup::new(&self.text()).arg("-validate").output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let told = told(&said);
        let is_right = |(one, (word, remedy)): (&Told, &(&str, &str))| {
            one.word == *word && one.hint.contains(remedy)
        };
        let places: Vec<_> = told.iter().map(|one| one.place.clone()).collect();
        let right = done.status.code() == Some(NOT_CONFIGURED)
            && places == self.places()
            && told.len() == self.wanted.len()
            && told.iter().zip(&self.wanted).all(is_right);
        (!right).then(|| {
            let wanted: Vec<_> = self.places().into_iter().zip(&self.wanted).collect();
            format!("{}: {:?}\n want {wanted:?}\n got  {said}", self.name, done.status.code())
        })
    }
}

/// One error as it is printed.
#[derive(Debug)]
struct Told {
    place: String,
    word: String,
    hint: String,
}

fn told(said: &str) -> Vec<Told> {
    let errors = said.split("\n  --> Caddyfile:").skip(1);
    let one = |rest: &str| {
        let mut lines = rest.lines();
        let place = lines.next().unwrap_or_default().to_owned();
        let source: Vec<_> = lines.next().unwrap_or_default().chars().collect();
        let marks: Vec<_> = lines.next().unwrap_or_default().chars().collect();
        let marked = source.iter().zip(&marks).filter(|(_, mark)| **mark == '^');
        let hint = lines.next().and_then(|line| line.strip_prefix("  hint: "));
        Told {
            place,
            word: marked.map(|(c, _)| c).collect(),
            hint: hint.unwrap_or_default().to_owned(),
        }
    };
    errors.map(one).collect()
}

#[test]
fn each_mistake_is_marked_and_has_a_remedy() {
    let wrong: Vec<_> = cases().filter_map(|case| case.complaint()).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

const BROKEN: &str = "http://:@PORT@ {\n root .\n nope\n status 99x /\n gzip {\n  level x\n  \
                      loud\n }\n}\nhttp://:@PORT2@ {\n proxy /\n}\n";
const PLACES: [&str; 5] = ["3:2", "4:9", "6:9", "7:3", "11:8"];

#[test]
fn a_start_and_a_reload_tell_all_errors() {
    let setup = Setup::new(BROKEN).arg("-log=@DIR@/process.log");
    let done = setup.output();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(told(&said).iter().map(|one| &*one.place).collect::<Vec<_>>(), PLACES, "{said}");
    let log = std::fs::read_to_string(setup.dir().join("process.log")).unwrap();
    let has_all = |log: &str, before: &str| {
        let line = |place: &&str| format!("[ERROR] {before}Caddyfile:{place} - Parse error: ");
        PLACES.iter().all(|place| log.contains(&line(place)))
    };
    assert!(has_all(&log, ""), "{log}");

    let caddy = Setup::new("http://:@PORT@ {\n status 203 /\n}\n").start();
    caddy.rewrite(BROKEN);
    caddy.hup("[ERROR] SIGHUP: Caddyfile:11:8 - ");
    wait_for("all errors in the log", std::time::Duration::from_secs(20), || {
        has_all(&caddy.log(), "SIGHUP: ").then_some(())
    });
    // The configuration before is in use.
    let url = format!("http://localhost:{}/", caddy.port());
    assert_eq!(curl(&[], &url).status, 203);
}

#[test]
fn twenty_errors_are_shown_and_the_rest_counted() {
    for (lines, shown, rest) in [(20, 20, ""), (21, 20, "\nand 1 more"), (50, 20, "\nand 30 more")]
    {
        let text = format!("http://:@PORT@\nroot .\n{}", "nope\n".repeat(lines));
        let done = Setup::new(&text).arg("-validate").output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(told(&said).len(), shown, "{said}");
        assert_eq!(said.contains("\nand "), !rest.is_empty(), "{said}");
        assert!(said.contains(rest), "{said}");
    }
}

#[test]
fn an_error_of_many_sites_is_told_once() {
    let text = "(common) {\n header / {\n  X-A {hots\n  Content-Length x y\n }\n nope\n}\n\
                http://a.test:@PORT@, http://b.test:@PORT@ {\n root .\n import common\n}\n\
                http://c.test:@PORT@ {\n root .\n import common\n}\n";
    let done = Setup::new(text).arg("-validate").output();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let places: Vec<_> = told(&said).into_iter().map(|one| one.place).collect();
    assert_eq!(places, ["4:20", "6:2"], "{said}");
}

#[test]
fn errors_of_imported_files_come_behind_those_of_the_caddyfile() {
    let setup = Setup::new("import parts/a\nhttp://:@PORT@ {\n root .\n nope\n}\n")
        .file("parts/a", "http://:@PORT2@ {\n root .\n nada\n}\n")
        .arg("-validate");
    let said = String::from_utf8_lossy(&setup.output().stderr).into_owned();
    let own = said.find("Caddyfile:4 - Parse error: Unknown directive 'nope'");
    let imported = said.find("parts/a:3 - Parse error: Unknown directive 'nada'");
    assert!(own.is_some() && own < imported, "{said}");
}

/// What `-validate` prints where standard error is a terminal.
fn on_a_terminal(name: &str, value: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new("script")
        .args(["-qec", &format!("{BINARY} -validate nope"), "/dev/null"])
        .current_dir(dir.path())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .env(name, value)
        .output()
        .unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn colours_are_for_terminals() {
    let said = on_a_terminal("NO_COLOR", "");
    assert!(said.contains("args:2 -\x1b[1;31m Parse error:\x1b[0m Unknown"), "{said:?}");
    assert!(said.contains("\x1b[1;31m^^^^\x1b[0m"), "{said:?}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let said = on_a_terminal(name, value);
        assert!(
            said.contains("args:2 - Parse error: Unknown") && !said.contains('\x1b'),
            "{said:?}"
        );
    }
    let done = Setup::new("nope\nnope\n").arg("-validate").output();
    assert!(!done.stderr.contains(&0x1b));
}

#[test]
fn the_table_is_long_enough() {
    let errors: usize = cases().map(|case| case.wanted.len()).sum();
    assert!(errors >= 100, "{errors}");
}

/// The first line of what `-validate` says of a file, without its date.
fn first_line(text: &str) -> String {
    let done = Setup::new(text).arg("-validate").output();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    said.lines().next().and_then(|line| line.get(20..)).unwrap_or_default().to_owned()
}

#[test]
fn a_file_for_another_server_is_called_so_first() {
    for case in cases() {
        let foreign = match case.name.split_once(':').map_or(case.name, |(server, _)| server) {
            "Caddy 2" if case.wanted.iter().all(|(word, _)| *word != "header_up") => {
                "Caddyfile: this is a Caddyfile of Caddy 2; "
            }
            "nginx" => "Caddyfile: this is a configuration of nginx; ",
            "Apache" => "Caddyfile: this is a configuration of Apache; ",
            "HAProxy" => "Caddyfile: this is a configuration of HAProxy; ",
            _ => "Caddyfile:",
        };
        let first = first_line(&case.text());
        assert!(first.starts_with(foreign), "{}: {first}", case.name);
        assert_eq!(first.contains(": this is "), foreign != "Caddyfile:", "{}: {first}", case.name);
    }
}

#[test]
fn a_file_in_another_coding_is_named_with_its_place() {
    let latin1 = b"http://localhost {\n root .\n # f\xfcr alle\n}\n".to_vec();
    let utf16 = "http://localhost {\n root .\n}\n".encode_utf16().flat_map(u16::to_le_bytes);
    let marked: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf16.clone()).collect();
    for (bytes, place, coding) in [
        (latin1, "(line 3, column 5)", "ISO-8859-1"),
        (utf16.collect(), "(line 1, column 2)", "UTF-16"),
        (marked, "(line 1, column 1)", "UTF-16"),
    ] {
        let setup = Setup::new("").file("other", &bytes).arg("-conf=@DIR@/other").arg("-validate");
        let said = String::from_utf8_lossy(&setup.output().stderr).into_owned();
        let remedy = format!("iconv -f {coding} -t UTF-8 OLD > NEW");
        assert!(said.contains(place) && said.contains(&remedy), "{said}");
        // The remedy is one.
        let path = setup.dir().join("other");
        let done = Command::new("iconv").args(["-f", coding, "-t", "UTF-8"]).arg(path).output();
        let text = String::from_utf8(done.unwrap().stdout).unwrap();
        let done = Setup::new(&text.replace("localhost", "localhost:@PORT@")).arg("-validate");
        assert_eq!(done.output().status.code(), Some(0), "{text}");
    }
}

#[test]
fn an_address_whose_variable_is_not_set_is_told() {
    let text = "http://localhost:{$NO_SUCH_PORT}\nroot .\n";
    let done = Setup::new(text).arg("-validate").output();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let told = "[WARNING] Caddyfile:1:1 - the environment variable NO_SUCH_PORT is not set: the \
                address is 'http://localhost:'";
    assert!(done.status.success() && said.contains(told), "{said}");
    let said = first_line("{$NO_SUCH_HOST} {\n root .\n}\n");
    assert!(said.starts_with("no site in Caddyfile"), "{said}");
}
