//! The scripts that build and install: they are clean, and refuse what would not run.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
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
    let (_, listed) = run("git", &["grep", "-lE", "^#!/s?bin/((ba)?sh|openrc-run)", "--", ":/"]);
    let scripts: Vec<_> = listed.lines().collect();
    for known in ["init.d/caddy", "openrc/caddy", "packaging/dist.sh", "tests/world/enter.sh"] {
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

/// Name and version of a package, the first two words of a line.
fn label(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn licences_are_those_of_the_machine_that_the_program_is_for() {
    let packages = |machine: &str| {
        let target = format!("{machine}-unknown-linux-gnu");
        let tree =
            ["tree", "--locked", "--offline", "-e", "normal", "--prefix", "none", "--target"];
        let (code, said) = run("cargo", &[&["--quiet"], &tree[..], &[&target]].concat());
        assert_eq!(code, 0, "{said}");
        // The first line is the program itself.
        said.lines()
            .skip(1)
            .map(|line| label(&line.replacen(" v", " ", 1)))
            .collect::<BTreeSet<_>>()
    };
    for machine in ["x86_64", "aarch64"] {
        let script = format!("packaging/licences.py {machine} 2>/dev/null");
        let (code, said) = run("sh", &["-c", &script]);
        assert_eq!(code, 0, "{said}");
        let list = said.split("\n\n").nth(2).unwrap();
        let listed: BTreeSet<_> = list.lines().map(label).collect();
        assert_eq!(listed, packages(machine), "{machine}");
    }
    // What the second list is for.
    assert_ne!(packages("x86_64"), packages("aarch64"));
}

/// The flags that `caddy -help` lists.
fn flags() -> Vec<String> {
    let (_, help) = run(env!("CARGO_BIN_EXE_caddy"), &["-help"]);
    let names = help.lines().filter_map(|line| line.strip_prefix("  -"));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).chain(["help".to_owned()]).collect()
}

#[test]
fn completions_and_manual_name_every_flag() {
    let flags = flags();
    assert!(flags.len() > 25, "{flags:?}");
    for (file, before, after) in [
        ("completions/caddy.bash", "[ ']-", "[ \n']"),
        ("completions/caddy.zsh", "'-", "[\\[]"),
        ("completions/caddy.fish", "complete -c caddy -o ", " "),
        ("man/caddy.8", "[ \n]-", "[^a-z0-9-]"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(file);
        let text = std::fs::read_to_string(path).unwrap().replace("\\-", "-");
        for flag in &flags {
            let pattern = regex::Regex::new(&format!("{before}{flag}{after}")).unwrap();
            assert!(pattern.is_match(&text), "{file} does not have -{flag}");
        }
    }
}

#[test]
fn completions_complete() {
    let fish = "source packaging/completions/caddy.fish; complete -C 'caddy -quic-congestion '";
    let (code, said) = run("fish", &["--no-config", "-c", fish]);
    let words: Vec<_> = said.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!((code, words), (0, vec!["bbr", "cubic"]));
    // As bash calls it: the words of the line, and which of them the cursor is on.
    let bash = "source packaging/completions/caddy.bash; COMP_WORDS=(caddy -quic-congestion '')
                COMP_CWORD=2; _caddy; echo ${COMPREPLY[@]}";
    assert_eq!(run("bash", &["-c", bash]), (0, "bbr cubic\n".to_owned()));
    // zsh completes at a terminal only. The pieces of a word keep its echo from being taken for it.
    let functions = tempfile::tempdir().unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/completions/caddy.zsh");
    std::fs::copy(own, functions.path().join("_caddy")).unwrap();
    let zsh = format!(
        "zmodload zsh/zpty; zpty shell zsh -f -i
         zpty -w shell \"fpath=({} \\$fpath); autoload -U compinit; compinit -u -D; echo rea''dy\"
         zpty -r -m shell text '*ready*'
         zpty -w -n shell $'caddy -quic-congestion cu\\t'
         zpty -r -m shell text '*cubic*'; zpty -d shell",
        functions.path().display()
    );
    let (code, said) = run("timeout", &["30", "zsh", "-f", "-c", &zsh]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn manual_pages_have_no_mistake() {
    for page in ["packaging/man/caddy.8", "packaging/man/caddyfile.5"] {
        let line = format!("MANROFFSEQ= MANWIDTH=80 man --warnings -l {page} >/dev/null");
        assert_eq!(run("bash", &["-c", &line]), (0, String::new()), "{page}");
    }
}

#[test]
fn manual_pages_are_those_of_the_documentation() {
    let fresh = tempfile::tempdir().unwrap();
    let (code, said) = run("packaging/man/make", &[&fresh.path().display().to_string()]);
    assert_eq!((code, said.as_str()), (0, ""));
    for page in ["caddy.8", "caddyfile.5"] {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(page)).unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/man");
        assert!(read(&here) == read(fresh.path()), "{page} is not of docs/: run make man");
    }
}

/// A program with debug information that says it is for ARM64.
fn for_arm(directory: &Path) -> String {
    let program = directory.join("caddy").display().to_string();
    let line = format!("echo 'int main(void) {{ return 0; }}' | cc -g -x c -o {program} -");
    assert_eq!(run("bash", &["-c", &line]), (0, String::new()));
    let mut bytes = std::fs::read(&program).unwrap();
    // e_machine of the ELF header.
    bytes[18..20].copy_from_slice(&183u16.to_le_bytes());
    std::fs::write(&program, bytes).unwrap();
    program
}

#[test]
fn a_package_is_for_the_machine_of_its_program() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().display().to_string();
    let program = for_arm(directory.path());
    assert_eq!(run("packaging/machine.sh", &[&program]), (0, "aarch64\n".to_owned()));
    for (script, name) in [
        ("packaging/rpm/build.sh", "aarch64.rpm"),
        ("packaging/deb/build.sh", "arm64.deb"),
        ("packaging/tarball.sh", "aarch64.tar.gz"),
    ] {
        let (code, said) = run(script, &[&program, &out]);
        assert_eq!(code, 0, "{said}");
        let package = said.trim().lines().last().unwrap_or_default();
        assert!(package.ends_with(name) && Path::new(package).exists(), "{said}");
        let listed = match name {
            "aarch64.rpm" => "rpm2cpio $0 | cpio -i --quiet --to-stdout '*/LICENSES'",
            "arm64.deb" => "dpkg-deb --fsys-tarfile $0 | tar -xO ./usr/share/doc/caddy/LICENSES",
            _ => "tar -xzOf $0 LICENSES.txt",
        };
        let (_, listed) = run("sh", &["-c", listed, package]);
        // Without what cargo says of locks.
        let (_, of_arm) = run("sh", &["-c", "packaging/licences.py aarch64 2>/dev/null"]);
        assert!(listed.ends_with(&of_arm) && !of_arm.is_empty(), "{name}: {}", listed.len());
    }
    let (code, said) = run("packaging/machine.sh", &["Makefile"]);
    assert_ne!(code, 0, "{said}");
    let (code, said) = run("packaging/dist.sh", &["sparc"]);
    assert_eq!((code, said.contains("ARCH=sparc is not known: x86_64 or aarch64")), (2, true));
}

/// What the tools were asked that the script found, each of which stands for SELinux's.
fn selinux(args: &[&str]) -> Vec<String> {
    let tools = tempfile::tempdir().unwrap();
    let log = tools.path().join("log");
    for tool in ["semanage", "setsebool", "restorecon"] {
        let script = format!("#!/bin/sh\necho {tool} \"$@\" >>'{}'\n", log.display());
        std::fs::write(tools.path().join(tool), script).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(tools.path().join(tool), executable).unwrap();
    }
    let line = format!(
        "PATH={}:/usr/bin:/bin packaging/selinux.sh {}",
        tools.path().display(),
        args.join(" ")
    );
    assert_eq!(run("sh", &["-c", &line]), (0, String::new()));
    std::fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn selinux_learns_of_files_and_of_http3() {
    let first = selinux(&["add", "1"]);
    let has = |lines: &[String], line: &str| lines.iter().any(|one| one == line);
    for line in [
        "semanage fcontext --add --type httpd_exec_t /usr/local/bin/caddy",
        "semanage fcontext --add --type httpd_config_t /etc/caddy(/.*)?",
        "semanage fcontext --add --type httpd_var_lib_t /var/lib/caddy(/.*)?",
        "semanage fcontext --add --type httpd_log_t /var/log/caddy(/.*)?",
        "semanage port --add --type http_port_t --proto udp 443",
        "setsebool -P httpd_can_network_connect on",
    ] {
        assert!(has(&first, line), "{line} is not in {first:?}");
    }
    let again = selinux(&["add", "2"]);
    assert!(!again.iter().any(|line| line.starts_with("setsebool")), "{again:?}");
    let added = first.iter().filter(|line| line.contains("fcontext --add"));
    let removed: Vec<_> = added.map(|line| line.replace("--add", "--delete")).collect();
    assert_eq!(selinux(&["remove"]), removed);
}

#[test]
fn firewalld_knows_the_ports() {
    let read = "import sys, xml.etree.ElementTree as x
for port in x.parse('packaging/firewalld/caddy.xml').iter('port'):
    print(port.get('port'), port.get('protocol'))";
    assert_eq!(run("python3", &["-c", read]), (0, "80 tcp\n443 tcp\n443 udp\n".to_owned()));
}
