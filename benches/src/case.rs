//! A case: a workload, its contenders, and its goals.

use std::fmt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::floor::Floor;
use crate::measure::Sample;

/// The name of the project's own contender.
pub const OURS: &str = "tk";

/// Performs that many operations, and returns the measurement.
pub type Measure = Box<dyn FnMut(u64) -> Sample>;

/// A workload, its contenders, and its goals.
pub struct Case {
    /// The first word of its name, which is a group of `cargo bench`.
    pub group: &'static str,
    /// The rest of its name.
    pub name: String,
    /// The ratio, ours over the best peer's, that it should reach.
    pub goal: Option<f64>,
    /// The multiple of the floor that it should reach.
    pub floor_goal: Option<f64>,
    /// Whether the index of fairness belongs to the goal: no lower than the best peer's.
    pub fair: bool,
    /// The step that no contender can be faster than.
    pub floor: Option<Floor>,
    /// The number of threads that want to run at the same time.
    pub threads: usize,
    /// How long one measurement should take.
    pub length: Duration,
    /// The fewest operations of one measurement.
    pub least: u64,
    /// The contenders.
    pub contenders: Vec<Contender>,
}

/// A type that takes part in a case.
pub struct Contender {
    /// [`OURS`], or a peer's name.
    pub name: &'static str,
    prove: Proof,
    prepare: Box<dyn Fn() -> Measure>,
}

/// Shows that an adapter does what its trait says, or returns its fault.
pub type Proof = fn() -> Result<(), String>;

/// An adapter that does not do what its trait says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproven {
    /// The contender whose adapter it is.
    pub contender: &'static str,
    /// Its fault.
    pub what: String,
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the adapter of {} is wrong: {}",
            self.contender, self.what
        )
    }
}

impl std::error::Error for Unproven {}

/// How long a proof may take. A proof takes milliseconds, even on a busy machine, unless a lost
/// wake-up keeps it from ending.
const PATIENCE: Duration = Duration::from_secs(30);

impl Contender {
    /// Makes all that the case needs before it is measured, and returns the function that measures
    /// it.
    pub fn prepare(&self) -> Measure {
        (self.prepare)()
    }

    /// Shows that its adapter does what it should.
    ///
    /// # Errors
    ///
    /// If it does not. A proof that does not come to an end is left behind in its thread.
    pub fn prove(&self) -> Result<(), Unproven> {
        self.prove_within(PATIENCE)
    }

    /// The function that shows that.
    pub fn proof(&self) -> Proof {
        self.prove
    }

    fn prove_within(&self, patience: Duration) -> Result<(), Unproven> {
        let (sender, receiver) = mpsc::channel();
        let prove = self.prove;
        thread::spawn(move || sender.send(prove()));
        let proven = match receiver.recv_timeout(patience) {
            Ok(proven) => proven,
            Err(mpsc::RecvTimeoutError::Timeout) => Err("it does not come to an end".to_owned()),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err("it panics".to_owned()),
        };
        proven.map_err(|what| Unproven {
            contender: self.name,
            what,
        })
    }
}

impl Case {
    /// A case without contenders, in which one thread runs.
    pub fn new(group: &'static str, name: impl Into<String>) -> Case {
        Case {
            group,
            name: name.into(),
            goal: None,
            floor_goal: None,
            fair: false,
            floor: None,
            threads: 1,
            length: Duration::from_millis(2),
            least: 1,
            contenders: Vec::new(),
        }
    }

    /// The ratio that it should reach.
    pub fn goal(self, goal: f64) -> Case {
        Case {
            goal: Some(goal),
            ..self
        }
    }

    /// The step that no contender can be faster than.
    pub fn floor(self, floor: Floor) -> Case {
        Case {
            floor: Some(floor),
            ..self
        }
    }

    /// The number of threads that want to run at the same time.
    pub fn threads(self, threads: usize) -> Case {
        Case { threads, ..self }
    }

    /// How long one measurement should take, if not two milliseconds.
    pub fn length(self, length: Duration) -> Case {
        Case { length, ..self }
    }

    /// The fewest operations of one measurement.
    pub fn least(self, least: u64) -> Case {
        Case { least, ..self }
    }

    /// Adds a contender.
    pub fn enter(
        &mut self,
        name: &'static str,
        prove: Proof,
        prepare: impl Fn() -> Measure + 'static,
    ) {
        self.contenders.push(Contender {
            name,
            prove,
            prepare: Box::new(prepare),
        });
    }

    /// Its whole name.
    pub fn id(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }

    /// Whether more threads want to run than there are processors.
    pub fn is_oversubscribed(&self) -> bool {
        self.threads > crate::machine::processors()
    }
}

/// Enters types into a case: `enter!(case, proof::mutex, M => |ops| measure::<M>(ops), [A, B])`. An
/// expression before the closure is evaluated each time the contender is prepared.
macro_rules! enter {
    ($case:ident, $proofs:ident::$proof:ident, $kind:ident => $measure:expr,
        [$($contender:ty),+ $(,)?]) => {
        $({
            type $kind = $contender;
            let name = <$kind as $crate::kind::Named>::NAME;
            $case.enter(name, $proofs::$proof::<$kind>, move || Box::new($measure));
        })+
    };
}
pub(crate) use enter;

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(prove: Proof) -> Contender {
        Contender {
            name: "peer",
            prove,
            prepare: Box::new(|| Box::new(|_| Sample::default())),
        }
    }

    #[test]
    fn a_proof_that_hangs_or_panics_is_an_error() {
        let hangs = contender(|| {
            loop {
                thread::park();
            }
        });
        let error = hangs.prove_within(Duration::from_millis(10)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the adapter of peer is wrong: it does not come to an end"
        );
        let panics = contender(|| panic!("on purpose"));
        assert_eq!(panics.prove().unwrap_err().what, "it panics");
        assert_eq!(contender(|| Ok(())).prove(), Ok(()));
    }

    #[test]
    fn more_threads_than_processors_are_oversubscribed() {
        let processors = crate::machine::processors();
        assert!(
            !Case::new("group", "case")
                .threads(processors)
                .is_oversubscribed()
        );
        assert!(
            Case::new("group", "case")
                .threads(processors + 1)
                .is_oversubscribed()
        );
    }
}
