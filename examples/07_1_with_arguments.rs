//! Threads that run a value of your own type, with the arguments as its fields.

use std::collections::BTreeMap;

use log::{LevelFilter, debug};
use tk_threading::{Run, logging};

/// The arguments of the thread. Python hides them from a subclass of `Thread`, which has to keep a
/// second copy. Here, the value that runs is a plain struct.
struct MyThreadWithArgs {
    args: (u32,),
    kwargs: BTreeMap<&'static str, &'static str>,
}

impl Run for MyThreadWithArgs {
    type Output = ();

    fn run(self) {
        debug!("running with {:?} and {:?}", self.args, self.kwargs);
    }
}

/// Starts five of them.
pub fn main() {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    tk_threading::main(|| {
        for i in 0..5 {
            let t = MyThreadWithArgs {
                args: (i,),
                kwargs: BTreeMap::from([("a", "A"), ("b", "B")]),
            };
            t.start();
        }
    });
}
