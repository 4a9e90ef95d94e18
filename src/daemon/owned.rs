//! Log files that are opened as root before the process switches to another user. That user must
//! be able to reopen them, after an external rotation.
//!
//! Files are opened with the rights of that user, so that its symbolic links give it no access.
//! Root creates a missing file, or the outermost missing directory, only where the user may not,
//! and changes its owner. What lies below that directory is made by the user. The owner of an
//! existing file is never changed.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, fchown, lchown};
use std::path::Path;

use super::privileges::{User, acting_as};

/// Runs `open` for `path` as `user`; creates the file as root, with `mode`, if the user cannot.
///
/// # Errors
/// The error of `open`; or the user may not write to an existing file, with the remedy.
pub fn open_as<T>(
    user: Option<&User>,
    path: &Path,
    mode: u32,
    open: impl Fn() -> io::Result<T>,
) -> io::Result<T> {
    let Some(user) = user else { return open() };
    let as_user = || acting_as(user, &open).map_err(io::Error::other)?;
    match as_user() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        other => return other,
    }
    let refused = |error: io::Error| {
        let (name, shown) = (&user.name, path.display());
        let hint = match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::PermissionDenied => {
                format!("user {name} cannot write to it (try: chown {name} {shown})")
            }
            _ => format!("cannot create it for user {name}: {error}"),
        };
        io::Error::new(io::ErrorKind::PermissionDenied, hint)
    };
    create(path, mode, user).map_err(refused)?;
    as_user().map_err(refused)
}

/// Fails if the name exists, also as a link.
fn create(path: &Path, mode: u32, user: &User) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let new_file = || OpenOptions::new().append(true).create_new(true).mode(mode).open(&path);
    let missing = path.ancestors().skip(1).take_while(|dir| !dir.exists());
    let Some(outermost) = missing.last() else {
        return fchown(&new_file()?, Some(user.uid), Some(user.gid));
    };
    DirBuilder::new().mode(0o755).create(outermost)?;
    lchown(outermost, Some(user.uid), Some(user.gid))?;
    // From here on the user could replace what root makes by links.
    let rest = || {
        let parent = path.parent().unwrap_or(outermost);
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        new_file().map(drop)
    };
    acting_as(user, rest).map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    const MARK: &str = "CADDY_TEST_OWNED";

    /// As a log file is opened.
    fn append(path: &Path) -> io::Result<fs::File> {
        fs::create_dir_all(path.parent().expect("dir"))?;
        OpenOptions::new().append(true).create(true).open(path)
    }

    /// Runs only inside the process that `logs_belong_to_the_user` starts: identities are the
    /// whole process's.
    #[test]
    fn child() {
        if std::env::var_os(MARK).is_none() {
            return;
        }
        let dir = tempfile::tempdir().expect("dir");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        let user = User { name: "54321".to_owned(), uid: 54321, gid: 54321 };
        let open = |path: &Path| open_as(Some(&user), path, 0o640, || append(path));
        let owner = |path: &Path| fs::metadata(path).map(|meta| (meta.uid(), meta.mode() & 0o777));

        let fresh = dir.path().join("new/sub/access.log");
        open(&fresh).expect("fresh");
        assert_eq!(owner(&fresh).expect("meta"), (54321, 0o640));
        for made in ["new", "new/sub"] {
            assert_eq!(owner(&dir.path().join(made)).expect("meta"), (54321, 0o755), "{made}");
        }
        open(&fresh).expect("again");

        let roots = dir.path().join("roots.log");
        fs::write(&roots, "").expect("write");
        let message = open(&roots).expect_err("root's").to_string();
        assert!(message.contains("user 54321 cannot write to it (try: chown 54321 "), "{message}");
        assert_eq!(owner(&roots).expect("meta").0, 0);

        // The user's link to a file of root, and to one that root would create.
        for target in [roots, dir.path().join("none")] {
            let link = dir.path().join("new/sub/link.log");
            let _ = fs::remove_file(&link);
            symlink(&target, &link).expect("link");
            assert!(open(&link).is_err(), "{}", target.display());
        }
        assert!(!dir.path().join("none").exists());
        assert!(nix::unistd::geteuid().is_root(), "root comes back after each");
    }

    #[test]
    fn logs_belong_to_the_user() {
        assert!(nix::unistd::geteuid().is_root(), "this test needs root");
        let out = Command::new(std::env::current_exe().expect("exe"))
            .args(["--exact", "daemon::owned::tests::child"])
            .env(MARK, "1")
            .output()
            .expect("run");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    }
}
