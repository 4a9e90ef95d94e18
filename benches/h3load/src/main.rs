//! An HTTP/3 load generator on quiche, which shares no code with the server that it measures.
//!
//! It keeps a number of requests in flight on a number of connections and checks every response:
//! status, announced length, received length and, with `--expect`, every byte. What it saw is one
//! line of `key=value` on standard output; a response that is wrong makes the exit code 1.

mod client;
mod load;
mod options;
mod tally;
mod udp;

use std::process::ExitCode;

use options::{Options, USAGE};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("h3load: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match load::run(&options) {
        Ok(tally) => {
            println!("{tally}");
            if let Some(problem) = &tally.first_problem {
                eprintln!("h3load: {problem}");
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("h3load: {problem}");
            ExitCode::FAILURE
        }
    }
}
