//! Programs that use the kit wrongly and must not compile: see `tests/misuse`.
//!
//! A package of its own, because `trybuild` checks all dependencies of the package that it runs in
//! once more. `tk-checks` has many.
