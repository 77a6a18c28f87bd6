//! The line format: what each field may say.

use std::path::Path;
use std::time::Duration;

use proscenium_pipeline::config::Format;
use proscenium_pipeline::{Failover, Kind, Plan, PluginStage, Retries};

use super::ends::{good, read};

fn stages(plan: &Plan) -> Vec<&PluginStage> {
    plan.parts.iter().filter_map(|part| if let Kind::Plugin(stage) = &part.kind { Some(stage) } else { None }).collect()
}

/// The stage of one line with this in the place of a field.
fn with(field: usize, text: &str) -> Plan {
    let mut fields = ["a", "x.so", "k=v", "true", "FAIL_FAST", "2", "300"];
    fields[field] = text;
    good(Format::Lines, &fields.join("|"))
}

#[test]
fn a_line_is_a_stage_in_a_chain() {
    let file = "\u{feff}# Format: name|library|parameters|enabled|failover_policy|max_retries|timeout_ms\r\n\r\n\
                \t first | one.so | k=v , l= | TRUE | FAILOVER_TO:second | 0 | 86400000 \r\n  # a comment\r\n\
                off|two.so||false|FAIL_FAST|0|1\r\nsecond|three.so||1|DEAD_LETTER|1000|1";
    let plan = good(Format::Lines, file);
    let joined: Vec<String> = plan
        .parts
        .iter()
        .map(|part| format!("{}<{}", part.name, part.from.first().map(ToString::to_string).unwrap_or_default()))
        .collect();
    assert_eq!(joined, ["stdin<", "first<stdin", "second<first", "stdout<second"]);
    let [first, second] = stages(&plan)[..] else { panic!("{plan:?}") };
    assert_eq!(first.library, Path::new("one.so"));
    assert_eq!(first.params, [("k".to_owned(), "v".to_owned()), ("l".to_owned(), String::new())]);
    assert_eq!((first.timeout, first.conduct.retries.max), (Duration::from_secs(86_400), 0));
    assert_eq!(first.conduct.failover, Failover::FailoverTo("second".to_owned()));
    assert_eq!(second.conduct.failover, Failover::DeadLetter);
    assert_eq!(second.conduct.retries, Retries { max: 1_000, ..Retries::default() });
}

#[test]
fn parameters_may_have_anything_in_them() {
    for (written, want) in [
        ("", vec![]),
        ("k=", vec![("k", "")]),
        ("k=v,l=w", vec![("k", "v"), ("l", "w")]),
        ("z=1,a=2", vec![("z", "1"), ("a", "2")]),
        ("k=a=b", vec![("k", "a=b")]),
        (r"k=a\,b\|c\\d\=e", vec![("k", r"a,b|c\d=e")]),
        (r"a\=b=c", vec![("a=b", "c")]),
        (r"k=\sx\s,l=\n\r\t", vec![("k", " x "), ("l", "\n\r\t")]),
        ("k=${WORD},${WORD}=x", vec![("k", "word"), ("word", "x")]),
        ("k=${ODD}", vec![("k", "a|b,c=d\\")]),
        ("k=${NONE:-a,b|c}", vec![("k", "a,b|c")]),
        ("k=$$ONE$5", vec![("k", "$ONE$5")]),
    ] {
        let plan = with(2, written);
        let params: Vec<_> = stages(&plan)[0].params.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(params, want, "{written}");
    }
}

#[test]
fn variables_stand_for_any_field() {
    let plan = good(Format::Lines, "${WORD}|${WORD}.so||${YES}|${NONE:-FAIL_FAST}|${ONE}|${ONE}00");
    let stage = stages(&plan)[0];
    assert_eq!((&*plan.parts[1].name, &*stage.library), ("word", Path::new("word.so")));
    assert_eq!((stage.conduct.retries.max, stage.timeout), (1, Duration::from_millis(100)));
}

#[test]
fn enabled_has_six_words_in_any_case() {
    for (word, is_in) in [("true", true), ("Yes", true), ("1", true), ("FALSE", false), ("no", false), ("0", false)] {
        let file = format!("a|x.so||{word}|FAIL_FAST|0|1\nb|x.so||true|FAIL_FAST|0|1");
        assert_eq!(stages(&good(Format::Lines, &file)).len(), if is_in { 2 } else { 1 }, "{word}");
    }
}

#[test]
fn a_stage_that_is_not_enabled_may_wait_for_its_library() {
    let file = "a|missing.so||false|FAIL_FAST|0|1\nb|x.so||true|FAIL_FAST|0|1";
    assert_eq!(stages(&good(Format::Lines, file)).len(), 1);
}

#[test]
fn ends_give_way_to_stages_of_their_names() {
    let plan = good(Format::Lines, "stdin|x.so||true|FAIL_FAST|0|1\nstdout|x.so||true|FAIL_FAST|0|1");
    let names: Vec<&str> = plan.parts.iter().map(|part| &*part.name).collect();
    assert_eq!(names, ["stdin-2", "stdin", "stdout", "stdout-2"]);
}

#[test]
fn a_file_has_998_stages_at_most() {
    let file = |count: usize| (0..count).map(|n| format!("s{n}|x.so||true|FAIL_FAST|0|1\n")).collect::<String>();
    assert_eq!(good(Format::Lines, &file(998)).parts.len(), 1_000);
    let wrong = read(Format::Lines, "p", file(999).as_bytes()).unwrap_err();
    assert_eq!((wrong.shown()[0].line, wrong.shown().len(), wrong.more()), (999, 1, 0), "{wrong}");
}

#[test]
fn of_very_many_errors_the_first_hundred_are_shown() {
    let wrong = read(Format::Lines, "p", "a|b\n".repeat(5_000).as_bytes()).unwrap_err();
    assert_eq!((wrong.shown().len(), wrong.more()), (100, 4_900));
    assert!(wrong.shown().iter().enumerate().all(|(nth, found)| found.line == nth + 1), "{wrong}");
    assert!(wrong.to_string().ends_with("\n\nand 4900 more"), "{wrong}");
}
