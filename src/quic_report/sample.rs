//! One measured answer, and what it is divided by. No address and no time of day is part of it.

use std::time::Duration;

/// What a visitor is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arm {
    /// HTTP/3, by `Alt-Svc`.
    Offered,
    /// No HTTP/3: `Alt-Svc: clear`.
    Withheld,
}

impl Arm {
    pub const ALL: [Self; 2] = [Self::Offered, Self::Withheld];

    pub fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Withheld => "withheld",
        }
    }
}

/// Who measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This server.
    Server,
    /// The visitor's browser, by the beacon.
    Page,
}

/// What an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HTML.
    Page,
    /// What pages consist of: style sheets, scripts, images, fonts, audio and video.
    Asset,
    /// JSON, downloads and all else.
    Other,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Page, Self::Asset, Self::Other];

    /// By the value of `Content-Type`.
    pub fn of(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        match essence.split_once('/') {
            _ if matches!(&*essence, "text/html" | "application/xhtml+xml") => Self::Page,
            Some(("image" | "font" | "audio" | "video", _)) => Self::Asset,
            _ if matches!(
                &*essence,
                "text/css" | "text/javascript" | "application/javascript" | "application/wasm"
            ) =>
            {
                Self::Asset
            }
            _ => Self::Other,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Asset => "asset",
            Self::Other => "other",
        }
    }
}

/// Round-trip times that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    Near,
    Middle,
    Far,
    VeryFar,
}

impl Band {
    pub const ALL: [Self; 4] = [Self::Near, Self::Middle, Self::Far, Self::VeryFar];

    fn of(rtt: Duration) -> Self {
        match rtt.as_millis() {
            ..30 => Self::Near,
            30..80 => Self::Middle,
            80..160 => Self::Far,
            _ => Self::VeryFar,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "RTT below 30 ms",
            Self::Middle => "RTT 30 to 80 ms",
            Self::Far => "RTT 80 to 160 ms",
            Self::VeryFar => "RTT above 160 ms",
        }
    }
}

/// One measured answer, or one beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    pub source: Source,
    pub arm: Arm,
    pub kind: Kind,
    /// Tenths of a millisecond: the round trip to the visitor, before it was told of its arm.
    pub rtt: u16,
    /// It came over HTTP/3, whatever was offered.
    pub http3: bool,
    /// The visitor had been told of its arm before: only then can the arms differ.
    pub told: bool,
    /// Samples of one visitor on one day have the same number, drawn when the visitor came.
    pub visitor: u16,
    /// Microseconds, [`Self::NOTHING`] where there was nothing to measure. The server's: from the
    /// first packet to the first request, and from the request to the first and the last
    /// acknowledged byte. The page's: set-up of the connection, from the request to the response's
    /// first byte, and LCP.
    pub times: [u32; 3],
}

impl Sample {
    pub const NOTHING: u32 = u32::MAX;

    /// A round trip as it is kept.
    pub fn round_trip(rtt: Duration) -> u16 {
        u16::try_from(rtt.as_micros() / 100).unwrap_or(u16::MAX)
    }

    pub fn band(&self) -> Band {
        Band::of(Duration::from_micros(u64::from(self.rtt) * 100))
    }

    /// Microseconds as they are kept: what is longer than an hour is an hour.
    pub fn time(time: Duration) -> u32 {
        const HOUR: u128 = 3_600_000_000;
        u32::try_from(time.as_micros().min(HOUR)).unwrap_or(Self::NOTHING)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A page for a visitor who was told; its arm is the number's last bit.
    pub(in crate::quic_report) fn sample(visitor: u16, micros: u32) -> Sample {
        Sample {
            source: Source::Server,
            arm: Arm::ALL[usize::from(visitor % 2)],
            kind: Kind::Page,
            rtt: 500,
            http3: false,
            told: true,
            visitor,
            times: [Sample::NOTHING, micros / 2, micros],
        }
    }

    #[test]
    fn answers_are_divided_by_their_type() {
        for (content_type, kind) in [
            ("text/html; charset=utf-8", Kind::Page),
            ("Text/HTML", Kind::Page),
            ("application/xhtml+xml", Kind::Page),
            ("text/css", Kind::Asset),
            ("image/webp", Kind::Asset),
            ("application/json", Kind::Other),
            ("", Kind::Other),
            ("nonsense", Kind::Other),
        ] {
            assert_eq!(Kind::of(content_type), kind, "{content_type}");
        }
    }

    #[test]
    fn a_time_never_looks_like_none() {
        assert_eq!(Sample::time(Duration::from_micros(17)), 17);
        assert_eq!(Sample::time(Duration::MAX), 3_600_000_000);
    }

    #[test]
    fn round_trips_have_bands() {
        for (millis, band) in [
            (0, Band::Near),
            (29, Band::Near),
            (30, Band::Middle),
            (80, Band::Far),
            (160, Band::VeryFar),
            (99_999, Band::VeryFar),
        ] {
            let rtt = Sample::round_trip(Duration::from_millis(millis));
            assert_eq!(Sample { rtt, ..sample(1, 1) }.band(), band, "{millis}");
        }
    }
}
