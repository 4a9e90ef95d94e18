//! Dropping root privileges: the groups, then the user, then a check that root cannot be regained.
//!
//! glibc and musl change the identity of every thread of the process, so running threads (signals,
//! log writers) lose root as well. Capabilities are per thread: the calling thread keeps
//! CAP_NET_BIND_SERVICE, for a reload that adds a low port, and the threads it starts inherit it.

use std::ffi::CString;

use nix::sys::prctl::{set_keepcaps, set_no_new_privs};
use nix::unistd::{
    Gid, Group, Uid, User as Account, getegid, geteuid, getgroups, initgroups, setegid, seteuid,
    setgroups, setresgid, setresuid,
};
use rustix::io;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_ambient_set,
    configure_capability_in_ambient_set, set_capabilities,
};

/// The one capability that the service keeps.
const KEPT: CapabilitySet = CapabilitySet::NET_BIND_SERVICE;

/// The user that the service runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name; the UID as text for a user without an account.
    pub name: String,
    /// User ID.
    pub uid: u32,
    /// Primary group ID.
    pub gid: u32,
}

/// Finds `user`, `user:group` or their IDs in the system's account database.
///
/// # Errors
/// The user or group is unknown. A UID without an account requires `:group`.
pub fn lookup(name: &str) -> Result<User, String> {
    let (user, group) = match name.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (name, None),
    };
    let account = find_account(user)?;
    let gid = match (group, &account) {
        (Some(group), _) => find_group(group)?,
        (None, Some(account)) => account.gid.as_raw(),
        (None, None) => return Err(format!("user {user} has no account: write {user}:GROUP")),
    };
    match account {
        Some(account) => Ok(User { name: account.name, uid: account.uid.as_raw(), gid }),
        None => {
            let uid = user.parse().map_err(|_| format!("unknown user '{user}'"))?;
            Ok(User { name: user.to_owned(), uid, gid })
        }
    }
}

/// The home directory of `user`, which is written as for [`lookup`].
pub fn home(name: &str) -> Option<std::path::PathBuf> {
    let user = name.split(':').next().unwrap_or(name);
    find_account(user).ok().flatten().map(|account| account.dir)
}

/// Switches to `user` and its groups, and checks that root cannot be regained. Does nothing if
/// the process already runs as that user.
///
/// # Errors
/// The step that failed. The switch may be incomplete: the caller must exit.
pub fn drop_to(user: &User) -> Result<(), String> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    if !geteuid().is_root() {
        return if geteuid() == uid {
            Ok(())
        } else {
            Err(format!("cannot become user {}: not started as root", user.name))
        };
    }
    let failed = |what: &str, err: nix::Error| format!("user {}: {what}: {err}", user.name);
    set_keepcaps(true).map_err(|e| failed("keeping capabilities", e))?;
    take_groups(user)?;
    setresgid(gid, gid, gid).map_err(|e| failed("setresgid", e))?;
    setresuid(uid, uid, uid).map_err(|e| failed("setresuid", e))?;
    if !uid.is_root() {
        keep_one().map_err(|e| format!("user {}: capabilities: {e}", user.name))?;
    }
    prove_dropped(uid)
}

/// Sets no_new_privs for this thread and those that it starts: set-uid programs get no privileges.
///
/// # Errors
/// The kernel is older than 3.5.
pub fn forbid_gaining() -> Result<(), String> {
    set_no_new_privs().map_err(|e| format!("no_new_privs: {e}"))
}

/// Runs `act` with the effective identity of `user`, then switches back to root. Without root it
/// just runs `act`. The identity changes for all threads of the process.
///
/// # Errors
/// The identity cannot be changed. The caller must exit.
pub fn acting_as<T>(user: &User, act: impl FnOnce() -> T) -> Result<T, String> {
    if !geteuid().is_root() || user.uid == 0 {
        return Ok(act());
    }
    let failed = |e: nix::Error| format!("acting as user {}: {e}", user.name);
    let (groups, group) = (getgroups().map_err(failed)?, getegid());
    take_groups(user)?;
    setegid(Gid::from_raw(user.gid)).map_err(failed)?;
    seteuid(Uid::from_raw(user.uid)).map_err(failed)?;
    // seteuid has cleared the effective set; the permitted set still has the capability.
    let raised = change_capabilities(|sets| sets.effective |= KEPT);
    let done = act();
    seteuid(Uid::from_raw(0)).map_err(failed)?;
    setegid(group).map_err(failed)?;
    setgroups(&groups).map_err(failed)?;
    if let Err(error) = raised {
        log::debug!("cannot keep CAP_NET_BIND_SERVICE: {error}");
    }
    Ok(done)
}

/// Runs `act` with the kept capability in the ambient set, so that processes started by it inherit
/// the capability.
pub fn bequeathing<T>(act: impl FnOnce() -> T) -> T {
    let raised = raise_ambient();
    let done = act();
    let lowered = match raised {
        Ok(true) => configure_capability_in_ambient_set(KEPT, false)
            .and_then(|()| change_capabilities(|sets| sets.inheritable -= KEPT)),
        Ok(false) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = lowered {
        log::debug!("cannot pass on CAP_NET_BIND_SERVICE: {error}");
    }
    done
}

/// Returns whether the ambient set has changed.
fn raise_ambient() -> io::Result<bool> {
    let may = !geteuid().is_root() && capabilities(None)?.permitted.contains(KEPT);
    if !may || capability_is_in_ambient_set(KEPT)? {
        return Ok(false);
    }
    change_capabilities(|sets| sets.inheritable |= KEPT)?;
    configure_capability_in_ambient_set(KEPT, true)?;
    Ok(true)
}

/// For a process that a predecessor started as `user`: keeps the same capability as [`drop_to`].
/// To be called before any thread exists.
///
/// # Errors
/// The capabilities cannot be set.
pub fn settle(user: &User) -> Result<(), String> {
    if geteuid().is_root() || geteuid().as_raw() != user.uid {
        return Ok(());
    }
    keep_one().map_err(|e| format!("user {}: capabilities: {e}", user.name))
}

fn take_groups(user: &User) -> Result<(), String> {
    let gid = Gid::from_raw(user.gid);
    let taken = if Account::from_uid(Uid::from_raw(user.uid)).ok().flatten().is_some() {
        let name = CString::new(user.name.as_str())
            .map_err(|_| "the user name contains a NUL byte".to_owned())?;
        initgroups(&name, gid)
    } else {
        setgroups(&[gid])
    };
    taken.map_err(|e| format!("user {}: groups: {e}", user.name))
}

/// Drops all permitted capabilities except [`KEPT`].
fn keep_one() -> io::Result<()> {
    change_capabilities(|sets| {
        sets.permitted &= KEPT;
        sets.effective = sets.permitted;
        sets.inheritable = CapabilitySet::empty();
    })
}

/// Changes the sets of the calling thread.
fn change_capabilities(change: impl FnOnce(&mut CapabilitySets)) -> io::Result<()> {
    let mut sets = capabilities(None)?;
    change(&mut sets);
    set_capabilities(None, sets)
}

fn prove_dropped(uid: Uid) -> Result<(), String> {
    if uid.is_root() {
        return Ok(());
    }
    let root = Uid::from_raw(0);
    if setresuid(root, root, root).is_ok() || geteuid() != uid {
        return Err("root could be regained after the privileges were dropped".to_owned());
    }
    Ok(())
}

/// `Ok(None)`: a UID without an account.
fn find_account(user: &str) -> Result<Option<Account>, String> {
    let err = |e: nix::Error| format!("looking up user '{user}': {e}");
    if let Some(account) = Account::from_name(user).map_err(err)? {
        return Ok(Some(account));
    }
    let Ok(uid) = user.parse::<u32>() else { return Err(format!("unknown user '{user}'")) };
    Account::from_uid(Uid::from_raw(uid)).map_err(err)
}

fn find_group(group: &str) -> Result<u32, String> {
    let found = Group::from_name(group).map_err(|e| format!("looking up group '{group}': {e}"))?;
    match found {
        Some(found) => Ok(found.gid.as_raw()),
        None => group.parse().map_err(|_| format!("unknown group '{group}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let root = User { name: "root".to_owned(), uid: 0, gid: 0 };
        for spec in ["root", "0", "root:root", "root:0", "0:0"] {
            assert_eq!(lookup(spec), Ok(root.clone()), "{spec}");
        }
        let made_up = User { name: "54321".to_owned(), uid: 54321, gid: 7 };
        assert_eq!(lookup("54321:7"), Ok(made_up));
    }

    #[test]
    fn unknown_names_are_told() {
        for (spec, part) in [
            ("no-such-user", "unknown user 'no-such-user'"),
            ("root:no-such-group", "unknown group 'no-such-group'"),
            ("54321", "54321:GROUP"),
            ("", "unknown user ''"),
        ] {
            let err = lookup(spec).expect_err(spec);
            assert!(err.contains(part), "{spec}: {err}");
        }
    }

    #[test]
    fn staying_oneself_needs_no_root() {
        if geteuid().is_root() {
            return assert_eq!(prove_dropped(geteuid()), Ok(()));
        }
        let me = User { name: "me".to_owned(), uid: geteuid().as_raw(), gid: 0 };
        assert_eq!(drop_to(&me), Ok(()));
        let other = User { uid: me.uid + 1, ..me };
        assert!(drop_to(&other).expect_err("no root").contains("not started as root"));
    }

    const MARK: &str = "CADDY_TEST_PRIVILEGES";

    /// Runs only inside the process that `root_is_gone_in_every_thread` starts.
    #[test]
    fn child() {
        if std::env::var_os(MARK).is_none() {
            return;
        }
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let before = std::thread::spawn(move || stopped.recv());
        drop_to(&lookup("54321:54321").expect("user")).expect("drop");
        let mut keepers = 0;
        for task in std::fs::read_dir("/proc/self/task").expect("tasks") {
            let status = task.expect("task").path().join("status");
            let status = std::fs::read_to_string(status).expect("status");
            let row = |name: &str| {
                let row = status.lines().find_map(|line| line.strip_prefix(name));
                row.expect("row").split_whitespace().collect::<Vec<_>>().join(" ")
            };
            assert_eq!(row("Uid:"), "54321 54321 54321 54321");
            assert_eq!(row("Gid:"), "54321 54321 54321 54321");
            assert!(["54321", ""].contains(&row("Groups:").as_str()), "{status}");
            let caps = [row("CapInh:"), row("CapPrm:"), row("CapEff:"), row("CapAmb:")];
            let none = "0000000000000000";
            let bind = "0000000000000400";
            assert!(caps == [none; 4] || caps == [none, bind, bind, none], "{caps:?}");
            keepers += usize::from(caps[2] == bind);
        }
        assert_eq!(keepers, 1, "only the thread that dropped");
        drop(stop);
        let _ = before.join();
    }

    #[test]
    fn root_is_gone_in_every_thread() {
        assert!(geteuid().is_root(), "this test needs root");
        let out = std::process::Command::new(std::env::current_exe().expect("exe"))
            .args(["--exact", "daemon::privileges::tests::child"])
            .env(MARK, "1")
            .output()
            .expect("run");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    }
}
