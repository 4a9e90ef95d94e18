//! The command line of this process, to start it again.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program file and its arguments. To be determined at the start: once the file is replaced by a
/// new version, the system no longer knows its path.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    name: OsString,
    args: Vec<OsString>,
}

impl Program {
    /// The program of this process, by the name it was started with. If that is a link, an upgrade
    /// starts the target that the link has then.
    ///
    /// # Errors
    /// The path of the program cannot be determined.
    pub fn this() -> io::Result<Self> {
        let mut words = env::args_os();
        let name = words.next().unwrap_or_default();
        let path = match Path::new(&name) {
            named if named.components().count() > 1 => std::path::absolute(named)?,
            named => in_path(named).map_or_else(env::current_exe, Ok)?,
        };
        Ok(Self { path, name, args: words.collect() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.arg0(&self.name).args(&self.args);
        command
    }

    #[cfg(test)]
    pub(super) fn new(path: PathBuf, args: &[&str]) -> Self {
        let name = path.clone().into_os_string();
        Self { path, name, args: args.iter().map(OsString::from).collect() }
    }
}

fn in_path(name: &Path) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    let all = env::var_os("PATH")?;
    env::split_paths(&all)
        .filter_map(|dir| std::path::absolute(dir.join(name)).ok())
        .find(is_program)
}
