//! The image of a container, built by buildah without a registry, and run as a container engine
//! runs it: by its own entry point, in its own root, as its own user.

use std::process::Command;

use crate::harness::World;

/// Runs a line of shell at the top of the sources, with buildah's store in the directory.
fn bash(directory: &std::path::Path, line: &str) -> String {
    let done = Command::new("bash")
        .args(["-c", line])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CONTAINERS_STORAGE_CONF", directory.join("storage.conf"))
        .env("BUILDAH_ISOLATION", "chroot")
        .output()
        .unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

#[test]
fn an_image_serves_as_its_own_user() {
    let Some(share) = World::share() else { return };
    let here = share.path().display();
    let storage = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"{here}/graph\"\nrunroot = \"{here}/run\"\n"
    );
    std::fs::write(share.path().join("storage.conf"), storage).unwrap();
    let run = |line: &str| bash(share.path(), line);
    run(&format!("packaging/container/build.sh target/release/caddy {here}/context caddy-test"));
    let inspected = run("buildah inspect --type image localhost/caddy-test");
    let image: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    let config = &image["OCIv1"]["config"];
    let words = |name: &str| {
        let list = config[name].as_array().unwrap_or_else(|| panic!("{config}"));
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(config["User"], "998:998");
    for port in ["80/tcp", "443/tcp", "443/udp"] {
        assert!(config["ExposedPorts"][port].is_object(), "{config}");
    }

    let line = format!("{} {}", words("Entrypoint"), words("Cmd"));
    let root = run("buildah mount $(buildah from localhost/caddy-test)");
    run(&format!("cp -a {root} {here}/root"));
    let env = words("Env");
    let world = World::boot("debian", share);
    world.until("test -e /share/ready");
    // As Docker and podman set it up.
    world.ok("echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start");
    world.ok(&format!(
        "env -i {env} /usr/sbin/chroot --userspec=998:998 /share/root {line} \
         </dev/null >/share/log 2>&1 &"
    ));
    let page = world.until("curl -sf http://localhost/");
    assert!(page.contains("Caddy is running"), "{page}");
    assert_eq!(world.ok("ps -o uid= -C caddy").trim(), "998");
    assert_eq!(world.ok("stat -c %u /share/root/data"), "998\n");
    world.ok("kill -TERM $(pgrep -x caddy)");
    world.until("grep -q 'Shutdown complete' /share/log");
}
