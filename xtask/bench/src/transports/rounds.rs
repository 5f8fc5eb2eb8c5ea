//! Rounds of measurement, and what they come to.

use std::time::Instant;

use super::lane::{Failure, Lane};

/// Rounds that count; one before them does not.
const ROUNDS: usize = 9;

/// What was measured on one lane: one figure a round.
#[derive(Debug, Default)]
pub(super) struct Measured {
    micros_per_message: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Measured {
    pub(super) fn micros_per_message(&self) -> f64 {
        median(self.micros_per_message.clone())
    }

    pub(super) fn p50_micros(&self) -> f64 {
        median(self.p50.clone())
    }

    pub(super) fn p99_micros(&self) -> f64 {
        median(self.p99.clone())
    }

    /// How many messages in the time in which `other` carries one.
    pub(super) fn throughput_to(&self, other: &Self) -> f64 {
        ratio(&other.micros_per_message, &self.micros_per_message)
    }

    pub(super) fn p50_to(&self, other: &Self) -> f64 {
        ratio(&self.p50, &other.p50)
    }

    pub(super) fn p99_to(&self, other: &Self) -> f64 {
        ratio(&self.p99, &other.p99)
    }
}

/// Measures the lanes in turn, round after round, with so many messages for throughput and latency.
pub(super) async fn measure(
    lanes: &[Box<dyn Lane>],
    (many, few): (usize, usize),
) -> Result<Vec<Measured>, Failure> {
    let mut all: Vec<_> = lanes.iter().map(|_| Measured::default()).collect();
    for round in 0..=ROUNDS {
        // Each round begins with another lane, so that nobody always comes after the same.
        for turn in 0..lanes.len() {
            let index = (round + turn) % lanes.len();
            let lane = lanes[index].as_ref();
            let began = Instant::now();
            futures_util::try_join!(lane.send(many), lane.receive(many))?;
            let micros = began.elapsed().as_secs_f64() * 1e6 / many as f64;
            let mut latencies = Vec::with_capacity(few);
            for _ in 0..few {
                latencies.push(lane.one().await?.as_secs_f64() * 1e6);
            }
            latencies.sort_by(f64::total_cmp);
            if round > 0 {
                let measured = &mut all[index];
                measured.micros_per_message.push(micros);
                measured.p50.push(latencies[few / 2]);
                measured.p99.push(latencies[(few * 99 / 100).min(few - 1)]);
            }
        }
    }
    Ok(all)
}

/// The median of the rounds' own ratios, in which the drift of the machine cancels out.
fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
