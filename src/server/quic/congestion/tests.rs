//! The controllers over paths of which the figures are known.

use std::time::Duration;

use super::bbr::Bbr;
use super::control::{Control, INITIAL_WINDOW_PACKETS};
use super::cubic::Cubic;
use super::path::{Outcome, Path, World};

const MIB: u64 = 1 << 20;

fn bbr(world: &World, seed: u64) -> Box<dyn Control> {
    let random = fastrand::Rng::with_seed(seed);
    Box::new(Bbr::new(world.begin(), 1200, INITIAL_WINDOW_PACKETS * 1200, random))
}

fn cubic(world: &World) -> Box<dyn Control> {
    Box::new(Cubic::new(world.begin(), 1200, INITIAL_WINDOW_PACKETS * 1200))
}

fn alone(path: Path, is_bbr: bool, bytes: Option<u64>, end: Duration) -> (Outcome, World) {
    let mut world = World::new(path);
    let control = if is_bbr { bbr(&world, path.seed) } else { cubic(&world) };
    world.add(control, bytes);
    let outcome = world.run(end)[0];
    (outcome, world)
}

fn median(path: Path, is_bbr: bool, bytes: u64) -> u64 {
    median_of(|seed| {
        let path = Path { seed, ..path };
        let (outcome, _) = alone(path, is_bbr, Some(bytes), Duration::from_secs(120));
        outcome.done.unwrap().as_millis() as u64
    })
}

fn median_of(run: impl Fn(u64) -> u64) -> u64 {
    let mut times: Vec<u64> = (1..=15).map(run).collect();
    times.sort_unstable();
    times[7]
}

/// Mbit/s that arrived over the link.
fn rate(outcome: &Outcome, seconds: f64) -> f64 {
    outcome.received as f64 * 8.0 / 1e6 / seconds * 1228.0 / 1200.0
}

fn queue_of(path: Path, bdps: f64) -> Path {
    Path { queue: (path.bdp() as f64 * bdps) as u64, ..path }
}

#[test]
fn bbr_downloads_in_time_over_lossy_paths() {
    // Mbit/s, RTT in ms, loss, bytes, and the limit in ms for the median of 15 runs, from the
    // arrival of the request on. The link alone needs 440, 440, 440 and 880 ms and half an RTT.
    for (megabit, rtt, loss, bytes, most) in [
        (20.0, 50, 0.0, MIB / 10, 125),
        (20.0, 16, 0.0, MIB, 465),
        (20.0, 16, 0.02, MIB, 500),
        (20.0, 50, 0.01, MIB, 600),
        (20.0, 50, 0.03, MIB, 650),
        (100.0, 50, 0.002, 10 * MIB, 1200),
    ] {
        let path = Path { loss, ..queue_of(Path::new(megabit, rtt, 0), 1.0) };
        let took = median(path, true, bytes);
        assert!(took <= most, "{megabit} Mbit/s {rtt} ms {loss}: {took} ms");
    }
}

/// Random loss does not lower the rate for long. The links need 4,420, 4,420, 22,100 and 880 ms.
#[test]
fn bbr_keeps_its_rate_over_lossy_paths() {
    for (megabit, rtt, loss, mib, most) in [
        (20.0, 16, 0.02, 10, 4_650),
        (20.0, 150, 0.03, 10, 5_300),
        (20.0, 50, 0.03, 50, 24_000),
        (100.0, 150, 0.02, 10, 1_950),
    ] {
        let path = Path { loss, ..queue_of(Path::new(megabit, rtt, 0), 1.0) };
        let took = median(path, true, mib * MIB);
        assert!(took <= most, "{megabit} Mbit/s {rtt} ms {loss}: {took} ms");
    }
}

/// What flows lose because they share a link is not taken for random loss.
#[test]
fn several_bbr_lose_little() {
    let path = queue_of(Path::new(20.0, 50, 0), 0.5);
    let mut world = World::new(path);
    for seed in 1..=4 {
        let start = Duration::from_millis(700 * seed);
        let flow = bbr(&world, seed);
        world.add_at(start, flow, None);
    }
    for outcome in world.run(Duration::from_secs(60)) {
        assert!(outcome.loss() <= 0.018, "{outcome:?}");
    }
}

#[test]
fn bbr_downloads_in_time_when_losses_come_in_runs() {
    let path = Path { loss: 0.01, burst: 5.0, ..queue_of(Path::new(20.0, 50, 0), 1.0) };
    let took = median(path, true, MIB);
    assert!(took <= 700, "{took} ms");
}

#[test]
fn bbr_fills_a_link_and_loses_little() {
    for (megabit, rtt, seconds, bdps) in
        [(100.0, 50, 10, 1.0), (100.0, 50, 10, 4.0), (1000.0, 10, 2, 1.0), (20.0, 16, 30, 1.0)]
    {
        let path = queue_of(Path::new(megabit, rtt, 0), bdps);
        let (outcome, _) = alone(path, true, None, Duration::from_secs(seconds));
        let (rate, loss) = (rate(&outcome, seconds as f64), outcome.loss());
        assert!(rate >= 0.95 * megabit, "{megabit} Mbit/s {rtt} ms: {rate}");
        assert!(loss <= 0.005, "{megabit} Mbit/s {rtt} ms: {loss}");
    }
}

/// Startup ends before the queue overflows.
#[test]
fn bbr_loses_little_in_a_short_download() {
    for (megabit, rtt, bytes) in
        [(20.0, 50, MIB), (20.0, 16, MIB), (100.0, 16, MIB), (100.0, 50, 10 * MIB)]
    {
        let path = queue_of(Path::new(megabit, rtt, 0), 1.0);
        for seed in 1..=15 {
            let path = Path { seed, ..path };
            let (outcome, _) = alone(path, true, Some(bytes), Duration::from_secs(120));
            assert!(outcome.loss() <= 0.005, "{megabit} Mbit/s {rtt} ms: {outcome:?}");
        }
    }
}

/// A delay that varies is not mistaken for a queue for long: Startup goes on. The link alone needs
/// 900 ms.
#[test]
fn bbr_downloads_in_time_over_a_path_with_jitter() {
    for (jitter, most) in [(10, 1160), (30, 1360)] {
        let jitter = Duration::from_millis(jitter);
        let path = Path { jitter, ..queue_of(Path::new(100.0, 50, 0), 1.0) };
        let took = median(path, true, 10 * MIB);
        assert!(took <= most, "{jitter:?}: {took} ms");
    }
}

/// A page: its document, and its other files when the client has asked for them. A client that is
/// busy acknowledges late, which is no queue. The link alone needs 400 ms from the second part on,
/// which begins at 80 ms.
#[test]
fn bbr_downloads_a_page_in_time() {
    for (late, most) in [(0, 610), (10, 655), (20, 680)] {
        let took = median_of(|seed| page(Duration::from_millis(late), seed));
        assert!(took <= most, "{late} ms late: {took} ms");
    }
}

fn page(late: Duration, seed: u64) -> u64 {
    let path = Path {
        loss: 0.02,
        client_busy: (Duration::from_millis(70), Duration::from_millis(300)),
        client_delay: late,
        seed,
        ..queue_of(Path::new(20.0, 50, 0), 1.0)
    };
    let mut world = World::new(path);
    let control = bbr(&world, seed);
    world.add_in_two_parts(control, 4 << 10, Duration::from_millis(80), 1_000_000);
    world.run(Duration::from_secs(120))[0].done.unwrap().as_millis() as u64
}

#[test]
fn bbr_leaves_a_long_queue_empty() {
    let path = Path::new(20.0, 50, 2 * MIB);
    let (outcome, world) = alone(path, true, None, Duration::from_secs(60));
    assert!(world.longest_wait <= 2 * path.rtt, "{:?}", world.longest_wait);
    let rate = rate(&outcome, 60.0);
    assert!(rate >= 0.95 * 20.0, "{rate}");
    assert!(outcome.lost == 0, "{}", outcome.lost);
}

#[test]
fn bbr_and_cubic_share_a_link() {
    for (bdps, most) in [(1.0, 0.02), (4.0, 0.02)] {
        for seed in 1..=2 {
            let path = Path { seed, ..queue_of(Path::new(20.0, 50, 0), bdps) };
            let mut world = World::new(path);
            let flows = [bbr(&world, seed), cubic(&world)];
            flows.into_iter().for_each(|flow| world.add(flow, None));
            let outcomes = world.run(Duration::from_secs(60));
            for outcome in &outcomes {
                let share = rate(outcome, 60.0) / 20.0;
                assert!((0.3..=0.7).contains(&share), "queue of {bdps} BDP: {outcomes:?}");
            }
            assert!(outcomes[0].loss() <= most, "queue of {bdps} BDP: {outcomes:?}");
        }
    }
}

/// Of 2 ms, less than what counts as a queue.
#[test]
fn bbr_and_cubic_share_a_link_with_a_queue_that_the_rtt_does_not_show() {
    for seed in 1..=2 {
        let path = Path { seed, ..queue_of(Path::new(100.0, 4, 0), 0.5) };
        let mut world = World::new(path);
        let flows = [bbr(&world, seed), cubic(&world)];
        flows.into_iter().for_each(|flow| world.add(flow, None));
        let outcomes = world.run(Duration::from_secs(20));
        for outcome in &outcomes {
            let share = rate(outcome, 20.0) / 100.0;
            assert!((0.3..=0.7).contains(&share), "{outcomes:?}");
        }
        assert!(outcomes[0].loss() <= 0.015, "{outcomes:?}");
    }
}

#[test]
fn bbr_finds_what_another_flow_leaves() {
    let path = queue_of(Path::new(20.0, 50, 0), 1.0);
    let mut world = World::new(path);
    let flows = [(bbr(&world, 1), None), (bbr(&world, 2), Some(20 * MIB))];
    flows.into_iter().for_each(|(flow, bytes)| world.add(flow, bytes));
    let outcomes = world.run(Duration::from_secs(60));
    assert!(outcomes[1].done.is_some(), "{outcomes:?}");
    let all: f64 = outcomes.iter().map(|outcome| rate(outcome, 60.0)).sum();
    assert!(all >= 0.93 * 20.0, "{all}");
}

#[test]
fn cubic_fills_a_link() {
    for (megabit, rtt, bdps) in [(100.0, 50, 1.0), (20.0, 16, 1.0), (20.0, 50, 4.0)] {
        let path = queue_of(Path::new(megabit, rtt, 0), bdps);
        let (outcome, _) = alone(path, false, None, Duration::from_secs(10));
        let rate = rate(&outcome, 10.0);
        assert!(rate >= 0.95 * megabit, "{megabit} Mbit/s {rtt} ms: {rate}");
    }
}

#[test]
fn cubic_leaves_slow_start_before_a_long_queue_is_full() {
    let path = Path::new(20.0, 50, 2 * MIB);
    let (outcome, _) = alone(path, false, Some(4 * MIB), Duration::from_secs(10));
    assert!(outcome.lost == 0, "{outcome:?}");
}

#[test]
fn two_cubics_share_a_link() {
    let path = queue_of(Path::new(20.0, 50, 0), 1.0);
    let mut world = World::new(path);
    let flows = [cubic(&world), cubic(&world)];
    flows.into_iter().for_each(|flow| world.add(flow, None));
    for outcome in world.run(Duration::from_secs(60)) {
        let share = rate(&outcome, 60.0) / 20.0;
        assert!((0.3..=0.7).contains(&share), "{share}");
    }
}

#[test]
fn the_first_flight_is_paced_within_the_window() {
    for choice in [true, false] {
        let world = World::new(Path::new(20.0, 50, 0));
        let mut control = if choice { bbr(&world, 1) } else { cubic(&world) };
        assert_eq!(control.congestion_window(), 32 * 1200);
        // Far from the limit the window is large to raise the pacing rate; near the limit it is
        // exact.
        assert!(control.window() > 48 * 1200, "{}", control.window());
        control.on_sent(world.begin(), 22 * 1200);
        assert_eq!(control.window(), 32 * 1200);
    }
}
