//! Which of two copies of an entry holds, by their versions: the engine's number, which only grows.
//! An engine that failed over, or came back empty, has older ones than the machines.

use super::Stamp;

/// What a machine does with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Takes what the engine has.
    Adopt,
    /// Writes its own copy again, with the version that it had.
    Restore(Stamp),
    Same,
}

/// Compares the version of this machine's copy with the engine's; `None`: there is none.
pub fn judge(own: Option<Stamp>, engine: Option<Stamp>) -> Verdict {
    match (own, engine) {
        (own, engine) if own == engine => Verdict::Same,
        (Some(own), None) => Verdict::Restore(own),
        (Some(own), Some(engine)) if own > engine => Verdict::Restore(own),
        _ => Verdict::Adopt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_higher_version_holds() {
        assert_eq!(judge(None, None), Verdict::Same);
        assert_eq!(judge(Some(3), Some(3)), Verdict::Same);
        assert_eq!(judge(None, Some(3)), Verdict::Adopt);
        assert_eq!(judge(Some(2), Some(3)), Verdict::Adopt);
        assert_eq!(judge(Some(4), Some(3)), Verdict::Restore(4));
        assert_eq!(judge(Some(4), None), Verdict::Restore(4));
    }
}
