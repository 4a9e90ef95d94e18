//! The examples of the pages about directives run, and do what the pages say. The table is
//! `examples.txt`.

use std::process::Command;

use crate::coverage::{CORE, TOKENS, holds, words};
use crate::documentation::{docs, examples_of, whole};
use crate::harness::{Answer, Caddy, Origin, Setup, curl};

/// One example with what requests to it show.
struct Case {
    name: &'static str,
    changes: Vec<(&'static str, &'static str)>,
    commands: Vec<&'static str>,
    steps: Vec<&'static str>,
}

fn cases() -> Vec<Case> {
    let texts = include_str!("examples.txt").split("\n== ").skip(1);
    let case = |text: &'static str| {
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let name = lines.next().unwrap();
        let mut case = Case { name, changes: vec![], commands: vec![], steps: vec![] };
        for line in lines {
            match (line.strip_prefix("$ "), line.split_once(" -> ")) {
                (Some(command), _) => case.commands.push(command),
                (None, _) if line.starts_with(['>', '<']) => case.steps.push(line),
                (None, Some(change)) => case.changes.push(change),
                (None, None) => panic!("{name}: {line}"),
            }
        }
        case
    };
    texts.map(case).collect()
}

impl Case {
    fn page(&self) -> &'static str {
        self.name.split(' ').next().unwrap()
    }

    /// The example as the page has it, with its changes.
    fn text(&self) -> String {
        let number = self.name.split_once(' ').map_or(1, |(_, number)| number.parse().unwrap());
        let examples = examples_of(&docs().join(format!("{}.md", self.page())));
        let mut text = whole(&examples[number - 1].text);
        if text.starts_with("localhost:8080 {") {
            text = text.replacen("localhost:8080", "http://localhost:@PORT@", 1);
        }
        for (from, to) in &self.changes {
            assert!(text.contains(from), "{}: no {from} in\n{text}", self.name);
            text = text.replace(from, &to.replace("\\n", "\n"));
        }
        text
    }

    fn start(&self, origins: &[Origin; 2]) -> Caddy {
        let mut setup = Setup::new(&self.text());
        for (name, origin) in ["ORIGIN", "ORIGIN2"].into_iter().zip(origins) {
            setup = setup.set(name, origin.addr);
        }
        for command in &self.commands {
            let mut shell = Command::new("sh");
            let done = shell.args(["-ec", command]).current_dir(setup.dir()).status().unwrap();
            assert!(done.success(), "{}: {command}", self.name);
        }
        setup.start()
    }

    /// What is not as expected.
    fn complaints(&self, origins: &[Origin; 2]) -> Vec<String> {
        let caddy = self.start(origins);
        let here = caddy.path("").display().to_string();
        let fill = |text: &str| {
            let text = text.replace("@DIR@/", &here);
            let put = |text: String, (name, token): &(&str, &str)| {
                text.replace(&format!("@{name}@"), token)
            };
            TOKENS.iter().fold(text, put)
        };
        let ask = |request: &str| -> Answer {
            let mut options = words(&fill(request));
            let path = options.pop().unwrap();
            let options: Vec<_> = options.iter().map(String::as_str).collect();
            curl(&options, &format!("http://localhost:{}{path}", caddy.port()))
        };
        let (mut wrong, mut last, mut asked) = (vec![], None, "");
        for step in &self.steps {
            let text = &step[2..];
            if step.starts_with('>') {
                (last, asked) = (Some(ask(text)), text);
                continue;
            }
            let answer = last.as_ref().expect("a request before what is expected of it");
            if !holds(&caddy, &fill(text), answer, || ask(asked)) {
                wrong.push(format!("{}: > {asked}: < {text}: {answer:?}", self.name));
            }
        }
        assert!(!asked.is_empty(), "{}: no request", self.name);
        wrong
    }
}

#[test]
fn each_example_does_what_its_page_says() {
    let origins = [Origin::named("a"), Origin::named("b")];
    let wrong: Vec<_> = cases().iter().flat_map(|case| case.complaints(&origins)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Those that Caddy 1.0.5 had itself are in `coverage.txt`.
#[test]
fn each_page_has_an_example_that_runs() {
    let cases = cases();
    for name in caddy::config::directive_names() {
        // `maxrequestbody` is on the page of `limits`; the others need more than a request: a
        // repository behind TLS or ssh (`git_site.rs`), scrapes, browsers.
        let is_elsewhere = CORE.iter().any(|(core, _)| *core == name)
            || ["maxrequestbody", "git", "prometheus", "status_page", "quic_report"]
                .contains(&name);
        assert!(is_elsewhere || cases.iter().any(|case| case.page() == name), "{name}");
    }
}
