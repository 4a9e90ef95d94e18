//! Records by a program: `COMMAND present NAME VALUE` and `COMMAND cleanup NAME VALUE` for DNS-01,
//! `COMMAND add NAME TTL HTTPS VALUE` and `COMMAND delete NAME HTTPS VALUE` for HTTPS records. It
//! exits when the record is visible; a status other than 0 is a failure, with the reason on stderr.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::limits::DNS_CHALLENGE;

const STEP: Duration = Duration::from_millis(50);

/// Runs the command with these words behind its own.
pub(super) async fn run(command: &[String], words: &[&str]) -> Result<(), String> {
    let Some((program, fixed)) = command.split_first() else {
        return Err("dns exec: no command".to_owned());
    };
    let mut prepared = Command::new(program);
    prepared.args(fixed).args(words);
    prepared.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let program = program.clone();
    tokio::task::spawn_blocking(move || wait(prepared))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("dns exec {program}: {error}"))
}

fn wait(mut prepared: Command) -> Result<(), String> {
    let mut child = prepared.spawn().map_err(|error| error.to_string())?;
    let stderr = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut output = Vec::new();
        if let Some(stderr) = stderr {
            let _ = stderr.take(4096).read_to_end(&mut output);
        }
        String::from_utf8_lossy(&output).trim().to_owned()
    });
    let end = Instant::now() + DNS_CHALLENGE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(STEP),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("still running after {DNS_CHALLENGE:?}"));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    if status.success() {
        return Ok(());
    }
    let output = reader.join().unwrap_or_default();
    Err(if output.is_empty() { status.to_string() } else { format!("{status}: {output}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str) -> Result<(), String> {
        let command: Vec<_> = ["sh", "-c", script, "x"].map(str::to_owned).to_vec();
        run(&command, &["present", "_acme-challenge.a.example.", "value"]).await
    }

    #[tokio::test]
    async fn the_program_gets_its_words_and_says_what_went_wrong() {
        let check = "test \"$*\" = 'present _acme-challenge.a.example. value'";
        assert_eq!(shell(check).await, Ok(()));
        let error = shell("echo no such zone >&2; exit 3").await.unwrap_err();
        assert_eq!(error, "dns exec sh: exit status: 3: no such zone");
        let missing = run(&["/nonexistent".to_owned()], &["present", "a", "b"]).await;
        assert!(missing.unwrap_err().contains("/nonexistent"));
    }
}
