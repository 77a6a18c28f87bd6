//! Which code is test code: other rules hold there.
//!
//! Marked are the items under `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]` and `#[tokio::test]`, and whole files:
//! those in a `tests` folder, those called `tests.rs`, and those that a `#[cfg(test)] mod name;` brings in.
use crate::lexer::Source;

/// Marks the tokens that belong to tests. Gives the names of the modules that are test code in a file of their own.
pub fn mark(source: &mut Source) -> Vec<String> {
    let mut modules = Vec::new();
    let mut at = 0;
    while at < source.tokens.len() {
        if !(source.reads(at, &["#", "["]) && is_test_attribute(source, at)) {
            at += 1;
            continue;
        }
        let end = item_end(source, at);
        if let Some(name) = out_of_line(source, at, end) {
            modules.push(name);
        }
        for token in &mut source.tokens[at..=end] {
            token.test = true;
        }
        at = end + 1;
    }
    if source.reads(0, &["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
        mark_all(source);
    }
    modules
}

/// Marks a whole file.
pub fn mark_all(source: &mut Source) {
    for token in &mut source.tokens {
        token.test = true;
    }
}

/// Whether all of a file is test code, by its path.
pub fn is_test_path(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

fn is_test_attribute(source: &Source, at: usize) -> bool {
    let open = at + 1;
    let close = source.closing(open);
    let conditional = source.reads(open + 1, &["cfg", "("]);
    let names_test =
        (open + 1..close).any(|i| source.tokens[i].is("test") && !source.reads(i.saturating_sub(2), &["not", "("]));
    // `#[test]`, `#[tokio::test]` and `#[tokio::test(start_paused = true)]`, but not `#[doc(test(...))]`.
    let path_end = (open + 1..close).find(|&i| source.tokens[i].is("(")).unwrap_or(close);
    let is_test_macro = source.tokens[path_end - 1].is("test");
    (conditional && names_test) || (!conditional && is_test_macro)
}

/// The last token of the item whose first attribute stands at `at`.
fn item_end(source: &Source, at: usize) -> usize {
    let mut i = at;
    while i < source.tokens.len() {
        if source.reads(i, &["#", "["]) {
            i = source.closing(i + 1);
        } else if source.tokens[i].is("(") || source.tokens[i].is("[") {
            i = source.closing(i);
        } else if source.tokens[i].is("{") {
            let close = source.closing(i);
            // `use a::{b, c};` and `const A: B = B { … };` go on to their semicolon.
            return if source.reads(close + 1, &[";"]) { close + 1 } else { close };
        } else if source.tokens[i].is(";") || source.tokens[i].is(",") {
            return i;
        }
        i += 1;
    }
    source.tokens.len() - 1
}

fn out_of_line(source: &Source, at: usize, end: usize) -> Option<String> {
    (at..end).find(|&i| source.reads(i, &["mod", "*", ";"])).map(|i| source.tokens[i + 1].text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words outside tests, and the modules that are tests in a file of their own.
    fn split(text: &str) -> (Vec<String>, Vec<String>) {
        let mut source = Source::of(text);
        let modules = mark(&mut source);
        (source.tokens.into_iter().filter(|token| !token.test).map(|token| token.text).collect(), modules)
    }

    #[test]
    fn items_under_a_test_attribute_are_tests() {
        let rows = [
            ("a #[cfg(test)] mod tests { b(); } c", "a c"),
            ("a #[cfg(all(test, not(proscenium_loom)))] use b::{c, d}; e", "a e"),
            ("a #[test] fn b() -> [u8; 2] { c } d", "a d"),
            ("a #[tokio::test(start_paused = true)] #[allow(x)] async fn b() { c } d", "a d"),
            ("#![cfg(test)] a b", ""),
        ];
        for (row, (text, want)) in rows.into_iter().enumerate() {
            assert_eq!(split(text).0.join(" "), want, "row {row}: {text}");
        }
    }

    #[test]
    fn other_conditions_are_no_tests() {
        for text in ["#[cfg(not(test))] mod a { b }", "#[cfg(unix)] fn a() {}", "#[doc(test(attr(deny(x))))] fn a() {}"]
        {
            let all = Source::of(text).tokens.len();
            assert_eq!(split(text).0.len(), all, "{text}");
        }
    }

    #[test]
    fn a_test_module_in_its_own_file_is_named() {
        assert_eq!(split("mod a; #[cfg(test)] mod table; mod b;").1, ["table"]);
    }
}
