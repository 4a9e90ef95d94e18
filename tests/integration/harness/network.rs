//! Machines that have networks of their own: namespaces on a bridge in the namespace of the test's
//! thread. None has a name, and all vanish with the processes that hold them.

use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

use super::world::skipped;
use super::{Setup, wait_for};

/// Where the machines reach what the test runs beside them.
pub const BESIDE: &str = "10.77.0.254";

pub struct Network {
    /// What holds the namespace of each machine.
    machines: Vec<Child>,
}

impl Network {
    /// Gives this thread, and all that it starts from now on, a network with so many machines;
    /// `None`, said aloud, where namespaces are refused.
    pub fn new(count: u8) -> Option<Self> {
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            skipped("this host refuses namespaces");
            return None;
        }
        ip(&[], "link set lo up");
        ip(&[], "link add bridge type bridge");
        ip(&[], &format!("address add {BESIDE}/24 dev bridge"));
        ip(&[], "link set bridge up");
        let mut network = Self { machines: Vec::new() };
        for number in 1..=count {
            network.machines.push(hold());
            let pid = network.machines.last().unwrap().id();
            let port = format!("port{number}");
            ip(&[], &format!("link add {port} type veth peer name eth0 netns {pid}"));
            ip(&[], &format!("link set {port} master bridge up"));
            let inside = ["nsenter".to_owned(), net(pid), "--".to_owned()];
            ip(&inside, "link set lo up");
            ip(&inside, &format!("address add 10.77.0.{number}/24 dev eth0"));
            ip(&inside, "link set eth0 up");
        }
        Some(network)
    }

    /// The address of a machine, counted from 0, with this port.
    pub fn at(&self, nth: usize, port: u16) -> SocketAddr {
        assert!(nth < self.machines.len());
        SocketAddr::new(IpAddr::from([10, 77, 0, u8::try_from(nth + 1).unwrap()]), port)
    }

    /// The server on this machine.
    pub fn on(&self, nth: usize, setup: Setup) -> Setup {
        setup.world(&format!("exec nsenter {} -- \"$@\"", net(self.machines[nth].id())))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for machine in &mut self.machines {
            let _ = machine.kill();
            let _ = machine.wait();
        }
    }
}

fn net(pid: u32) -> String {
    format!("--net=/proc/{pid}/ns/net")
}

/// A process in a namespace of its own.
fn hold() -> Child {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare", "--net", "sleep", "infinity"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("setpriv");
    let name = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/net")).ok();
    let (pid, ours) = (child.id().to_string(), name("thread-self"));
    wait_for("the namespace", Duration::from_secs(20), || {
        name(&pid).filter(|theirs| Some(theirs) != ours.as_ref())
    });
    child
}

/// Runs `ip`, within what these words lead into.
fn ip(within: &[String], words: &str) {
    let mut all = within.iter().map(String::as_str).chain(["ip"]).chain(words.split(' '));
    let done = Command::new(all.next().unwrap()).args(all).output().unwrap();
    assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
}
