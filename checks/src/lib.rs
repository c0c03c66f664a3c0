//! What is checked across the crates of the kit. The tests are in `tests`, the stress program in `src/bin`.
