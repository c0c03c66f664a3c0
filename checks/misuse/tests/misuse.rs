//! Misuse that the types rule out: each program in `misuse` fails to compile, with the errors in
//! the file beside it.

#[test]
fn what_must_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/misuse/*.rs");
}
