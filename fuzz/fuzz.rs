//! Hands libFuzzer's inputs to the target that the environment names. Without a name it lists the
//! targets; with `FUZZ_SEEDS` it writes the target's seeds there.

#![no_main]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use caddy::fuzzing::Target;
use libfuzzer_sys::fuzz_target;

static CHOSEN: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: {
        let targets = targets();
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let Some(target) = targets.iter().find(|target| target.name == name) else {
            targets.iter().for_each(|target| println!("{}", target.name));
            std::process::exit(i32::from(!name.is_empty()));
        };
        if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
            keep_seeds(target, Path::new(&folder));
        }
        CHOSEN.get_or_init(|| *target);
    },
    |data: &[u8]| {
        if let Some(target) = CHOSEN.get() {
            (target.run)(data);
        }
    }
);

fn targets() -> Vec<Target> {
    [
        caddy::caddyfile::fuzzing::TARGETS,
        caddy::http::fuzzing::TARGETS,
        caddy::config::fuzzing::TARGETS,
        caddy::convert::fuzzing::TARGETS,
        caddy::daemon::fuzzing::TARGETS,
        caddy::minified::fuzzing::TARGETS,
        caddy::net::fuzzing::TARGETS,
        caddy::text_template::fuzzing::TARGETS,
        &caddy::directives::fuzzing::targets(),
        &caddy::server::fuzzing::targets(),
        &caddy::tls::fuzzing::targets(),
    ]
    .concat()
}

fn keep_seeds(target: &Target, folder: &Path) {
    for (number, seed) in target.seeds.iter().enumerate() {
        if let Err(error) = fs::write(folder.join(format!("seed-{number}")), seed) {
            panic!("{}: {error}", folder.display());
        }
    }
}
