//! The paired comparison.
//!
//! `cargo run --release -p tk-benches --bin versus -- [--quick] [--json FILE] [--list] [FILTER]`

use std::path::PathBuf;
use std::process::ExitCode;

use tk_benches::case::Case;
use tk_benches::cases::{self, GROUPS, Scale};
use tk_benches::json::{self, Figures};
use tk_benches::machine::Machine;
use tk_benches::runner::{self, Effort};
use tk_benches::table;

const USAGE: &str = "usage: versus [--quick] [--json FILE] [--list] [FILTER]

  --quick      ends within a minute for any one group
  --json FILE  writes the figures there
  --list       names the cases and who takes part, and measures nothing
  FILTER       only cases whose name contains this; a name begins with its group";

#[derive(Default)]
struct Options {
    quick: bool,
    json: Option<PathBuf>,
    list: bool,
    filter: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--list" => options.list = true,
            "--json" => {
                let file = arguments.next().ok_or("--json needs a file")?;
                options.json = Some(file.into());
            }
            "--help" | "-h" => return Err(USAGE.to_owned()),
            flag if flag.starts_with('-') => return Err(format!("unknown: {flag}\n{USAGE}")),
            filter if options.filter.is_none() => options.filter = Some(filter.to_owned()),
            other => return Err(format!("one filter only, and not {other}\n{USAGE}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let wanted = |case: &Case| {
        options
            .filter
            .as_ref()
            .is_none_or(|filter| case.id().contains(filter.as_str()))
    };
    let cases: Vec<_> = cases::all(Scale::Full).into_iter().filter(wanted).collect();
    if cases.is_empty() {
        eprintln!("no case has that in its name; --list names them");
        return ExitCode::from(2);
    }
    if options.list {
        list(&cases);
        return ExitCode::SUCCESS;
    }
    measure(cases, &options)
}

fn list(cases: &[Case]) {
    for case in cases {
        let names: Vec<_> = case
            .contenders
            .iter()
            .map(|contender| contender.name)
            .collect();
        println!("{}: {}", case.id(), names.join(", "));
    }
}

fn measure(cases: Vec<Case>, options: &Options) -> ExitCode {
    let on = Machine::here();
    let most = GROUPS.map(|group| cases.iter().filter(|case| case.group == group).count());
    let effort = match options.quick {
        true => Effort::quick(most.into_iter().max().unwrap_or(1)),
        false => Effort::FULL,
    };
    let (mut figures, mut failed) = (Vec::new(), false);
    // Each case is dropped before the next: a million timers of one are not to be in the way of another.
    for case in cases {
        eprint!("{} … ", case.id());
        match runner::run(&case, effort, &on) {
            Ok(of_case) => {
                eprintln!("{:.2} of {}", of_case.ratio, of_case.best_peer);
                figures.push(of_case);
                // After each: who has to stop it has what there is.
                failed |= !save(options, &figures);
            }
            Err(error) => {
                eprintln!("{error}");
                failed = true;
            }
        }
    }
    let rows: Vec<_> = figures.iter().map(table::row).collect();
    println!("{}", table::columns(table::HEAD, &rows));
    let details: Vec<_> = figures.iter().flat_map(table::details).collect();
    println!("{}", table::columns(table::DETAIL_HEAD, &details));
    // Whatever the figures say: only what could not be measured or written is a failure.
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Writes what has been measured, if anybody wants it. Returns whether that went well.
fn save(options: &Options, figures: &[Figures]) -> bool {
    let Some(path) = &options.json else {
        return true;
    };
    let written = json::write(path, figures);
    if let Err(error) = &written {
        eprintln!("{}: {error}", path.display());
    }
    written.is_ok()
}
