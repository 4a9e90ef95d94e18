//! Which numbers of a sender have come: each is taken once, in any order within a window.

/// Numbers below the highest that are told apart.
const WIDTH: u64 = 2048;
const WORDS: usize = WIDTH as usize / 64;

#[derive(Debug, Clone)]
pub(super) struct Window {
    /// One more than the highest number.
    next: u64,
    came: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self { next: 0, came: [0; WORDS] }
    }
}

impl Window {
    /// What is older than the window counts as one that came.
    pub(super) fn is_new(&self, number: u64) -> bool {
        if number >= self.next {
            return number < u64::MAX;
        }
        self.next - number <= WIDTH && self.came[word(number)] & bit(number) == 0
    }

    /// Notes a number that is new.
    pub(super) fn note(&mut self, number: u64) {
        if number >= self.next {
            if number - self.next >= WIDTH {
                self.came = [0; WORDS];
            } else {
                (self.next..number).for_each(|skipped| self.came[word(skipped)] &= !bit(skipped));
            }
            self.next = number + 1;
        }
        self.came[word(number)] |= bit(number);
    }
}

fn word(number: u64) -> usize {
    (number % WIDTH / 64) as usize
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_number_is_taken_once() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..50 {
            let (mut window, mut came, mut top) = (Window::default(), HashSet::new(), 0_u64);
            for _ in 0..5000 {
                let near = top.saturating_sub(WIDTH + 50);
                let number = match random.u8(..10) {
                    0 => top + random.u64(..3 * WIDTH),
                    1..6 => top + 1,
                    _ => random.u64(near..=top),
                };
                let is_new = !came.contains(&number) && number + WIDTH > top.max(number);
                assert_eq!(window.is_new(number), is_new, "{number} of {top}");
                if is_new {
                    window.note(number);
                    came.insert(number);
                    top = top.max(number);
                }
            }
        }
        assert!(!Window::default().is_new(u64::MAX));
    }
}
