//! Who may log in: users in the Caddyfile, and those of files of `htpasswd`.

use std::path::PathBuf;
use std::sync::Arc;

use super::form::Credentials;
use crate::passwords::{Secret, compare, lines};

#[derive(Default)]
pub(super) struct Users(Vec<User>);

struct User {
    name: String,
    secret: Arc<Secret>,
    /// The claim `origin`.
    origin: &'static str,
}

impl Users {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `USER=PASSWORD,...`.
    pub(super) fn simple(&mut self, text: &str) -> Result<(), String> {
        for pair in text.split(',') {
            let (name, password) = pair
                .split_once('=')
                .filter(|(name, password)| !name.is_empty() && !password.is_empty())
                .ok_or_else(|| format!("'{pair}' is not USER=PASSWORD"))?;
            let secret = Arc::new(Secret::plain(password));
            self.0.push(User { name: name.to_owned(), secret, origin: "simple" });
        }
        Ok(())
    }

    /// Adds the users of `file=FILE[;FILE]`; returns the files.
    pub(super) fn htpasswd(&mut self, text: &str) -> Result<Vec<PathBuf>, String> {
        let files = text.strip_prefix("file=").unwrap_or(text);
        let mut read = Vec::new();
        for file in files.split(';') {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read {file}: {error}"))?;
            for (name, hash) in lines(&text) {
                let secret = Secret::parse(hash)
                    .map_err(|why| format!("invalid password of '{name}' in {file}: {why}"))?;
                let secret = Arc::new(secret);
                self.0.push(User { name: name.to_owned(), secret, origin: "htpasswd" });
            }
            read.push(file.into());
        }
        Ok(read)
    }

    /// Where the user comes from whose password is right. An unknown user takes as long as a wrong
    /// password.
    pub(super) async fn origin(&self, given: &Credentials) -> Option<&'static str> {
        let mut compared = false;
        for user in self.0.iter().filter(|user| user.name == given.user) {
            if is(&user.secret, given).await {
                return Some(user.origin);
            }
            compared |= user.secret.is_slow();
        }
        let decoy = self.0.iter().find(|user| user.secret.is_slow()).filter(|_| !compared);
        if let Some(decoy) = decoy {
            is(&decoy.secret, given).await;
        }
        None
    }
}

async fn is(secret: &Arc<Secret>, given: &Credentials) -> bool {
    let password = given.password.as_bytes();
    match secret.is_slow() {
        true => compare(secret.clone(), password.to_vec()).await,
        false => secret.is(password),
    }
}
