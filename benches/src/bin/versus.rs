//! The paired comparison.
//!
//! `cargo run --release -p tk-benches --bin versus -- OPTIONS`; `--help` lists them.

use std::path::PathBuf;
use std::process::ExitCode;

use tk_benches::case::Case;
use tk_benches::cases::{self, GROUPS, Scale};
use tk_benches::json::{self, Figures};
use tk_benches::machine::Machine;
use tk_benches::report::overview;
use tk_benches::runner::{self, Effort};
use tk_benches::table;

const USAGE: &str = "usage: versus [--quick] [--json FILE] [--list] [--overview] [FILTER]...

  --quick      ends within a minute for any one group
  --json FILE  writes the figures there
  --list       lists the cases and their contenders, and measures nothing
  --overview   only the cases of the picture in the README
  FILTER       only cases whose name contains one of these; a name begins with its group";

#[derive(Default)]
struct Options {
    quick: bool,
    json: Option<PathBuf>,
    list: bool,
    overview: bool,
    filters: Vec<String>,
}

impl Options {
    /// Whether a case with that name is measured. All cases are, unless an option or a filter
    /// selects some.
    fn want(&self, name: &str) -> bool {
        let all = !self.overview && self.filters.is_empty();
        let of_overview = self.overview && overview::cases().any(|case| case == name);
        all || of_overview || self.filters.iter().any(|filter| name.contains(filter))
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--list" => options.list = true,
            "--overview" => options.overview = true,
            "--json" => {
                let file = arguments.next().ok_or("--json needs a file")?;
                options.json = Some(file.into());
            }
            "--help" | "-h" => return Err(USAGE.to_owned()),
            flag if flag.starts_with('-') => return Err(format!("unknown: {flag}\n{USAGE}")),
            filter => options.filters.push(filter.to_owned()),
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
    let cases: Vec<_> = cases::all(Scale::Full)
        .into_iter()
        .filter(|case| options.want(&case.id()))
        .collect();
    if cases.is_empty() {
        eprintln!("no case has such a name; --list lists them");
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
    let effort = if options.quick {
        Effort::quick(most.into_iter().max().unwrap_or(1))
    } else {
        Effort::FULL
    };
    let (mut figures, mut failed) = (Vec::new(), false);
    // Each case is dropped before the next, so that the million timers of one do not disturb
    // another.
    for case in cases {
        eprint!("{} … ", case.id());
        match runner::run(&case, effort, &on) {
            Ok(of_case) => {
                eprintln!("{:.2} of {}", of_case.ratio, of_case.best_peer);
                figures.push(of_case);
                // After each case, so that a run that is interrupted leaves its figures.
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
    let waits: Vec<_> = figures.iter().flat_map(table::waits).collect();
    if !waits.is_empty() {
        println!("{}", table::columns(table::WAIT_HEAD, &waits));
    }
    // A missed goal is no failure. A case that could not be measured or written is one.
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Writes the figures so far to the file of `--json`, if there is one. Returns `false` if that
/// failed.
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
