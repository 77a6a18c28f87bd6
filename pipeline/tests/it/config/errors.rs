//! Everything that can be wrong with a file: where it is said, and in which words.

use std::fmt::Write as _;

use proscenium_pipeline::config::Format;

use super::ends::read;
use crate::test_snapshot::assert_snapshot;

/// Reads each file, compares place and first words of all its errors, and the whole texts with a snapshot.
#[track_caller]
fn table(format: Format, path: &str, snapshot: &str, rows: &[(&str, &[&str])]) {
    let mut texts = String::new();
    let mut others = String::new();
    for (file, want) in rows {
        let found = match read(format, path, file.as_bytes()) {
            Err(wrong) => {
                writeln!(texts, "{wrong}\n").unwrap();
                wrong
                    .shown()
                    .iter()
                    .map(|found| format!("{}:{}+{} {}", found.line, found.column, found.len, found.what))
                    .collect()
            }
            Ok(_) => vec!["it is good".to_owned()],
        };
        if found != *want {
            writeln!(others, "({file:?}, &{found:?}),").unwrap();
        }
    }
    assert!(others.is_empty(), "these are others now:\n{others}");
    assert_snapshot(snapshot, &texts);
}

#[test]
fn lines() {
    let rows: &[(&str, &[&str])] = &[
        ("", &["1:1+1 there is no stage that is enabled"]),
        ("a|x.so||no|FAIL_FAST|0|1\n", &["2:1+1 there is no stage that is enabled"]),
        ("# Format: library|name\na|x.so||1|FAIL_FAST|0|1", &["1:1+22 the header names other fields"]),
        ("  a|x.so|k=v|true", &["1:3+15 the line has 4 of 7 fields"]),
        ("a|x.so||1|FAIL_FAST|0|1|more|", &["1:25+5 the line has 9 fields, and 7 are known"]),
        ("a|x.so|k=\u{1b}[2J|1|FAIL_FAST|0|1", &["1:10+1 there is a control character, U+001B"]),
        ("|x.so||1|FAIL_FAST|0|1", &["1:1+1 the stage's name is empty"]),
        ("a b|x.so||1|FAIL_FAST|0|1", &["1:1+3 the stage's name `a b` has ` ` in it"]),
        ("a||k=v|1|FAIL_FAST|0|1", &["1:3+1 the library is missing"]),
        ("a|missing.so||1|FAIL_FAST|0|1", &["1:3+10 there is no library `missing.so`"]),
        ("a|x.so|k|1|FAIL_FAST|0|1", &["1:8+1 the parameter `k` has no `=`"]),
        ("a|x.so|k=1, ,l=2,|1|FAIL_FAST|0|1", &["1:13+1 a parameter is empty", "1:18+1 a parameter is empty"]),
        ("a|x.so|=v|1|FAIL_FAST|0|1", &["1:8+2 a parameter has no key"]),
        ("a|x.so|k=1,k=2|1|FAIL_FAST|0|1", &["1:12+1 the parameter `k` is there twice"]),
        (r"a|x.so|k=\d+|1|FAIL_FAST|0|1", &[r"1:10+2 `\d` is no escape"]),
        ("a|x.so||maybe|FAIL_FAST|0|1", &["1:9+5 the field `enabled` is `maybe`"]),
        ("a|x.so||1|RETRY_WITH_BACKOF|0|1", &["1:11+17 there is no failover policy `RETRY_WITH_BACKOF`"]),
        ("a|x.so||1||0|1", &["1:11+1 the failover policy is missing"]),
        ("a|x.so||1|FAIL_FAST:3|0|1", &["1:11+11 FAIL_FAST has nothing behind it, and here is `3`"]),
        ("a|x.so||1|FAILOVER_TO|0|1", &["1:11+11 FAILOVER_TO names no stage"]),
        ("a|x.so||1|CIRCUIT_BREAKER:0:5|0|1", &["1:11+19 `0:5` are no limits of a circuit"]),
        ("a|x.so||1|FAILOVER_TO:a|0|1", &["1:11+13 `a` cannot stand in for itself"]),
        ("spare|x.so||1|FAIL_FAST|0|1\nb|x.so||1|FAILOVER_TO:spair|0|1", &["2:11+17 there is no stage `spair`"]),
        (
            "a|x.so||no|FAIL_FAST|0|1\nb|x.so||1|FAILOVER_TO:a|0|1",
            &["2:11+13 the stage `a` is not enabled, so it cannot stand in"],
        ),
        (
            "a|x.so||1|FAILOVER_TO:b|0|1\nb|x.so||1|FAILOVER_TO:a|0|1",
            &["1:11+13 the stand-ins of `a` have no end", "2:11+13 the stand-ins of `b` have no end"],
        ),
        ("a|x.so||1|FAIL_FAST|0|1\na|x.so||1|FAIL_FAST|0|1", &["2:1+1 the name `a` is there twice"]),
        ("a|x.so||1|FAIL_FAST|1001|1", &["1:21+4 the field `max_retries` is `1001`"]),
        ("a|x.so||1|FAIL_FAST|0|0", &["1:23+1 the field `timeout_ms` is `0`"]),
        (
            "a|x.so||1|FAIL_FAST|-1|5s",
            &["1:21+2 the field `max_retries` is `-1`", "1:24+2 the field `timeout_ms` is `5s`"],
        ),
        ("a|${NONE}||1|FAIL_FAST|0|1", &["1:3+7 the variable `NONE` is not set"]),
        ("a|x.so|k=v,l=a${2}|1|FAIL_FAST|0|1", &["1:15+4 `2` cannot be the name of a variable"]),
        ("a|x.so|k=${ONE|1|FAIL_FAST|0|1", &["1:10+5 `${` is not closed"]),
        (
            "\tä|missing.so|k\t|maybe|FAIL|x|y",
            &[
                "1:2+1 the stage's name `ä` has `ä` in it",
                "1:4+10 there is no library `missing.so`",
                "1:15+1 the parameter `k` has no `=`",
                "1:18+5 the field `enabled` is `maybe`",
                "1:24+4 there is no failover policy `FAIL`",
                "1:29+1 the field `max_retries` is `x`",
                "1:31+1 the field `timeout_ms` is `y`",
            ],
        ),
    ];
    table(Format::Lines, "conf/p.txt", "lines_errors", rows);
}

const TAIL: &str = "\n[[source]]\nkind = \"stdin\"\n[[sink]]\nkind = \"stdout\"\n";
const HEAD: &str = "[[source]]\nkind = \"stdin\"\n[[stage]]\nname = \"a\"\nplugin = \"x.so\"\n";
const SINK: &str = "\n[[sink]]\nkind = \"stdout\"\n";

/// Rows whose file has something around what is wrong with it.
#[track_caller]
fn within(before: &str, after: &str, snapshot: &str, rows: &[(&str, &[&str])]) {
    let files: Vec<String> = rows.iter().map(|(file, _)| format!("{before}{file}{after}")).collect();
    let rows: Vec<(&str, &[&str])> = files.iter().map(String::as_str).zip(rows.iter().map(|(_, want)| *want)).collect();
    table(Format::Toml, "conf/p.toml", snapshot, &rows);
}

#[test]
fn toml_settings() {
    within(
        "",
        TAIL,
        "toml_settings_errors",
        &[
            ("nam = \"x\"", &["1:1+3 the pipeline has no key `nam`"]),
            ("name = \"a/b\"", &["1:8+5 the pipeline's name `a/b` has `/` in it"]),
            ("name = 5", &["1:8+1 `name` is the number `5`"]),
            ("settings = 5", &["1:12+1 `settings` is the number `5`"]),
            ("[settings]\nwindw = 5", &["2:1+5 `settings` has no key `windw`"]),
            ("[settings]\nwindow = 0", &["2:10+1 `window` is the number `0`"]),
            ("[settings]\nwindow = 5000", &["2:10+4 `window` is the number `5000`"]),
            ("[settings]\nwindow = \"5\"", &["2:10+3 `window` is the text `5`"]),
            ("[settings]\nwindow = 1.5", &["2:10+3 `window` is the number `1.5`"]),
            ("[settings]\nlinger_ms = true", &["2:13+4 `linger_ms` is `true`"]),
            ("[settings]\nwindow = \"${WORD}\"", &["2:10+9 `window` is the text `word`"]),
            ("[settings]\nstate = \"\"", &["2:9+2 `state` is empty"]),
            ("[settings]\nstate = \"a\\tb${NONE}\"", &["2:14+7 the variable `NONE` is not set"]),
            ("[settings]\nstate = \"\\u0024{NONE}\"", &["2:9+14 the variable `NONE` is not set"]),
            (
                "[settings]\ndrain_ms = 99999999999999999999",
                &["2:12+20 `drain_ms` is the number `99999999999999999999`"],
            ),
        ],
    );
}

#[test]
fn toml_stages() {
    within(
        HEAD,
        SINK,
        "toml_stage_errors",
        &[
            ("timeout = 5", &["6:1+7 the stage `a` has no key `timeout`"]),
            ("params = [1]", &["6:10+3 `params` is a list"]),
            ("params = { k = [1] }", &["6:16+3 `k` is a list"]),
            ("params = { k = \"a\\u0000\" }", &["6:12+1 a key is empty, or a zero byte is in a key or a value"]),
            ("failover = \"RETRY\"", &["6:12+7 there is no failover policy `RETRY`"]),
            ("failover = \"FAILOVER_TO:stdin\"", &["6:12+19 `stdin` is no stage, so it cannot stand in"]),
            ("failover = \"FAILOVER_TO:a\"", &["6:12+15 `a` cannot stand in for itself"]),
            ("max_retries = -1", &["6:15+2 `max_retries` is the number `-1`"]),
            ("instances = 0", &["6:13+1 `instances` is the number `0`"]),
            ("share = \"by-key\"", &["6:9+8 `share` is `by-key`"]),
            ("routes = [\"r\", \"r\", \"a b\", 5]", &["6:28+1 `routes` is the number `5`"]),
            (
                "routes = [\"r\", \"r\", \"a b\"]",
                &["6:16+3 the route `r` is there twice", "6:21+5 the route `a b` has ` ` in it"],
            ),
            ("grants = { netwrk = true }", &["6:12+6 `grants` has no key `netwrk`"]),
            (
                "grants = { network = \"yes\", read = 5 }",
                &["6:22+5 `network` is the text `yes`", "6:36+1 `read` is the number `5`"],
            ),
            ("grants = { syscalls = [\"tickle\"] }", &["6:24+8 there is no system call `tickle`"]),
            ("from = []", &["6:8+2 `from` is empty"]),
            ("from = [\"stdn\"]", &["6:9+6 there is no part `stdn`"]),
            ("from = [\"stdin\", \"stdout\"]", &["6:18+8 `stdout` is a sink: nothing comes out of it"]),
            ("from = [\"stdin\", \"stdin\"]", &["6:18+7 `stdin` is there twice"]),
            ("from = [\"stdin/odd\"]", &["6:9+11 `stdin` has no route `odd`"]),
            ("from = [\"stdin\", \"a\"]", &["4:8+3 records would go in a circle: `a` → `a`"]),
            (
                "[[stage]]\nplugin = \"missing.so\"",
                &["6:1+9 this stage has no `name`", "7:10+12 there is no library `missing.so`"],
            ),
            ("[[stage]]\nname = \"b\"", &["6:1+9 the stage `b` has no `plugin`"]),
            ("[[stage]]\nname = \"a\"\nplugin = \"x.so\"", &["7:8+3 the name `a` is there twice"]),
        ],
    );
}

#[test]
fn toml_ends() {
    within(
        HEAD,
        "",
        "toml_end_errors",
        &[
            ("", &["4:8+3 nothing takes the records of `a`", "6:1+1 the pipeline has no sink"]),
            ("[[sink]]\nname = \"o\"", &["6:1+8 the sink `o` has no `kind`"]),
            ("[[sink]]\nname = \"o\"\nkind = \"foldr\"\nx = 1", &["8:8+7 there is no sink of the kind `foldr`"]),
            (
                "[[sink]]\nkind = \"folder\"\npth = \"x\"",
                &["6:1+8 the sink `folder` has no `path`", "8:1+3 the sink `folder` has no key `pth`"],
            ),
            ("[[sink]]\nkind = \"stdout\"\nwhen_down = \"waits\"", &["8:13+7 `when_down` is `waits`"]),
            (
                "[[sink]]\nkind = \"stdout\"\nwhen_down_after_ms = 5",
                &["8:22+1 `when_down_after_ms` is there without `when_down = \"set_aside\"`"],
            ),
            (
                "[[source]]\nname = \"s\"\nkind = \"useless\"\n[[sink]]\nkind = \"stdout\"\nfrom = [\"a\", \"s\"]",
                &["8:8+9 nothing can be made of these keys"],
            ),
            (
                "[[source]]\nname = \"s\"\nkind = \"numbers\"\nlimit = 0\nformat = \"jsn\"\nfollow = true\nextra = 1\n[[sink]]\nkind = \"stdout\"\nfrom = [\"a\", \"s\"]",
                &[
                    "9:9+1 `limit` is the number `0`",
                    "10:10+5 `format` is `jsn`",
                    "11:10+4 there is nothing to follow",
                    "12:1+5 the source `s` has no key `extra`",
                ],
            ),
            ("[sink]\nkind = \"stdout\"", &["6:1+6 `sink` is a table"]),
        ],
    );
}

#[test]
fn toml_wiring() {
    let stage =
        |name: &str, from: &str| format!("[[stage]]\nname = \"{name}\"\nplugin = \"x.so\"\nfrom = [\"{from}\"]\n");
    let circle = format!(
        "[[source]]\nkind = \"stdin\"\n{}{}{}",
        stage("a", "b"),
        stage("b", "a"),
        "[[sink]]\nkind = \"stdout\"\nfrom = [\"b\", \"stdin\"]\n"
    );
    table(
        Format::Toml,
        "conf/p.toml",
        "toml_wiring_errors",
        &[
            ("", &["1:1+1 the pipeline has no source", "1:1+1 the pipeline has no sink"]),
            (&circle, &["4:8+3 records would go in a circle: `a` → `b` → `a`"]),
            (
                "[[sink]]\nkind = \"stdout\"\n[[source]]\nkind = \"stdin\"\n",
                &["1:1+8 nothing stands before `stdout`, so no records come to it"],
            ),
        ],
    );
}

#[test]
fn toml_syntax() {
    within(
        "",
        TAIL,
        "toml_syntax_errors",
        &[
            ("name = orders", &["1:8+6 string values must be quoted"]),
            ("name = \"orders", &["1:15+1 invalid basic string"]),
            ("name = \"a\"\nname = \"b\"", &["2:1+4 duplicate key"]),
            ("[settings\nwindow = 0", &["1:10+1 unclosed table"]),
            ("[settings]\nlinger_ms = = 5\nwindw = 1", &["2:13+1 extra `=`", "3:1+5 `settings` has no key `windw`"]),
            ("[settings]\nwindow 5\nlinger_ms = = 5", &["2:8+1 key with no value", "3:13+1 extra `=`"]),
            ("[stage]\nname = \"a\"\n[stage]\nname = \"b\"", &["3:2+5 duplicate key", "4:1+4 duplicate key"]),
        ],
    );
}

#[test]
fn bytes_that_are_no_text() {
    let wrong = read(Format::Toml, "conf/p.toml", b"name = \"caf\xE9\"\n\xFF\xFE").unwrap_err();
    assert_snapshot("bytes_errors", &format!("{wrong}\n"));
}

#[test]
fn a_giant_line_is_cut_in_its_error() {
    let params = |key: &str| (0..20).map(|n| format!("{key}{n}={},", "x".repeat(20_000))).collect::<String>();
    let file = format!("a|x.so|{}k=\\d,{}l=|1|FAIL_FAST|0|1", params("a"), params("b"));
    let wrong = read(Format::Lines, "conf/p.txt", file.as_bytes()).unwrap_err();
    assert_eq!(wrong.shown()[0].column, 400_100);
    assert_snapshot("giant_line_error", &format!("{wrong}\n"));
}
