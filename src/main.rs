//! The command `caddy`: reads flags, runs, prints what went wrong, sets the exit code.

use std::io::Write as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // What is not Unicode can be no flag; as a file's name it is not found, which is said.
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let options = match caddy::cli::parse(args) {
        Ok(options) => options,
        Err(message) => {
            let _ = std::io::stderr().write_all(message.as_bytes());
            return ExitCode::from(2);
        }
    };
    ExitCode::from(caddy::run::run(&options))
}
