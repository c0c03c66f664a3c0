//! What the types rule out: each file in `misuse` must fail to compile, for the reason that stands beside it.

#[test]
fn what_must_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/misuse/*.rs");
}
