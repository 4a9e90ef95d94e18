//! A road between two TUN devices, which are its standard input (the clients' end) and its
//! standard output (the servers' end): whoever opened them had the rights and chose the network
//! namespaces, so this program needs neither. It says "up" on standard error, carries IPv4 until it
//! gets TERM, and then writes there what it counted, as JSON.

mod direction;
mod loss;
mod options;
mod packet;
mod road;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl::{set_pdeathsig, set_timerslack};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{read, write};

use options::{Options, USAGE};
use road::{End, Road};

/// Packets that are read from one end before packets that are due leave.
const BATCH: usize = 64;
/// Packets that are due closer together than this leave together: at 1 Gbit/s a packet takes 12 µs,
/// and to sleep for each would keep a core busy.
const SHORTEST_SLEEP: Duration = Duration::from_micros(50);
/// The kernel's default would make each sleep 50 µs longer.
const TIMER_SLACK_NS: u64 = 1;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("roadlink: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut road = Road::new(&options);
    match carry(&mut road) {
        Ok(()) => {
            eprintln!("{}", road.counts());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("roadlink: {error}");
            ExitCode::FAILURE
        }
    }
}

fn carry(road: &mut Road) -> Result<(), Errno> {
    let (input, output) = (io::stdin(), io::stdout());
    let ends = [(End::Clients, input.as_fd()), (End::Servers, output.as_fd())];
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let stop = SignalFd::new(&signals)?;
    set_pdeathsig(Signal::SIGTERM)?;
    set_timerslack(TIMER_SLACK_NS)?;
    let start = Instant::now();
    let mut buffer = vec![0; 1 << 16];
    for (_, tun) in ends {
        discard(tun, &mut buffer)?;
    }
    eprintln!("up");
    loop {
        let sleep = road.next().map(|due| due.saturating_sub(start.elapsed()).max(SHORTEST_SLEEP));
        let mut watched =
            [ends[0].1, ends[1].1, stop.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match ppoll(&mut watched, sleep.map(Into::into), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        if watched[2].any() == Some(true) {
            return Ok(());
        }
        for (end, tun) in ends {
            receive(road, end, tun, &mut buffer, start)?;
        }
        for (end, tun) in ends {
            while let Some(packet) = road.depart(start.elapsed(), end) {
                // A device that is being taken down accepts nothing; nobody is there to miss it.
                let _ = write(tun, &packet);
            }
        }
    }
}

fn receive(
    road: &mut Road,
    end: End,
    tun: BorrowedFd<'_>,
    buffer: &mut [u8],
    start: Instant,
) -> Result<(), Errno> {
    for _ in 0..BATCH {
        match read(tun, buffer) {
            Ok(length) => road.arrive(start.elapsed(), end, buffer[..length].to_vec()),
            Err(Errno::EAGAIN | Errno::EINTR) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What waited before this road was there belongs to another.
fn discard(tun: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(), Errno> {
    loop {
        match read(tun, buffer) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
