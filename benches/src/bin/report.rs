//! Makes `docs/BENCHMARKS.md` and its pictures of the figures of `versus`.
//!
//! `cargo run --release -p tk-benches --bin report -- FILE [FOLDER]`

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tk_benches::{json, report};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(file), folder, None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: report FILE [FOLDER]\n\n  FILE    the output of versus --json");
        eprintln!("  FOLDER  where the page and its pictures go; docs of the project without it");
        return ExitCode::from(2);
    };
    let docs = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let folder = folder.unwrap_or_else(docs);
    let written = || -> Result<(), Box<dyn Error>> { report::write(&json::read(&file)?, &folder) };
    if let Err(error) = written() {
        eprintln!("{}: {error}", file.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
