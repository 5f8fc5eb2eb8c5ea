//! Many pieces of work in turn: what disturbs the machine for a while disturbs all of them alike.
//!
//! Where one thread does everything, its own processor time is counted, the kernel's part included:
//! time in which other programs had the processor is nobody's.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::work::Work;

/// Turns of each piece of work.
const ROUNDS: usize = 60;

/// The times of one piece of work: microseconds for one repetition, one figure a round.
#[derive(Debug, Clone)]
pub struct Times(Vec<f64>);

impl Times {
    /// The median of the rounds, in microseconds.
    pub fn median_us(&self) -> f64 {
        median(self.0.clone())
    }

    /// How much longer this took than `reference`: the median of the rounds' own ratios, in which
    /// the drift of the machine cancels out.
    pub fn ratio_to(&self, reference: &Self) -> f64 {
        median(self.0.iter().zip(&reference.0).map(|(ours, theirs)| ours / theirs).collect())
    }
}

/// The time that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The processor time of this thread, for work that it does alone.
    Thread,
    /// The time that passes, for work of several threads.
    Wall,
}

impl Clock {
    /// How long one piece of work is measured before it is the next one's turn; longer where
    /// threads have to be woken for it.
    fn turn(self) -> Duration {
        match self {
            Self::Thread => Duration::from_millis(2),
            Self::Wall => Duration::from_millis(20),
        }
    }

    fn now(self) -> Duration {
        let time = clock_gettime(match self {
            Self::Thread => ClockId::ThreadCPUTime,
            Self::Wall => ClockId::Monotonic,
        });
        time.try_into().unwrap_or_else(|_| unreachable!("these clocks are never negative"))
    }
}

/// Measures all of them, in turn, round after round.
pub fn measure(work: &mut [Box<dyn Work>], clock: Clock) -> Vec<Times> {
    let counts: Vec<_> = work.iter_mut().map(|work| calibrate(work.as_mut(), clock)).collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); work.len()];
    for round in 0..ROUNDS {
        // Each round begins with another one, so that nobody always comes after the same.
        for turn in 0..work.len() {
            let index = (round + turn) % work.len();
            let spent = run(work[index].as_mut(), counts[index], clock);
            times[index].push(spent.as_secs_f64() * 1e6 / counts[index] as f64);
        }
    }
    times.into_iter().map(Times).collect()
}

/// How many repetitions fill a turn.
fn calibrate(work: &mut dyn Work, clock: Clock) -> usize {
    let mut count = 1;
    loop {
        let spent = run(work, count, clock);
        if spent >= clock.turn() / 2 {
            let turns = clock.turn().as_secs_f64() / spent.as_secs_f64();
            return ((count as f64 * turns) as usize).max(1);
        }
        count *= 2;
    }
}

/// The time of `count` repetitions, without what makes them ready.
fn run(work: &mut dyn Work, count: usize, clock: Clock) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let now = left.min(work.at_once());
        work.prepare(now);
        let began = clock.now();
        work.execute(now);
        spent += clock.now().saturating_sub(began);
        left -= now;
    }
    spent
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 {
        figures[middle]
    } else {
        f64::midpoint(figures[middle - 1], figures[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), 3.0);
        assert_eq!(median(vec![5.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let (ours, theirs) = (Times(vec![2.0, 20.0, 4.0]), Times(vec![1.0, 10.0, 1.0]));
        assert_eq!(ours.ratio_to(&theirs), 2.0);
    }
}
