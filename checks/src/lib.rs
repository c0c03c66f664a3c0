//! Checks across the crates of the kit. The tests are in `tests`, the stress program in `src/bin`;
//! the examples of `docs/MIGRATE.md` are run as documentation tests.

#[cfg(target_os = "linux")]
pub mod filter;

#[cfg(doctest)]
#[doc = include_str!("../../docs/MIGRATE.md")]
struct Migrate;
