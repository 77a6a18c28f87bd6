//! What is done with batches that fail as a whole, and with plugins that are several.

use std::time::Duration;

use proscenium_plugin_host::{Failover, Order, Plugin, PluginRef, ProcessError, Retries, State, Verdicts, Why};
use proscenium_runtime::Node;
use proscenium_supervision::{ChildSpec, PartitionSupervisor, Restart, Supervisor};

use crate::built::Folder;

fn quick() -> Retries {
    Retries { max: 2, pause: Duration::from_millis(5), longest: Duration::from_millis(20) }
}

async fn process(plugin: &PluginRef, payloads: &[&str]) -> Result<Vec<String>, ProcessError> {
    let mut batch = plugin.batch().await;
    for (nth, payload) in payloads.iter().enumerate() {
        batch.push(nth as u64, payload.as_bytes()).unwrap();
    }
    let done = plugin.process(batch).await?;
    Ok(done
        .records()
        .map(|record| match record.verdict() {
            Verdicts::SetAside(why) => format!("{why:?}"),
            Verdicts::Ok => String::from_utf8_lossy(record.payload()).into_owned(),
            other => format!("{other:?}"),
        })
        .collect())
}

#[tokio::test]
async fn each_policy_settles_a_failed_batch_in_its_way() {
    let folder = Folder::new("policies");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let failed = format!("{:?}", Why::Failed { code: -1 });
    let skipped = format!("{:?}", Why::Skipped { code: -1 });
    let open = format!("{:?}", Why::CircuitOpen);
    let rows = [
        (Failover::RetryWithBackoff, [failed.as_str(), "B!"]),
        (Failover::DeadLetter, [&failed, "B!"]),
        (Failover::SkipAndContinue, [&skipped, "B!"]),
        (Failover::CircuitBreaker { failures: 1, cooldown: Duration::from_secs(3_600) }, [&failed, &open]),
    ];
    for (policy, want) in rows {
        let node = Node::start("test").await.unwrap();
        let plugin = Plugin::new(&library).failover(policy.clone()).retries(quick());
        let tree = Supervisor::one_for_one().child(Plugin::spec("p", plugin)).start(&node).await.unwrap();
        let plugin = tree.reference::<PluginRef>("p").await.unwrap();
        let got = [process(&plugin, &["fail"]).await.unwrap(), process(&plugin, &["b"]).await.unwrap()].concat();
        assert_eq!(got, want, "{policy:?}");
        node.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_stand_in_takes_what_the_plugin_cannot_process_and_all_when_it_is_gone() {
    let folder = Folder::new("stand-in");
    let node = Node::start("test").await.unwrap();
    let main = Plugin::new(folder.build("upper.c", "libupper.so", &[])).failover(Failover::FailoverTo("spare".into()));
    // It does not know the word that makes the other fail.
    let spare = Plugin::new(folder.build("upper.c", "libspare.so", &["MARK='?'", "FAIL=\"nothing\""])).named("spare");
    let tree = Supervisor::one_for_one()
        .child(Plugin::spec("main", main))
        .child(Plugin::spec("spare", spare))
        .start(&node)
        .await
        .unwrap();
    let plugin = tree.reference::<PluginRef>("main").await.unwrap();
    assert_eq!(process(&plugin, &["a", "fail", "c"]).await.unwrap(), ["A?", "FAIL?", "C?"]);
    assert_eq!(process(&plugin, &["a", "b"]).await.unwrap(), ["A!", "B!"]);
    tree.terminate_child("main").await.unwrap();
    assert_eq!(process(&plugin, &["a", "b"]).await.unwrap(), ["A?", "B?"]);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_stopped_partition_hands_batches_back_until_it_is_resumed_and_the_others_go_on() {
    let folder = Folder::new("partition");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let node = Node::start("test").await.unwrap();
    let plugins = PartitionSupervisor::of(move |_| {
        Plugin::spec("p", Plugin::new(&library).failover(Failover::StopPartition).order(Order::Unordered))
    });
    let plugins = plugins.partitions(2).start(&node).await.unwrap();
    let (stopped, other) = (plugins.partition(0_u64).unwrap(), plugins.partition(1_u64).unwrap());
    let error = process(&stopped, &["fail", "b"]).await.unwrap_err();
    assert!(matches!(error, ProcessError::Stopped { code: -1, .. }), "{error}");
    let batch = error.into_batch();
    assert_eq!(batch.records().map(|(_, payload)| payload.to_vec()).collect::<Vec<_>>(), [&b"fail"[..], b"b"]);
    drop(batch);
    assert!(process(&stopped, &["b"]).await.is_err());
    assert_eq!(stopped.status().await.unwrap().state, State::Stopped);
    assert_eq!(process(&other, &["b"]).await.unwrap(), ["B!"]);
    stopped.resume().await.unwrap();
    assert_eq!(process(&stopped, &["b"]).await.unwrap(), ["B!"]);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn one_that_fails_fast_ends_with_its_batches_handed_back() {
    let folder = Folder::new("fail-fast");
    let plugin = Plugin::new(folder.build("upper.c", "libupper.so", &[])).failover(Failover::FailFast);
    let node = Node::start("test").await.unwrap();
    let spec = ChildSpec::of("p", plugin).restart(Restart::Temporary);
    let tree = Supervisor::one_for_one().child(spec).start(&node).await.unwrap();
    let plugin = tree.reference::<PluginRef>("p").await.unwrap();
    assert!(matches!(process(&plugin, &["fail"]).await, Err(ProcessError::Stopped { code: -1, .. })));
    assert!(matches!(process(&plugin, &["b"]).await, Err(ProcessError::Gone(_))));
    node.stop().await.unwrap();
}
