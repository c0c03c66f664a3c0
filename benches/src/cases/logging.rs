//! Log lines, to a writer that takes no time.

use std::hint::black_box;
use std::io::sink;

use log::{Level, LevelFilter, Record};

use crate::adapter::{env_logger, tk};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Line, Logger};
use crate::measure::{Sample, repeat};
use crate::proof;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        case("disabled by level", Line::Full, Level::Debug, "target"),
        case("disabled by target", Line::Full, Level::Info, "quiet"),
        case("enabled, plain", Line::Plain, Level::Info, "target"),
        case(
            "enabled, thread name and time",
            Line::Full,
            Level::Info,
            "target",
        )
        .goal(0.8),
    ]
}

/// The steps of the `log` crate's macros, with this logger instead of the program's only one: the
/// level is compared first.
fn line<L: Logger>(logger: &L, level: Level, target: &str, operations: u64) -> Sample {
    let most = LevelFilter::Info;
    repeat(operations, || {
        if level <= black_box(most) {
            let mut record = Record::builder();
            let record = record
                .level(level)
                .target(target)
                .module_path(Some("benches"));
            let record = record.file(Some(file!())).line(Some(line!()));
            let number = black_box(7);
            logger
                .log()
                .log(&record.args(format_args!("request {number} served")).build());
        }
    })
}

fn case(name: &str, form: Line, level: Level, target: &'static str) -> Case {
    let mut case = Case::new("logging", name).floor(Floor::LocalLoad);
    enter!(case, proof::logger, L => {
        let logger = L::new(form, sink());
        move |operations| line::<L>(&logger, level, target, operations)
    }, [tk::Logging, env_logger::Env]);
    case
}
