//! A pipeline as a child of a supervisor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proscenium_pipeline::sources::Generator;
use proscenium_pipeline::{Failed, Failover, Outcome, Pipeline, PipelineRef, RecordMut, RollingFiles};
use proscenium_runtime::Node;
use proscenium_supervision::Supervisor;

use crate::flow::lines;
use crate::test_folder::TestFolder;

/// What fails in it for good ends it; its supervisor starts it anew, and each record comes out once all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_cannot_go_on_is_started_anew_from_its_checkpoint() {
    let folder = TestFolder::new();
    let node = Node::start("supervised").await.unwrap();
    let failures = Arc::new(AtomicUsize::new(0));
    let seen = failures.clone();
    let pipeline = Pipeline::named("fast")
        .source(Generator::new(9_000).record(|n, out| out.extend_from_slice(n.to_string().as_bytes())).rate(10_000))
        .map("fails", move |record: &mut RecordMut<'_>| {
            let is_time = record.id() == 4_000 && seen.fetch_add(1, Ordering::Relaxed) < 2;
            if is_time { Err(Failed::because("not now")) } else { Ok(()) }
        })
        .failover(Failover::FailFast)
        .sink(RollingFiles::new(folder.at("out")))
        .settings(|settings| settings.checkpoint_every = Duration::from_millis(50))
        .state(folder.at("state"));
    let tree = Supervisor::one_for_one().intensity(5, Duration::from_secs(5)).child(Pipeline::spec("fast", pipeline));
    let tree = tree.start(&node).await.unwrap();
    let done = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        loop {
            look.tick().await;
            if let Ok(pipeline) = tree.reference::<PipelineRef>("fast").await
                && pipeline.wait().await == Outcome::Done
            {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.expect("it comes to its end");
    assert_eq!(failures.load(Ordering::Relaxed), 3, "it fails twice");
    let expected: Vec<String> = (0..9_000).map(|n: u64| n.to_string()).collect();
    assert_eq!(lines(&folder.at("out")), expected);
    tree.stop().await.unwrap();
    node.stop().await.unwrap();
}
