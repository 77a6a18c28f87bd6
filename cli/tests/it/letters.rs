//! Goal: what a pipeline could not process is seen, mended and sent again, at the command line. Method: a record that the
//! rules refuse, beside the running pipeline; then other rules.

use std::fs;

use crate::built::Folder;
use crate::pipelines::following;
use crate::running::{Running, append, done, json, plugins};

#[test]
fn a_letter_is_listed_shown_sent_again_after_mending_and_gone() {
    let folder = Folder::new("letters");
    plugins(&folder);
    let stage = "[[stage]]\nname = \"judge\"\nplugin = \"plugins/libvalidation.so\"\nfailover = \"DEAD_LETTER\"\n\
                 params = { rules = \"amount:number:0..10\" }\n";
    fs::write(folder.path("flow.toml"), following(stage)).unwrap();
    append(&folder.path("in.jsonl"), "{\"amount\":99}\n{\"amount\":98}\n{\"amount\":5}\nnonsense\n");
    let mut running = Running::start(&folder, &["run", "flow.toml"], &[]);
    assert_eq!(running.stdout.next(1), ["{\"amount\":5}"]);
    let list = |more: &[&str]| done(&folder, &[&["dead-letters", "list"], more].concat()).stdout;
    // They can be seen when a checkpoint names them.
    let checkpoint = || done(&folder, &["checkpoint"]);
    while checkpoint().code != Some(0) {}
    let all = list(&[]);
    assert_eq!(all.lines().count(), 4, "{all}");
    let judged = list(&["--part", "judge", "--class", "failed", "--since", "1h"]);
    assert_eq!(judged.lines().count(), 3, "{judged}");
    let id = judged.lines().nth(1).unwrap().split(' ').next().unwrap();
    let shown = done(&folder, &["dead-letters", "show", id]).stdout;
    assert!(shown.contains("part      judge") && shown.contains("{\"amount\":99}"), "{shown}");
    let refused = done(&folder, &["dead-letters", "show", "77"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("there is no dead letter 77"), "{}", refused.stderr);

    let mended = done(&folder, &["params", "judge", "rules=amount:number:0..100"]);
    assert_eq!(mended.code, Some(0), "{}", mended.stderr);
    let sent = done(&folder, &["dead-letters", "redrive", id]);
    assert!(sent.stdout.starts_with("1 letters are sent again"), "{}{}", sent.stdout, sent.stderr);
    assert_eq!(json(&running.stdout.next(1)[0])["amount"], 99);
    let sent = done(&folder, &["dead-letters", "redrive", "--part", "judge"]);
    assert!(sent.stdout.starts_with("1 letters are sent again"), "{}{}", sent.stdout, sent.stderr);
    assert_eq!(json(&running.stdout.next(1)[0])["amount"], 98);
    assert_eq!(checkpoint().code, Some(0));
    let left = list(&[]);
    assert!(left.lines().count() == 2 && left.contains("malformed"), "{left}");
    let purge = done(&folder, &["dead-letters", "purge", "--all"]);
    assert!(purge.code == Some(1) && purge.stderr.contains("say `--yes`"), "{}", purge.stderr);
    let purge = done(&folder, &["dead-letters", "purge", "--all", "--yes"]);
    assert_eq!(purge.code, Some(0), "{}", purge.stderr);
    assert_eq!(list(&[]), "no dead letters\n");
    let fates = list(&["--all"]);
    assert_eq!((fates.matches("redriven").count(), fates.matches("purged").count()), (2, 1), "{fates}");
    running.signal("TERM");
    assert_eq!(running.stdout.rest(), "");
    assert_eq!(running.code(), Some(0));
    // The letters and what became of them outlast the pipeline.
    assert_eq!(list(&[]), "no dead letters\n");
}
