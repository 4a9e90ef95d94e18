//! The source RPM: it has all that a build takes, and a machine without a network can begin one.

use std::path::Path;
use std::process::Command;

use crate::harness::World;

fn bash(line: &str) -> String {
    let mut bash = Command::new("bash");
    let done = bash.args(["-c", line]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn it_is_built_from_without_a_network() {
    let Some(share) = World::share() else { return };
    let made = bash(&format!("packaging/rpm/srpm.sh {}", share.path().display()));
    let package = Path::new(made.trim());
    let name = format!("caddy-{}-1.src.rpm", env!("CARGO_PKG_VERSION"));
    assert_eq!(package.file_name().unwrap().to_str(), Some(name.as_str()), "the spec's version");
    std::fs::rename(package, share.path().join("caddy.src.rpm")).unwrap();
    let toolchain = Path::new(env!("CARGO")).parent().unwrap().display();
    let tracked = bash("git ls-files -z | xargs -0 ls -d 2>/dev/null | sort");
    let world = World::boot("hold", share);
    world.until("test -e /share/ready");

    // As rpmbuild --rebuild begins: the sources are unpacked and cargo is told of them.
    world.ok(
        "rpm -i --nodeps /share/caddy.src.rpm && rpmbuild -bp --nodeps ~/rpmbuild/SPECS/*.spec",
    );
    let sources =
        world.ok("cd ~/rpmbuild/BUILD/caddy-* && find . -path ./vendor -prune -o -type f -print");
    let mut sources: Vec<_> = sources.lines().map(|line| &line[2..]).collect();
    sources.sort_unstable();
    let mut tracked: Vec<_> = tracked.lines().collect();
    tracked.sort_unstable();
    assert_eq!(sources, tracked);
    let compiled = "-name '*.a' -o -name '*.dll' -o -name '*.lib' -o -name '*.o' -o -name '*.obj'";
    assert_eq!(world.ok(&format!("cd ~/rpmbuild/BUILD && find . {compiled}")), "");

    // Every dependency that Cargo.lock names is found, for this machine and for ARM64, tests too.
    // One is compiled, so the checksums hold and the sources are whole.
    let offline = format!(
        "cd ~/rpmbuild/BUILD/caddy-* && export CARGO_HOME=/tmp/none PATH={toolchain}:$PATH; cargo"
    );
    for machine in ["x86_64", "aarch64"] {
        let platform = format!("--filter-platform {machine}-unknown-linux-gnu");
        world.ok(&format!(
            "{offline} metadata --offline --locked --format-version 1 {platform} >/tmp/metadata"
        ));
        let found = world.ok("grep -o '/vendor/[^/]*/Cargo.toml' /tmp/metadata | sort -u | wc -l");
        assert!(found.trim().parse::<u32>().unwrap() > 150, "{machine}: {found}");
    }
    world.ok(&format!("{offline} build --offline --locked --quiet -p httparse"));
}

#[test]
fn debug_information_is_a_package_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().display();
    bash(&format!(
        "echo 'int main(void) {{ return 0; }}' | cc -g -Wl,--build-id -x c -o {here}/program -"
    ));
    let made = bash(&format!("packaging/rpm/build.sh {here}/program {here}"));
    let [debuginfo, package] = made.lines().collect::<Vec<_>>()[..] else { panic!("{made}") };
    let unpacked = |package: &str, to: &str| {
        bash(&format!(
            "mkdir {here}/{to} && cd {here}/{to} && rpm2cpio {package} | cpio -idm --quiet"
        ));
    };
    unpacked(debuginfo, "debuginfo");
    unpacked(package, "package");
    let sections = |file: &str| bash(&format!("readelf -SW {here}/{file}"));
    let id = |file: &str| {
        bash(&format!("readelf -nW {here}/{file} 2>/dev/null | grep -o 'Build ID: .*'"))
    };
    let debug = bash(&format!("cd {here}; echo debuginfo/usr/lib/debug/usr/bin/caddy-*.debug"));
    assert!(sections(debug.trim()).contains(" .debug_info "));
    let sections = sections("package/usr/bin/caddy");
    // The table of symbols stays.
    assert!(!sections.contains(" .debug_info ") && sections.contains(" .symtab "), "{sections}");
    assert!(sections.contains(" .gnu_debuglink "), "{sections}");
    assert_eq!(id(debug.trim()), id("package/usr/bin/caddy"));
}
