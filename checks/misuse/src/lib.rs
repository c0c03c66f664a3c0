//! Programs that use the kit wrongly and must not compile: see `tests/misuse`.
//!
//! This is a package of its own, because `trybuild` once more checks all dependencies of the
//! package that it runs in, and `tk-checks` has many.
