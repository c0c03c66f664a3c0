//! The cases, by group.

pub mod contention;
pub mod independent;
pub mod locals;
pub mod logging;
pub mod many_locks;
pub mod once;
pub mod queue;
pub mod readers;
pub mod threads;
pub mod timeouts;
pub mod timers;
pub mod uncontended;
pub mod waits;
pub mod wakeup;

use crate::case::Case;

/// The groups, in the order of the tables.
pub const GROUPS: [&str; 13] = [
    "uncontended",
    "once",
    "contention",
    "independent",
    "wakeup",
    "queue",
    "readers",
    "waits",
    "timeouts",
    "timers",
    "locals",
    "threads",
    "logging",
];

/// How much the preparation of a case makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// All of it.
    Full,
    /// As little as possible, for a run that only shows that everything works.
    Trial,
}

/// All cases, group by group.
pub fn all(scale: Scale) -> Vec<Case> {
    let groups = [
        uncontended::cases(),
        once::cases(),
        contention::cases(),
        independent::cases(),
        wakeup::cases(),
        queue::cases(),
        readers::cases(),
        many_locks::cases(scale),
        waits::cases(),
        timeouts::cases(),
        timers::cases(scale),
        locals::cases(),
        threads::cases(scale),
        logging::cases(),
    ];
    groups.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::case::OURS;

    #[test]
    fn names_are_unique_and_groups_are_known() {
        let cases = all(Scale::Trial);
        let names: HashSet<_> = cases.iter().map(Case::id).collect();
        assert_eq!(names.len(), cases.len());
        for group in GROUPS {
            assert!(
                cases.iter().any(|case| case.group == group),
                "{group} is empty"
            );
        }
        assert!(cases.iter().all(|case| GROUPS.contains(&case.group)));
    }

    #[test]
    fn every_case_has_ours_once_a_peer_and_a_floor() {
        for case in all(Scale::Trial) {
            let names: Vec<_> = case
                .contenders
                .iter()
                .map(|contender| contender.name)
                .collect();
            let unique: HashSet<_> = names.iter().collect();
            assert_eq!(unique.len(), names.len(), "{}: {names:?}", case.id());
            assert!(
                names.contains(&OURS) && names.len() > 1,
                "{}: {names:?}",
                case.id()
            );
            assert!(case.floor.is_some(), "{}", case.id());
        }
    }

    #[test]
    fn every_adapter_proves_itself() {
        let mut proven = HashSet::new();
        for case in all(Scale::Trial) {
            for contender in &case.contenders {
                if proven.insert((contender.name, contender.proof() as usize)) {
                    let result = contender.prove();
                    assert_eq!(result, Ok(()), "{}", case.id());
                }
            }
        }
    }

    // `cargo bench -- --test` measures each of them once, too.
    #[test]
    fn every_contender_of_every_case_can_be_measured() {
        for case in all(Scale::Trial) {
            for contender in &case.contenders {
                let sample = contender.prepare()(3);
                let fine = sample.cost.is_finite() && sample.cost >= 0.0;
                assert!(fine, "{} of {}: {sample:?}", case.id(), contender.name);
            }
        }
    }
}
