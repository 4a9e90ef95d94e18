//! The controllers behind quinn's trait.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics};
use quinn_proto::RttEstimator;

use super::bbr::Bbr;
use super::control::{Acked, Control, Lost};
use super::cubic::Cubic;
use crate::congestion::Congestion;

/// Creates the controllers of new paths, with an initial window of so many packets.
pub(in crate::server::quic) fn factory(
    choice: Congestion,
    initial_packets: u64,
) -> Arc<dyn ControllerFactory + Send + Sync> {
    Arc::new(Factory { choice, initial_packets })
}

struct Factory {
    choice: Congestion,
    initial_packets: u64,
}

impl ControllerFactory for Factory {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        let mtu = u64::from(mtu);
        let initial_window = self.initial_packets * mtu;
        match self.choice {
            Congestion::Bbr => {
                let control = Bbr::new(now, mtu, initial_window, fastrand::Rng::new());
                Box::new(Quinn { control, initial_window })
            }
            Congestion::Cubic => {
                Box::new(Quinn { control: Cubic::new(now, mtu, initial_window), initial_window })
            }
        }
    }
}

#[derive(Clone)]
struct Quinn<C> {
    control: C,
    initial_window: u64,
}

impl<C: Control + Clone + 'static> Controller for Quinn<C> {
    fn on_sent(&mut self, now: Instant, bytes: u64, _last_packet_number: u64) {
        self.control.on_sent(now, bytes);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.control.on_ack(now, Acked { sent, bytes, app_limited, srtt: rtt.get() });
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        _app_limited: bool,
        _largest_packet_num_acked: Option<u64>,
    ) {
        self.control.on_end_acks(now, in_flight);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent: bool,
        bytes: u64,
    ) {
        self.control.on_lost(now, Lost { sent, bytes, is_persistent });
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        self.control.on_mtu(mtu.into());
    }

    fn window(&self) -> u64 {
        self.control.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.control.congestion_window();
        metrics.pacing_rate = self.control.pacing_rate().map(|rate| (rate * 8.0) as u64);
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.initial_window
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
