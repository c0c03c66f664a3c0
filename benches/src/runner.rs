//! The paired comparison, which works on a shared machine too.
//!
//! Every round measures each contender once, and the next round begins with another one. A
//! disturbance of the machine affects all contenders of a round, so the ratio is taken within the
//! round. The figure is the median over the rounds. The costs are medians too, and hold for the
//! machine as it was.

use std::time::{Duration, Instant};

use crate::case::{Case, Measure, OURS, Unproven};
use crate::json::{Detail, Figures, FloorFigures};
use crate::machine::Machine;
use crate::measure::{PerKind, Sample};
use crate::statistics::{median, percentiles, quantile};

/// How much time is spent on a case.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// On the rounds of one case, unless the fewest rounds take longer.
    pub time: Duration,
    /// The fewest rounds.
    pub least: usize,
    /// The most rounds.
    pub most: usize,
    /// Part of the length that a measurement should have.
    pub part: f64,
}

impl Effort {
    /// For figures to be published.
    pub const FULL: Effort = Effort {
        time: Duration::from_secs(6),
        least: 9,
        most: 101,
        part: 1.0,
    };

    /// For a group of that many cases within a minute.
    pub fn quick(cases: usize) -> Effort {
        let time = Duration::from_secs(40) / cases.max(1) as u32;
        Effort {
            time: time.min(Duration::from_secs(2)),
            least: 3,
            most: 31,
            part: 0.5,
        }
    }
}

/// A contender or a floor that is measured, and its samples so far.
struct Entrant {
    name: &'static str,
    role: Role,
    measure: Measure,
    /// The fewest operations of a measurement, then how many it has.
    operations: u64,
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Ours,
    Peer,
    Floor,
}

/// Proves the contenders of a case and measures them.
///
/// # Errors
///
/// If an adapter does not do what it should.
pub fn run(case: &Case, effort: Effort, on: &Machine) -> Result<Figures, Unproven> {
    for contender in &case.contenders {
        contender.prove()?;
    }
    let mut entrants = enter(case);
    let start = Instant::now();
    for entrant in &mut entrants {
        entrant.calibrate(case.length.mul_f64(effort.part));
    }
    let mut round = 0;
    while round < effort.least || (start.elapsed() < effort.time && round < effort.most) {
        for step in 0..entrants.len() {
            let turn = (round + step) % entrants.len();
            entrants[turn].run();
        }
        round += 1;
    }
    Ok(figures(case, &entrants, on))
}

fn enter(case: &Case) -> Vec<Entrant> {
    let entrant = |name, role, measure, least| Entrant {
        name,
        role,
        measure,
        operations: least,
        samples: Vec::new(),
    };
    let contenders = case.contenders.iter().map(|contender| {
        let role = if contender.name == OURS {
            Role::Ours
        } else {
            Role::Peer
        };
        entrant(contender.name, role, contender.prepare(), case.least)
    });
    let floor = case.floor.and_then(|floor| {
        let measure = floor.prepare()?;
        Some(entrant(floor.name(), Role::Floor, measure, floor.least()))
    });
    contenders.chain(floor).collect()
}

impl Entrant {
    /// Finds the number of operations that take that long. It is the warm-up too.
    fn calibrate(&mut self, length: Duration) {
        // The search ends even for an operation that takes no time.
        const MOST: u64 = 1 << 30;
        loop {
            let elapsed = (self.measure)(self.operations).elapsed;
            if elapsed >= length || self.operations >= MOST {
                return;
            }
            // In several steps, because the first operations may be slower than those that follow.
            let factor = length.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
            let operations = (self.operations as f64 * (factor * 1.1).min(16.0)).ceil() as u64;
            self.operations = operations.clamp(self.operations + 1, MOST);
        }
    }

    fn run(&mut self) {
        let sample = (self.measure)(self.operations);
        self.samples.push(sample);
    }

    fn costs(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.cost).collect()
    }

    fn cost(&self) -> f64 {
        median(&self.costs())
    }

    /// Ours over theirs, round by round.
    fn ratios_to(&self, other: &Entrant) -> Vec<f64> {
        // A lateness can be zero, by which nothing can be divided. It counts as a nanosecond.
        let rounds = self.samples.iter().zip(&other.samples);
        rounds
            .map(|(own, other)| own.cost.max(1.0e-3) / other.cost.max(1.0e-3))
            .collect()
    }

    fn detail(&self) -> Detail {
        let of =
            |part: fn(&Sample) -> f64| median(&self.samples.iter().map(part).collect::<Vec<_>>());
        let fairness: Vec<_> = self
            .samples
            .iter()
            .filter_map(|sample| sample.fairness)
            .collect();
        let longest = self.samples.iter().filter_map(|sample| sample.longest);
        let by_kind = |time: fn(PerKind) -> f64| {
            let times = self.samples.iter().filter_map(|sample| sample.per_kind);
            let times: Vec<_> = times.map(time).collect();
            (!times.is_empty()).then(|| median(&times))
        };
        let latencies: Vec<_> = self
            .samples
            .iter()
            .flat_map(|sample| sample.latencies.iter().copied())
            .collect();
        Detail {
            low: quantile(&self.costs(), 0.1),
            high: quantile(&self.costs(), 0.9),
            processor: of(|sample| sample.processor),
            switches: of(|sample| sample.switches),
            fairness: (!fairness.is_empty()).then(|| median(&fairness)),
            longest: longest.reduce(f64::max),
            percentiles: percentiles(&latencies),
            nearly_all: (!latencies.is_empty()).then(|| quantile(&latencies, 0.999)),
            read: by_kind(|times| times.read),
            write: by_kind(|times| times.write),
            operations: self.operations,
        }
    }
}

fn figures(case: &Case, entrants: &[Entrant], on: &Machine) -> Figures {
    let with = |role| entrants.iter().filter(move |entrant| entrant.role == role);
    let ours = with(Role::Ours).next().expect("a case has ours");
    let best = with(Role::Peer).min_by(|a, b| a.cost().total_cmp(&b.cost()));
    let best = best.expect("a case has a peer");
    let ratios = ours.ratios_to(best);
    let floor = with(Role::Floor).next().map(|floor| FloorFigures {
        name: floor.name.to_owned(),
        value: floor.cost(),
        multiple: median(&ours.ratios_to(floor)),
        goal: case.floor_goal,
    });
    let details = entrants
        .iter()
        .filter(|entrant| entrant.role != Role::Floor);
    let mut figures = Figures {
        case: case.id(),
        unit: "ns".to_owned(),
        ours: ours.cost(),
        peers: with(Role::Peer)
            .map(|peer| (peer.name.to_owned(), peer.cost()))
            .collect(),
        best_peer: best.name.to_owned(),
        ratio: median(&ratios),
        ratio_lo: quantile(&ratios, 0.1),
        ratio_hi: quantile(&ratios, 0.9),
        goal: case.goal,
        met: None,
        fair: case.fair,
        oversubscribed: case.is_oversubscribed(),
        threads: case.threads,
        rounds: ours.samples.len(),
        floor,
        details: details
            .map(|entrant| (entrant.name.to_owned(), entrant.detail()))
            .collect(),
        on: on.clone(),
    };
    figures.met = figures.judge();
    figures
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use super::*;

    /// A contender that takes as many nanoseconds as the list says, round by round.
    fn scripted(costs: &'static [f64], log: &Arc<Mutex<Vec<f64>>>) -> Measure {
        let (log, mut turn) = (Arc::clone(log), 0);
        Box::new(move |_| {
            let cost = costs[turn % costs.len()];
            turn += 1;
            log.lock().unwrap().push(cost);
            Sample {
                cost,
                elapsed: Duration::from_secs(1),
                ..Sample::default()
            }
        })
    }

    fn case(
        ours: &'static [f64],
        peers: &[(&'static str, &'static [f64])],
    ) -> (Case, Arc<Mutex<Vec<f64>>>) {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut case = Case::new("group", "case").goal(0.5);
        for (name, costs) in [(OURS, ours)].iter().chain(peers) {
            let (costs, log) = (*costs, Arc::clone(&log));
            case.enter(name, || Ok(()), move || scripted(costs, &log));
        }
        (case, log)
    }

    const THREE: Effort = Effort {
        time: Duration::ZERO,
        least: 3,
        most: 3,
        part: 1.0,
    };

    #[test]
    fn every_round_runs_each_once_and_begins_with_another() {
        let (case, log) = case(&[1.0], &[("a", &[2.0]), ("b", &[3.0])]);
        run(&case, THREE, &Machine::default()).unwrap();
        let order = log.lock().unwrap().clone();
        let (warm_up, rounds) = order.split_at(3);
        assert_eq!(warm_up, [1.0, 2.0, 3.0]);
        assert_eq!(rounds, [1.0, 2.0, 3.0, 2.0, 3.0, 1.0, 3.0, 1.0, 2.0]);
    }

    #[test]
    fn the_ratio_is_taken_within_the_round_and_to_the_best_peer() {
        // The first value of each is the warm-up. The machine is ten times as slow in the second
        // round.
        let ours: &[f64] = &[9.0, 1.0, 10.0, 1.5];
        let (case, _) = case(
            ours,
            &[("a", &[9.0, 2.0, 20.0, 2.0]), ("b", &[1.0, 4.0, 40.0, 4.0])],
        );
        let figures = run(&case, THREE, &Machine::default()).unwrap();
        assert_eq!(figures.best_peer, "a");
        assert_eq!(
            (figures.ratio, figures.ratio_lo, figures.ratio_hi),
            (0.5, 0.5, 0.75)
        );
        assert_eq!((figures.ours, figures.peers["b"]), (1.5, 4.0));
        assert_eq!((figures.met, figures.rounds), (Some(true), 3));
    }

    #[test]
    fn a_wrong_adapter_is_an_error_and_is_not_measured() {
        let (mut case, log) = case(&[1.0], &[("a", &[2.0])]);
        let measure = Arc::clone(&log);
        case.enter(
            "wrong",
            || Err("loses wake-ups".to_owned()),
            move || scripted(&[0.1], &measure),
        );
        let error = run(&case, THREE, &Machine::default()).unwrap_err();
        assert_eq!(
            (error.contender, &error.what[..]),
            ("wrong", "loses wake-ups")
        );
        assert!(log.lock().unwrap().is_empty());
    }

    #[test]
    fn calibration_finds_how_many_operations_take_that_long() {
        let measure: Measure = Box::new(|operations| {
            Sample::new(
                operations,
                Duration::from_nanos(10 * operations),
                Default::default(),
            )
        });
        let mut entrant = Entrant {
            name: "a",
            role: Role::Peer,
            measure,
            operations: 1,
            samples: vec![],
        };
        entrant.calibrate(Duration::from_micros(100));
        assert!(
            (10_000..13_000).contains(&entrant.operations),
            "{}",
            entrant.operations
        );
        entrant.operations = 7;
        entrant.calibrate(Duration::ZERO);
        assert_eq!(entrant.operations, 7);
    }
}
