//! The command `caddy`: reads flags, runs, prints what went wrong, sets the exit code.

use std::io::Write as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let options = match caddy::cli::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            let _ = std::io::stderr().write_all(message.as_bytes());
            return ExitCode::from(2);
        }
    };
    ExitCode::from(caddy::run::run(&options))
}
