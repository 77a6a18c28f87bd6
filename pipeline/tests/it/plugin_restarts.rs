//! What is counted when a plugin's process ends.

use proscenium_pipeline::sources::Generator;
use proscenium_pipeline::{Null, Pipeline};
use proscenium_runtime::Node;

use crate::built::mark;
use crate::flow::finished;
use crate::test_folder::TestFolder;

/// A record is poison when it has ended two processes. The stage's own actor does not end with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugins_restarts_are_those_of_its_process() {
    let folder = TestFolder::new();
    let library = mark(folder.path(), "1");
    let node = Node::start("restarts").await.unwrap();
    let source = Generator::new(100).record(|n, out| {
        out.extend_from_slice(if n == 50 { b"poison" } else { b"good" });
    });
    let pipeline = Pipeline::named("restarts")
        .source(source)
        .plugin("mark", &library)
        .sink(Null::new())
        .start(&node)
        .await
        .unwrap();
    finished(&pipeline).await;
    let status = pipeline.status();
    let counts = status.parts.iter().find(|part| part.name == "mark").unwrap().counts;
    assert_eq!((counts.dead_letters, counts.restarts, pipeline.plugins("mark")[0].restarts()), (1, 2, 2));
    pipeline.stop().await;
    node.stop().await.unwrap();
}
