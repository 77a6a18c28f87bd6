//! Wrong uses of `#[actor]` and `#[main]` are compile errors at the right place, and say what to do.
//!
//! Each file in `ui/` must fail with what its `.stderr` says. `TRYBUILD=overwrite cargo test --test macro_ui` writes these
//! files anew; read the difference before you keep it.

#[test]
fn wrong_uses_say_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
