//! Plugins that misuse memory are found out, with AddressSanitizer's own words in the host's log.

use std::time::Duration;

use proscenium_plugin_host::{BatchSize, Load, MeasureError, Verdicts, Why};

use crate::log::Line;
use crate::{World, built, log, sanitized};

#[tokio::test(flavor = "multi_thread")]
async fn each_misuse_of_memory_is_told_in_the_sanitizers_words_and_set_aside() {
    let rows = [
        ("heap write", "ERROR: AddressSanitizer: heap-buffer-overflow"),
        ("heap read", "ERROR: AddressSanitizer: heap-buffer-overflow"),
        ("of the context", "ERROR: AddressSanitizer: heap-buffer-overflow"),
        ("copy", "ERROR: AddressSanitizer: heap-buffer-overflow"),
        ("freed", "ERROR: AddressSanitizer: heap-use-after-free"),
        ("twice", "ERROR: AddressSanitizer: attempting double-free"),
        ("stack", "ERROR: AddressSanitizer: stack-buffer-overflow"),
        ("global", "ERROR: AddressSanitizer: global-buffer-overflow"),
        ("askew", "runtime error: load of misaligned address"),
        ("undefined", "runtime error: signed integer overflow"),
    ];
    let library = built("sick.c", "sick", None);
    for (wrong, words) in rows {
        let name = format!("sick {wrong}");
        let world = World::new(&name, sanitized(library.clone())).await;
        let done = world.process(&[b"one".to_vec(), wrong.as_bytes().to_vec(), b"three".to_vec()]).await;
        let verdicts: Vec<_> = done.records().map(|record| record.verdict()).collect();
        assert_eq!(verdicts, [Verdicts::Ok, Verdicts::SetAside(&Why::Poison), Verdicts::Ok], "{wrong}");
        let end = done.records().nth(1).unwrap().end().unwrap().clone();
        assert_eq!((end.class.to_string().as_str(), end.record), ("crash by signal 6", Some(101)), "{wrong}: {end}");
        assert_eq!(world.status().await.processes, 3, "{wrong}: two ends, and no more");
        world.node.stop().await.unwrap();
        let said = |lines: &[Line]| lines.iter().filter(|line| line.text.contains(words)).cloned().collect::<Vec<_>>();
        log::until(&name, |lines| said(lines).len() == 2).await;
        let lines = log::of(&name);
        let is_place = |line: &Line| line.text.contains("libsick.so+0x") || line.text.contains("sick.c:");
        let told = said(&lines);
        assert!(told.iter().all(|line| line.target == "proscenium::plugin::stderr"));
        assert!(lines.iter().any(is_place), "{wrong}: where it was: {lines:#?}");
        assert!(
            !lines.iter().any(|line| line.text.contains("CHECK failed")),
            "{wrong}: a call was refused: {lines:#?}"
        );
        println!("{wrong}: {}", told[0].text);
    }
}

/// In shared memory nothing stands behind a payload that a sanitizer would know of; where a plugin is measured, something does.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_reads_behind_the_last_record_is_told_where_it_is_measured() {
    log::keep();
    let (library, payload) = (built("sick.c", "reaches", None), b"too far!".to_vec());
    let size = BatchSize { records: 512, input: 4096, heap: 0 };
    let load = Load { payload, records: 512, batches: 1 };
    let ended = sanitized(library).batch(size).measure(load, Duration::from_secs(60)).await;
    assert!(matches!(&ended, Err(MeasureError::Ended(Some(status))) if status.signal().is_some()), "{ended:?}");
    let told = "ERROR: AddressSanitizer: heap-buffer-overflow";
    log::until("reaches", |lines| lines.iter().any(|line| line.text.contains(told))).await;
}
