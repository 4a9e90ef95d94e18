//! What a reader must know before believing a report.

use super::figures::ArmSummary;

/// The share of requests over HTTP/3 in the arm without the offer above which it is said.
const LEAK: f64 = 0.05;
/// The share in the arm with the offer below which it is said.
const UNUSED: f64 = 0.05;
/// Visitors of both arms before their numbers are compared.
const VISITORS: u64 = 500;

/// A remark on a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The arm without the offer uses HTTP/3: the difference is diluted.
    Leak,
    /// The arm with the offer hardly uses it.
    Unused,
    /// The arms differ where they cannot, before visitors are told.
    Control,
    /// One arm has more visitors than chance allows: they are not divided at random.
    Uneven,
}

pub(super) fn of(arms: &[ArmSummary; 2], control: bool) -> Vec<Note> {
    let [offered, withheld] = arms;
    let visitors = [offered.counts.visitors, withheld.counts.visitors];
    let all = visitors[0] + visitors[1];
    let mut notes = Vec::new();
    if withheld.http3_share.is_some_and(|share| share > LEAK) {
        notes.push(Note::Leak);
    }
    if all >= VISITORS && offered.http3_share.is_some_and(|share| share < UNUSED) {
        notes.push(Note::Unused);
    }
    if control {
        notes.push(Note::Control);
    }
    // Four standard deviations of a fair coin.
    let away = visitors[0].abs_diff(visitors[1]) as f64;
    if all >= VISITORS && away > 4.0 * (all as f64).sqrt() {
        notes.push(Note::Uneven);
    }
    notes
}

impl Note {
    pub fn name(self) -> &'static str {
        match self {
            Self::Leak => "http3_without_offer",
            Self::Unused => "offer_not_used",
            Self::Control => "control_differs",
            Self::Uneven => "uneven_arms",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Leak => {
                "Visitors without the offer use HTTP/3 too: an HTTPS record in DNS offers it to all \
                 of them, or another address of the site does. The true difference is larger."
            }
            Self::Unused => {
                "Visitors with the offer hardly use HTTP/3: see whether UDP reaches this server."
            }
            Self::Control => {
                "The arms differ before visitors are told which one they are in: do not believe \
                 this report."
            }
            Self::Uneven => {
                "The arms have different numbers of visitors: a few networks send most of them."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::Counts;
    use super::*;

    fn arm(visitors: u64, share: f64) -> ArmSummary {
        let counts = Counts { visitors, ..Counts::default() };
        let (http3_share, none) = (Some(share), None);
        ArmSummary { counts, http3_share, failure_share: none, loss_share: none }
    }

    #[test]
    fn what_spoils_a_report_is_said() {
        let usual = arm(5000, 0.6);
        for (arms, control, notes) in [
            ([usual, arm(5050, 0.01)], false, &[][..]),
            ([usual, arm(5050, 0.3)], false, &[Note::Leak]),
            ([arm(5000, 0.01), arm(5050, 0.0)], false, &[Note::Unused]),
            ([arm(50, 0.01), arm(60, 0.0)], false, &[]),
            ([usual, arm(5050, 0.0)], true, &[Note::Control]),
            ([usual, arm(8000, 0.0)], false, &[Note::Uneven]),
        ] {
            assert_eq!(of(&arms, control), notes);
        }
    }
}
