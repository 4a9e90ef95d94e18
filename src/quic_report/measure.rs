//! The times that the arms are compared by.

use super::sample::{Sample, Source};

/// A time of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// What a visitor waits: on a new connection from its first packet, on an open one from the
    /// request, to the last acknowledged byte of the answer.
    Wait,
    /// From the first packet to the first request.
    Setup,
    /// From the request to the first acknowledged byte.
    FirstByte,
    /// From the request to the last acknowledged byte.
    LastByte,
    /// By the beacon: setting up the connection.
    PageConnect,
    /// By the beacon: from the request to the first byte of the response.
    PageResponse,
    /// By the beacon: Largest Contentful Paint.
    PageLcp,
}

impl Measure {
    pub const ALL: [Self; 7] = [
        Self::Wait,
        Self::Setup,
        Self::FirstByte,
        Self::LastByte,
        Self::PageConnect,
        Self::PageResponse,
        Self::PageLcp,
    ];

    /// As JSON and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Setup => "setup",
            Self::FirstByte => "first_byte",
            Self::LastByte => "last_byte",
            Self::PageConnect => "page_connect",
            Self::PageResponse => "page_response",
            Self::PageLcp => "page_lcp",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Wait => "wait for an answer",
            Self::Setup => "first packet to first request",
            Self::FirstByte => "request to first acknowledged byte",
            Self::LastByte => "request to last acknowledged byte",
            Self::PageConnect => "beacon: connection set-up",
            Self::PageResponse => "beacon: request to first byte",
            Self::PageLcp => "beacon: Largest Contentful Paint",
        }
    }

    pub fn source(self) -> Source {
        match self {
            Self::Wait | Self::Setup | Self::FirstByte | Self::LastByte => Source::Server,
            Self::PageConnect | Self::PageResponse | Self::PageLcp => Source::Page,
        }
    }

    /// In microseconds; `None` where the sample has none.
    pub fn of(self, sample: &Sample) -> Option<u32> {
        if sample.source != self.source() {
            return None;
        }
        let known = |time: u32| (time != Sample::NOTHING).then_some(time);
        let [first, second, third] = sample.times.map(known);
        match self {
            Self::Wait => Some(third?.saturating_add(first.unwrap_or(0))),
            Self::Setup | Self::PageConnect => first,
            Self::FirstByte | Self::PageResponse => second,
            Self::LastByte | Self::PageLcp => third,
        }
    }
}
