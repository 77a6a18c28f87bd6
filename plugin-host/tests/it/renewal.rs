//! The spec of a plugin is changed while it runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proscenium_plugin_host::sandbox::{Layer, Limits};
use proscenium_plugin_host::{
    Failover, Plugin, PluginRef, ProcessError, StartError, State, Status, Swap, SwapError, Verdicts, Why,
};
use proscenium_runtime::{Exit, Node};
use proscenium_supervision::{ChildSpec, Quarantine, Supervisor, SupervisorError, SupervisorRef};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use crate::built::Folder;
use crate::census::{LIMIT, until};
use crate::chaos::{Feed, feed};

fn tree(spec: ChildSpec<Plugin>) -> Supervisor {
    Supervisor::one_for_one().intensity(50, Duration::from_secs(60)).child(spec)
}

fn plain(plugin: Plugin) -> ChildSpec<Plugin> {
    Plugin::spec("p", plugin)
}

async fn started(spec: ChildSpec<Plugin>) -> (Node, SupervisorRef, PluginRef) {
    let node = Node::start("test").await.unwrap();
    let supervisor = tree(spec).start(&node).await.unwrap();
    let plugin = supervisor.reference::<PluginRef>("p").await.unwrap();
    (node, supervisor, plugin)
}

/// The one child's refusal.
async fn refused(supervisor: &SupervisorRef, plugin: Plugin) -> Exit {
    match supervisor.change(tree(plain(plugin))).await {
        Err(SupervisorError::NotRenewed(children)) => {
            let [(child, exit)] = <[_; 1]>::try_from(children).unwrap();
            assert_eq!(child.as_str(), "p");
            exit
        }
        other => panic!("it cannot take that: {other:?}"),
    }
}

async fn one(plugin: &PluginRef, payload: &str) -> Result<String, ProcessError> {
    let mut batch = plugin.batch().await;
    batch.push(1, payload.as_bytes()).unwrap();
    let done = timeout(LIMIT, plugin.process(batch)).await.expect("it comes back")?;
    let record = done.records().next().unwrap();
    Ok(match record.verdict() {
        Verdicts::Ok => String::from_utf8_lossy(record.payload()).into_owned(),
        Verdicts::SetAside(why) => format!("{why:?}"),
        other => format!("{other:?}"),
    })
}

/// Another process than that one.
async fn next(plugin: &PluginRef, old: &Status) -> Status {
    let next = async {
        loop {
            match plugin.status().await {
                Ok(status) if status.pid.is_some() && status.pid != old.pid => return status,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    timeout(LIMIT, next).await.expect("there is another process")
}

fn kill(status: &Status) {
    kill_process(Pid::from_raw(status.pid.unwrap() as i32).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_parameters_under_load_lose_nothing_double_nothing_and_keep_the_order() {
    let folder = Folder::new("renew-load");
    let library = folder.build("chaos.c", "libchaos.so", &[]);
    let (node, supervisor, plugin) = started(plain(Plugin::new(&library))).await;
    let fed = Arc::<Feed>::default();
    let feeding = tokio::spawn(feed(plugin.clone(), fed.clone()));
    let mut old = plugin.status().await.unwrap();
    for nth in 0..20 {
        let back = fed.back.load(Ordering::Acquire);
        until("batches come back", || fed.back.load(Ordering::Acquire) > back + 3 || feeding.is_finished()).await;
        let spec = plain(Plugin::new(&library).param("nth", nth.to_string()));
        supervisor.change(tree(spec)).await.unwrap();
        let new = plugin.status().await.unwrap();
        assert!(new.pid != old.pid && new.processes == old.processes + 1, "{new:?} after {old:?}");
        old = new;
    }
    fed.ends.store(true, Ordering::Release);
    let records = timeout(LIMIT, feeding).await.expect("the last batches come back").unwrap();
    println!("{records} records over 20 changes: 0 lost, 0 doubled, in order");
    node.stop().await.unwrap();
}

/// Catches a process that is started with the old parameters or limits, and a state that is left behind.
#[tokio::test]
async fn a_changed_spec_is_in_force_when_the_change_is_answered_and_the_ref_is_the_same() {
    let folder = Folder::new("renew-params");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let newer = folder.build("upper.c", "libupper2.so", &["VERSION=\"2.0.0\"", "MARK='?'"]);
    let (node, supervisor, plugin) = started(plain(Plugin::new(&library))).await;
    assert_eq!(one(&plugin, "a").await.unwrap(), "A!");
    supervisor.change(tree(plain(Plugin::new(&library).param("mark", "+")))).await.unwrap();
    assert_eq!(one(&plugin, "a").await.unwrap(), "A+");
    let limits = || Limits { open_files: Some(77), ..Limits::default() };
    supervisor.change(tree(plain(Plugin::new(&newer).limits(limits())))).await.unwrap();
    assert_eq!(one(&plugin, "a").await.unwrap(), "A?");
    let status = plugin.status().await.unwrap();
    assert_eq!((status.info("version"), status.library.as_path(), status.processes), (Some("2.0.0"), &*newer, 3));
    let extent = format!("{:?}", status.sandbox.status(Layer::ResourceLimits));
    assert!(extent.contains("descriptors 77"), "{extent}");
    let flushed = plugin.flush().await.unwrap();
    let seen: Vec<_> = flushed.emitted().map(|record| String::from_utf8_lossy(record.payload()).into_owned()).collect();
    assert_eq!(seen, ["3"], "the state has gone with it");
    drop(flushed);
    // What is started next is by the new spec.
    kill(&status);
    let after = next(&plugin, &status).await;
    assert_eq!((after.info("version"), one(&plugin, "a").await.unwrap().as_str()), (Some("2.0.0"), "A?"));
    // A library that somebody has removed is the one that serves, where only its limits are changed.
    std::fs::remove_file(&newer).unwrap();
    supervisor.change(tree(plain(Plugin::new(&newer).limits(Limits::default())))).await.unwrap();
    assert_eq!(one(&plugin, "a").await.unwrap(), "A?");
    assert_ne!(plugin.status().await.unwrap().pid, after.pid);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_refuses_its_new_spec_goes_on_by_the_old_one_and_says_so() {
    let folder = Folder::new("renew-broken");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let base = || Plugin::new(&library).start_limit(Duration::from_millis(700));
    let (node, supervisor, plugin) = started(plain(base())).await;
    let before = plugin.status().await.unwrap();
    let broken = folder.path().join("broken.so");
    std::fs::write(&broken, "no library").unwrap();
    let rows = [
        (Plugin::new(&broken), "it is no ELF file"),
        (Plugin::new("/nowhere/libx.so"), "/nowhere/libx.so: No such file"),
        (base().param("init", "crash"), "while at init"),
        (base().param("init", "hang"), "was not ready within 700ms"),
    ];
    for (spec, want) in rows {
        // The policy that comes with it is refused with it.
        let exit = refused(&supervisor, spec.failover(Failover::SkipAndContinue)).await;
        let error = SwapError::of(&exit).unwrap();
        assert!(matches!(
            error,
            SwapError::Start(StartError::Library(_) | StartError::Ended { .. } | StartError::TimedOut { .. })
        ));
        assert!(error.to_string().contains(want), "{want}: {error}");
        assert_eq!(one(&plugin, "a").await.unwrap(), "A!");
        assert_eq!(plugin.status().await.unwrap().pid, before.pid);
    }
    assert_eq!(one(&plugin, "fail").await.unwrap(), format!("{:?}", Why::Failed { code: -1 }), "by the old policy");
    kill(&before);
    let after = next(&plugin, &before).await;
    assert_eq!((after.library.as_path(), one(&plugin, "a").await.unwrap().as_str()), (&*library, "A!"));
    supervisor.change(tree(plain(base().param("mark", "+")))).await.expect("it is not held against the next one");
    assert_eq!(one(&plugin, "a").await.unwrap(), "A+");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_the_hosts_to_do_changes_without_another_process() {
    let folder = Folder::new("renew-policy");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let (node, supervisor, plugin) = started(plain(Plugin::new(&library).failover(Failover::DeadLetter))).await;
    let before = plugin.status().await.unwrap();
    assert_eq!(one(&plugin, "fail").await.unwrap(), format!("{:?}", Why::Failed { code: -1 }));
    // As it was.
    supervisor.change(tree(plain(Plugin::new(&library).failover(Failover::DeadLetter)))).await.unwrap();
    assert_eq!(plugin.status().await.unwrap().pid, before.pid, "the same spec");
    let skips = || Plugin::new(&library).failover(Failover::SkipAndContinue);
    supervisor.change(tree(plain(skips()))).await.unwrap();
    assert_eq!(one(&plugin, "fail").await.unwrap(), format!("{:?}", Why::Skipped { code: -1 }));
    let quick = skips().timeout(Duration::from_millis(150)).grace(Duration::from_millis(20));
    supervisor.change(tree(plain(quick))).await.unwrap();
    let status = plugin.status().await.unwrap();
    assert_eq!((status.pid, status.processes), (before.pid, 1));
    // 5 s, twice, would be too long for who waits here.
    assert_eq!(timeout(Duration::from_secs(5), one(&plugin, "hang")).await.unwrap().unwrap(), "Poison");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_swap_stays_where_the_spec_changes_in_something_else() {
    let folder = Folder::new("renew-swapped");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let newer = folder.build("upper.c", "libupper2.so", &["MARK='?'"]);
    let (node, supervisor, plugin) = started(plain(Plugin::new(&library))).await;
    let swapped = plugin.swap(Swap::to(&newer)).await.unwrap();
    supervisor.change(tree(plain(Plugin::new(&library).timeout(Duration::from_secs(9))))).await.unwrap();
    assert_eq!(plugin.status().await.unwrap().pid, Some(swapped.new.pid));
    let with_limits = Plugin::new(&library).limits(Limits { open_files: Some(99), ..Limits::default() });
    supervisor.change(tree(plain(with_limits))).await.unwrap();
    assert_eq!(one(&plugin, "a").await.unwrap(), "A?");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_swap_is_under_way_no_other_process_is_asked_for_and_the_rest_is_taken() {
    let folder = Folder::new("renew-busy");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let base = || Plugin::new(&library).start_limit(Duration::from_secs(3));
    let (node, supervisor, plugin) = started(plain(base())).await;
    let swapping = tokio::spawn({
        let plugin = plugin.clone();
        async move { plugin.swap(Swap::reload().params([("init", "hang")])).await }
    });
    while plugin.status().await.unwrap().state != State::Swapping {
        tokio::task::yield_now().await;
    }
    let exit = refused(&supervisor, base().param("mark", "+")).await;
    assert!(matches!(SwapError::of(&exit), Some(SwapError::UnderWay)), "{exit}");
    supervisor.change(tree(plain(base().failover(Failover::SkipAndContinue)))).await.unwrap();
    assert_eq!(one(&plugin, "fail").await.unwrap(), format!("{:?}", Why::Skipped { code: -1 }));
    assert_eq!(plugin.status().await.unwrap().state, State::Swapping, "and the swap goes on");
    assert!(matches!(swapping.await.unwrap(), Err(SwapError::Start(StartError::TimedOut { .. }))));
    node.stop().await.unwrap();
}

/// Catches a place that is made anew: the batch would come back as it was.
#[tokio::test]
async fn a_plugin_in_quarantine_is_started_by_its_new_spec_with_the_batches_that_wait() {
    let folder = Folder::new("renew-down");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let newer = folder.build("upper.c", "libupper2.so", &["MARK='?'"]);
    let patient = |plugin| plain(plugin).quarantine(Quarantine::after(1, Duration::from_secs(60)));
    let (node, supervisor, plugin) = started(patient(Plugin::new(&library))).await;
    let first = plugin.status().await.unwrap();
    kill(&first);
    kill(&next(&plugin, &first).await);
    let is_down = async {
        while supervisor.which_children().await.unwrap()[0].state != proscenium_supervision::State::Quarantined {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, is_down).await.expect("it is set aside");
    let waits = tokio::spawn({
        let plugin = plugin.clone();
        async move { one(&plugin, "a").await }
    });
    supervisor.change(tree(patient(Plugin::new(&newer)))).await.unwrap();
    supervisor.restart_child("p").await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap(), "A?");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn other_memory_takes_another_place_from_the_next_start_on() {
    let folder = Folder::new("renew-place");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let (node, supervisor, plugin) = started(plain(Plugin::new(&library).depth(2))).await;
    let before = plugin.status().await.unwrap();
    supervisor.change(tree(plain(Plugin::new(&library).depth(3)))).await.unwrap();
    assert_eq!(plugin.status().await.unwrap().pid, before.pid);
    assert_eq!(one(&plugin, "a").await.unwrap(), "A!");
    kill(&before);
    plugin.actor().gone().await;
    let next = async {
        loop {
            match supervisor.reference::<PluginRef>("p").await {
                Ok(next) if next.status().await.is_ok() => return next,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    let other = timeout(LIMIT, next).await.expect("it has another place");
    let batches: Vec<_> = std::iter::from_fn(|| other.try_batch()).collect();
    assert_eq!(batches.len(), 3);
    assert!(matches!(one(&plugin, "a").await, Err(ProcessError::Gone(_))));
    node.stop().await.unwrap();
}
