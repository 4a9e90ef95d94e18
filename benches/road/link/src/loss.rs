//! Which packets get lost: each by itself, or in runs (Gilbert-Elliott with a bad state in which
//! all are lost). The draws depend on the seed and the packet's number only, so that every server
//! loses the same packets of a seed.

use fastrand::Rng;

pub struct Loss {
    rng: Rng,
    process: Process,
}

enum Process {
    Single { share: f64 },
    Runs { enter: f64, leave: f64, bad: bool },
}

impl Loss {
    /// `share` of all packets is lost, in runs of `run` packets on average.
    pub fn new(share: f64, run: f64, rng: Rng) -> Self {
        let process = if run > 1.0 {
            let leave = 1.0 / run;
            Process::Runs { enter: share * leave / (1.0 - share), leave, bad: false }
        } else {
            Process::Single { share }
        };
        Self { rng, process }
    }

    pub fn takes_next(&mut self) -> bool {
        let draw = self.rng.f64();
        match &mut self.process {
            Process::Single { share } => draw < *share,
            Process::Runs { enter, leave, bad } => {
                *bad = if *bad { draw >= *leave } else { draw < *enter };
                *bad
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(share: f64, run: f64, seed: u64) -> Vec<bool> {
        let mut loss = Loss::new(share, run, Rng::with_seed(seed));
        (0..200_000).map(|_| loss.takes_next()).collect()
    }

    /// The lost share, and the mean length of a run.
    fn figures(draws: &[bool]) -> (f64, f64) {
        let lost = draws.iter().filter(|lost| **lost).count() as f64;
        let runs = draws.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        (lost / draws.len() as f64, lost / runs)
    }

    #[test]
    fn single_losses_have_their_share_and_come_alone() {
        let (share, run) = figures(&draws(0.02, 1.0, 1));
        assert!((0.018..0.022).contains(&share), "{share}");
        assert!((1.0..1.06).contains(&run), "{run}");
    }

    #[test]
    fn runs_keep_the_share_and_have_their_length() {
        let (share, run) = figures(&draws(0.02, 8.0, 1));
        assert!((0.016..0.024).contains(&share), "{share}");
        assert!((7.0..9.0).contains(&run), "{run}");
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        assert_eq!(draws(0.02, 4.0, 7), draws(0.02, 4.0, 7));
        assert_ne!(draws(0.02, 4.0, 7), draws(0.02, 4.0, 8));
    }

    #[test]
    fn without_loss_nothing_is_lost() {
        assert_eq!(figures(&draws(0.0, 1.0, 1)).0, 0.0);
        assert_eq!(figures(&draws(0.0, 4.0, 1)).0, 0.0);
    }
}
