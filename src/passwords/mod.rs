//! Stored passwords: plain text, or the hash formats of `htpasswd`; and their comparison beside the
//! workers.

mod md5crypt;
mod secret;

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;

pub use secret::Secret;

/// Most slow comparisons at the same time: more would leave no core for the workers.
static SLOW: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new(cores.div_ceil(2))
});

/// Compares a password on another thread, for a secret that [is slow](Secret::is_slow).
pub async fn compare(secret: Arc<Secret>, password: Vec<u8>) -> bool {
    let Ok(_permit) = SLOW.acquire().await else { return false };
    tokio::task::spawn_blocking(move || secret.is(&password)).await.unwrap_or(false)
}

/// The users of a file of `htpasswd`, each with the hash. Empty lines and comments are left out.
pub fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    // A third field is a comment.
    lines.filter_map(|line| {
        let (user, hash) = line.split_once(':')?;
        Some((user, hash.split_once(':').map_or(hash, |(hash, _)| hash)))
    })
}
