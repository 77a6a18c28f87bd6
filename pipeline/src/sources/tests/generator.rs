use std::collections::BTreeSet;
use std::time::Duration;

use super::{all, fill, opened, refused, take};
use crate::source::{Filled, SourceSpec};
use crate::sources::Generator;

#[tokio::test]
async fn it_makes_the_same_records_each_time_and_others_with_another_seed() {
    let records = all(&mut *opened(&Generator::new(1_000).keys(10), None).await).await;
    assert_eq!(records.len(), 1_000);
    assert!(records.iter().enumerate().all(|(nth, record)| record.id == nth as u64));
    assert!(records.iter().all(|record| record.payload.len() == 128));
    let keys: BTreeSet<_> = records.iter().map(|record| record.key.clone().unwrap()).collect();
    assert_eq!(keys.len(), 10);
    let payloads: BTreeSet<_> = records.iter().map(|record| record.payload.clone()).collect();
    assert_eq!(payloads.len(), 1_000, "no two are the same");
    assert_eq!(all(&mut *opened(&Generator::new(1_000).keys(10), None).await).await, records);
    assert_ne!(all(&mut *opened(&Generator::new(1_000).keys(10).seed(1), None).await).await, records);
}

#[tokio::test]
async fn its_objects_have_the_size_that_was_asked_for() {
    for bytes in [0, 60, 128, 1_000] {
        let spec = Generator::new(3).json().bytes(bytes).keys(4).key_from("key");
        for record in all(&mut *opened(&spec, None).await).await {
            let value = record.json();
            assert_eq!(value["id"], record.id);
            assert_eq!(value["key"].as_str(), record.key.as_deref());
            assert_eq!(record.original.len(), bytes.max(record.original.len() - value["data"].as_str().unwrap().len()));
        }
    }
}

#[tokio::test]
async fn a_function_writes_its_records() {
    let spec = Generator::endless().record(|id, to| to.extend_from_slice(format!("{{\"n\":{id}}}").as_bytes())).json();
    let records = take(&mut *opened(&spec.clone().key_from("n"), None).await, 3).await;
    assert_eq!(records[2].json(), serde_json::json!({"n": 2}));
    assert_eq!(records[2].key.as_deref(), Some("2"));
    let same: &dyn SourceSpec = &spec.clone();
    assert_eq!(format!("{same:?}"), format!("{spec:?}"));
    assert_ne!(format!("{spec:?}"), format!("{:?}", Generator::endless().record(|_, _| ()).json()));
}

#[tokio::test(start_paused = true)]
async fn it_makes_no_more_in_a_second_than_it_may() {
    let started = tokio::time::Instant::now();
    let mut source = opened(&Generator::endless().rate(1_000), None).await;
    take(&mut *source, 2_500).await;
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(2_500) && took < Duration::from_millis(2_600), "{took:?}");
    tokio::time::advance(Duration::from_secs(60)).await;
    let (started, mut at_once) = (tokio::time::Instant::now(), 0);
    while started.elapsed() < Duration::from_millis(1) {
        at_once += fill(&mut *source, 100).await.unwrap().0.len();
    }
    assert!((1_000..1_200).contains(&at_once), "a second's worth is made up for, not a minute's: {at_once}");
}

#[tokio::test]
async fn it_ends_and_takes_no_position_of_another_source() {
    let mut source = opened(&Generator::new(2), Some(&serde_json::json!({"next": 2}))).await;
    assert_eq!(fill(&mut *source, 5).await.unwrap(), (Vec::new(), Filled::End));
    let trouble = refused(&Generator::new(2), Some(&serde_json::json!({"files": []}))).await;
    assert!(trouble.is_final() && trouble.to_string().contains("none of a generator"), "{trouble}");
}
