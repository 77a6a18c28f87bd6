//! Circuits of async stages: they open, close, and are the stage's and not its actor's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proscenium_pipeline::sources::Generator;
use proscenium_pipeline::{ChunkSize, Class, Failed, Failover, Pipeline, RollingFiles};
use proscenium_runtime::Node;

use crate::chaos::proof::letters;
use crate::controls::{part, until};
use crate::flow::{finished, lines};
use crate::test_folder::TestFolder;

fn numbers(records: u64) -> Generator {
    Generator::new(records).record(|n, out| out.extend_from_slice(n.to_string().as_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circuit_of_an_async_stage_opens_and_closes_and_each_record_is_written_or_a_letter() {
    const RECORDS: u64 = 20_000;
    let folder = TestFolder::new();
    let node = Node::start("async-circuit").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let (asked, is_mended) = (Arc::new(AtomicU64::new(0)), mended.clone());
    let count = asked.clone();
    let pipeline = Pipeline::named("async-circuit")
        .source(numbers(RECORDS).rate(40_000))
        .map_async("picky", 8, move |record| {
            let is_well = is_mended.load(Ordering::Acquire) || record.id < 1_000;
            count.fetch_add(u64::from(!is_well), Ordering::AcqRel);
            async move {
                tokio::task::yield_now().await;
                if is_well { Ok(record) } else { Err(Failed::because("it is broken")) }
            }
        })
        .failover(Failover::CircuitBreaker { failures: 3, cooldown: Duration::from_millis(50) })
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    until(&pipeline, "letters", || part(&pipeline, "picky").counts.dead_letters >= 2_000).await;
    let asked = asked.load(Ordering::Acquire);
    assert!((3..=200).contains(&asked), "{asked} were tried with the circuit open");
    mended.store(true, Ordering::Release);
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let mut ids: Vec<u64> = lines(&folder.at("out")).iter().map(|line| line.parse().unwrap()).collect();
    assert!(ids.is_sorted() && ids.len() > 1_000, "{}", ids.len());
    let letters = letters(&folder.at("state"));
    let of = |class| letters.iter().filter(|kept| kept.letter.class == class).count();
    let (failed, not_tried) = (of(Class::Failed), of(Class::NotTried));
    assert!(failed >= 3 && not_tried >= 1_000, "{failed} and {not_tried}");
    assert!(letters.iter().all(|kept| (kept.letter.class == Class::NotTried) == (kept.letter.attempts == 0)));
    ids.extend(letters.iter().map(|kept| kept.letter.record.id));
    ids.sort_unstable();
    assert_eq!(ids, (0..RECORDS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circuit_closes_though_the_one_that_was_to_show_it_is_cut_off_with_the_stages_actor() {
    const RECORDS: u64 = 200;
    let folder = TestFolder::new();
    let node = Node::start("cut-circuit").await.unwrap();
    let (calls, hangs) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let is_hanging = hangs.clone();
    let pipeline = Pipeline::named("cut-circuit")
        .source(numbers(RECORDS).rate(2_000))
        .map_async("picky", 2, move |record| {
            let (nth, hangs) = (calls.fetch_add(1, Ordering::AcqRel), is_hanging.clone());
            async move {
                match nth {
                    0 => return Err(Failed::because("the first fails")),
                    1 => {
                        hangs.store(true, Ordering::Release);
                        std::future::pending::<()>().await;
                    }
                    _ => (),
                }
                Ok(record)
            }
        })
        .failover(Failover::CircuitBreaker { failures: 1, cooldown: Duration::from_millis(5) })
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .chunk(ChunkSize { records: 4, bytes: 1 << 20 })
        .start(&node)
        .await
        .unwrap();
    until(&pipeline, "the second hangs", || hangs.load(Ordering::Acquire)).await;
    pipeline.actors("picky")[0].kill();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let mut ids: Vec<u64> = lines(&folder.at("out")).iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(ids.last(), Some(&(RECORDS - 1)), "{ids:?}");
    ids.extend(letters(&folder.at("state")).iter().map(|kept| kept.letter.record.id));
    ids.sort_unstable();
    assert_eq!(ids, (0..RECORDS).collect::<Vec<_>>());
}
