//! The file that `versus` writes and `report` reads: an array of objects, one per case.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::case::OURS;
use crate::machine::Machine;

/// The figures of a case. Times are in nanoseconds per operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Its name, with the group before it.
    pub case: String,
    /// The unit of all costs.
    pub unit: String,
    /// Our cost: the median over the rounds.
    pub ours: f64,
    /// Each peer's cost.
    pub peers: BTreeMap<String, f64>,
    /// The peer with the lowest cost.
    pub best_peer: String,
    /// Ours over the best peer's: the median over the rounds, each of which has a ratio of its own.
    pub ratio: f64,
    /// A tenth of the ratios are below.
    pub ratio_lo: f64,
    /// A tenth of the ratios are above.
    pub ratio_hi: f64,
    /// The highest ratio that meets the goal.
    pub goal: Option<f64>,
    /// Whether all goals of the case are met; nothing if there is none.
    pub met: Option<bool>,
    /// Whether the index of fairness belongs to the goal.
    pub fair: bool,
    /// Whether more threads wanted to run than there were processors.
    pub oversubscribed: bool,
    /// How many threads wanted to run.
    pub threads: usize,
    /// How many rounds there were.
    pub rounds: usize,
    /// The step that no contender can be faster than.
    pub floor: Option<FloorFigures>,
    /// More about each contender.
    pub details: BTreeMap<String, Detail>,
    /// The machine on which it was measured.
    pub on: Machine,
}

/// The floor of a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FloorFigures {
    /// The name of the step.
    pub name: String,
    /// Its cost.
    pub value: f64,
    /// Our cost over it: the median over the rounds, as for the ratio.
    pub multiple: f64,
    /// The highest multiple that meets the goal.
    pub goal: Option<f64>,
}

/// More about one contender.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// A tenth of the rounds cost less.
    #[serde(default)]
    pub low: f64,
    /// A tenth of the rounds cost more.
    #[serde(default)]
    pub high: f64,
    /// Processor time per operation.
    pub processor: f64,
    /// Voluntary context switches per operation.
    pub switches: f64,
    /// Jain's index over the threads.
    pub fairness: Option<f64>,
    /// The longest wait of a thread, over all rounds.
    pub longest: Option<f64>,
    /// Quantiles of the latencies, at 1, 2, … 99 %.
    pub percentiles: Vec<f64>,
    /// The latency below which 99.9 % of those of all rounds are.
    #[serde(default)]
    pub nearly_all: Option<f64>,
    /// The time of one read over all threads, where threads read and write.
    #[serde(default)]
    pub read: Option<f64>,
    /// The time of one write over all threads, there.
    #[serde(default)]
    pub write: Option<f64>,
    /// How many operations a measurement had.
    pub operations: u64,
}

impl Figures {
    /// Whether the goals are met. A ratio is compared as goals are written, with two decimals.
    pub fn judge(&self) -> Option<bool> {
        let goal = self.goal?;
        let within = |ratio: f64, goal: f64| rounded(ratio) <= goal;
        let floor = self
            .floor
            .as_ref()
            .is_none_or(|floor| floor.goal.is_none_or(|goal| within(floor.multiple, goal)));
        Some(within(self.ratio, goal) && floor && (!self.fair || self.is_as_fair()))
    }

    /// Whether our index of fairness is no lower than the best peer's; true where there is none.
    pub fn is_as_fair(&self) -> bool {
        let of = |name: &str| self.details.get(name).and_then(|detail| detail.fairness);
        match (of(OURS), of(&self.best_peer)) {
            (Some(ours), Some(theirs)) => rounded(ours) >= rounded(theirs),
            _ => true,
        }
    }

    /// The group that it belongs to.
    pub fn group(&self) -> &str {
        self.case.split('/').next().unwrap_or_default()
    }

    /// Its name within the group.
    pub fn name(&self) -> &str {
        self.case
            .split_once('/')
            .map_or(&self.case, |(_, name)| name)
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Writes figures to a file.
///
/// # Errors
///
/// If it cannot be written.
pub fn write(path: &Path, figures: &[Figures]) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(figures)?;
    text.push('\n');
    fs::write(path, text)
}

/// Reads figures from a file.
///
/// # Errors
///
/// If it cannot be read, or holds something else.
pub fn read(path: &Path) -> io::Result<Vec<Figures>> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let detail = |fairness| Detail {
            fairness: Some(fairness),
            ..Detail::default()
        };
        Figures {
            case: "contention/lock".to_owned(),
            peers: [("a".to_owned(), 2.0)].into(),
            best_peer: "a".to_owned(),
            ratio: 1.004,
            goal: Some(1.0),
            floor: Some(FloorFigures {
                multiple: 3.0,
                ..FloorFigures::default()
            }),
            details: [
                (OURS.to_owned(), detail(0.9)),
                ("a".to_owned(), detail(0.95)),
            ]
            .into(),
            ..Figures::default()
        }
    }

    #[test]
    fn a_goal_is_met_if_all_of_it_is() {
        assert_eq!(figures().judge(), Some(true));
        assert_eq!(
            Figures {
                ratio: 1.006,
                ..figures()
            }
            .judge(),
            Some(false)
        );
        assert_eq!(
            Figures {
                goal: None,
                ..figures()
            }
            .judge(),
            None
        );
        assert_eq!(
            Figures {
                fair: true,
                ..figures()
            }
            .judge(),
            Some(false)
        );
        let mut figures = figures();
        figures.floor.as_mut().unwrap().goal = Some(1.2);
        assert_eq!(figures.judge(), Some(false));
    }

    #[test]
    fn what_is_written_can_be_read_and_has_the_names_that_were_promised() {
        let path = std::env::temp_dir().join(format!("tk-benches-{}.json", std::process::id()));
        write(&path, &[figures()]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(read(&path).unwrap(), [figures()]);
        fs::remove_file(&path).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for key in
            "case unit ours peers best_peer ratio ratio_lo ratio_hi goal met".split_whitespace()
        {
            assert!(value[0].get(key).is_some(), "{key}");
        }
        assert_eq!(value[0]["peers"]["a"], 2.0);
    }
}
