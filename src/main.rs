//! The command `caddy`: parses the flags, runs, prints errors and sets the exit code.

use std::io::Write as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // No flag is outside Unicode; a file name that is will be reported as not found.
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
