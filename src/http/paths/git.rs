//! The folder in which git keeps what it knows of a repository: passwords, and commands that it
//! runs.

/// Whether a name is that of the folder, as a file system without letter case reads it.
pub fn is_git(name: impl AsRef<[u8]>) -> bool {
    name.as_ref().eq_ignore_ascii_case(b".git")
}

/// Whether a path with slashes names it or leads into it.
pub fn leads_into_git(path: &str) -> bool {
    path.split('/').any(is_git)
}
