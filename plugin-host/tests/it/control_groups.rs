//! The control group around a plugin's process: what it limits, what it tells, and that nothing is left of it. A machine
//! without is no failure, but each test says what it could not try there.

use std::process::Command;
use std::time::Duration;

use proscenium_plugin_host::sandbox::{Grants, Layer, Limits, Status};
use proscenium_plugin_host::{CGROUP_VARIABLE, CgroupLimits, Memory, Plugin, PluginRef};

use crate::census::{groups, is_alone, processes, until};
use crate::street::{Street, fate, process, texts};

/// Whether this limit is in force; if not, it is said.
async fn has(plugin: &PluginRef, word: &str) -> bool {
    let sandbox = plugin.status().await.unwrap().sandbox;
    let layer = sandbox.status(Layer::Cgroup).expect("the layer is in the report");
    let is_there = matches!(layer, Status::Active(extent) if extent.split(';').next().unwrap().contains(word));
    if !is_there {
        println!("NOT TESTED ON THIS MACHINE: a control group's limit on {word}: {layer:?}");
    }
    is_there
}

/// Kills the process that serves, as somebody outside does, and waits until another serves.
async fn killed(plugin: &PluginRef) {
    let before = plugin.status().await.unwrap();
    let killed = Command::new("kill").args(["-KILL", &before.pid.unwrap().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(texts(&process("after the kill", plugin, &["on"]).await.unwrap()), ["on!"]);
    assert_eq!(plugin.status().await.unwrap().processes, before.processes + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_ends_at_the_limit_of_its_group_and_is_told_with_the_numbers() {
    if !is_alone("control_groups::a_leak_ends_at_the_limit_of_its_group_and_is_told_with_the_numbers") {
        return;
    }
    let street = Street::new("leak").await;
    // Without a group this is what stops it.
    let limits = Limits { address_space_bytes: Some(512 << 20), ..Limits::default() };
    let group = CgroupLimits { memory_bytes: Some(64 << 20), ..CgroupLimits::none() };
    let build = |name, act| Plugin::new(street.build(name, &[act])).limits(limits.clone()).group(group);
    let [plugin, at_init] = [build("leak", "IN_PROCESS=leak_shared"), build("init", "IN_INIT=leak_shared")];
    let plugin = street.move_in("leak", plugin.timeout(Duration::from_secs(60))).await.unwrap();
    let done = process("leak", &plugin, &["one", "now", "three"]).await.unwrap();
    if has(&plugin, "memory").await {
        assert_eq!((texts(&done)[0].as_str(), texts(&done)[2].as_str()), ("one!", "three!"));
        assert_eq!(fate(&done, 1), "aside: oom");
        let end = done.records().nth(1).unwrap().end().unwrap();
        let Some(Memory::Own { limit, peak }) = end.memory else { panic!("{end}") };
        assert_eq!(limit, 64 << 20);
        assert!(peak.is_none_or(|peak| peak > 48 << 20 && peak <= 64 << 20), "{end}");
        assert!(end.to_string().contains("64 MiB are the limit of its control group"), "{end}");
        println!("{end}");
        let error = street.move_in("init", at_init.start_limit(Duration::from_secs(60))).await.unwrap_err().to_string();
        assert!(error.contains("64 MiB are the limit of its control group"), "{error}");
    } else {
        assert_eq!(texts(&done), ["one!", "no more is mapped", "three!"]);
    }
    street.neighbour_serves("after the leak").await;
    drop((done, plugin));
    street.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_storm_stops_at_the_limit_of_its_group_and_ends_with_its_process() {
    if !is_alone("control_groups::a_fork_storm_stops_at_the_limit_of_its_group_and_ends_with_its_process") {
        return;
    }
    let street = Street::new("bomb").await;
    let group = CgroupLimits { tasks: Some(64), ..CgroupLimits::none() };
    let plugin = Plugin::new(street.build("bomb", &["IN_PROCESS=bomb"])).group(group);
    let plugin = plugin.grants(Grants { processes: true, ..Grants::default() });
    let plugin = plugin.timeout(Duration::from_secs(2)).grace(Duration::from_millis(50));
    let plugin = street.move_in("bomb", plugin).await.unwrap();
    if has(&plugin, "tasks").await {
        let done = process("bomb", &plugin, &["one", "now", "three"]).await.unwrap();
        assert_eq!(fate(&done, 1), "aside: timeout");
        let end = done.records().nth(1).unwrap().end().unwrap();
        assert!(end.tasks_refused > 0 && end.to_string().contains("forks or threads refused"), "{end}");
        println!("{end}");
        street.neighbour_serves("after the storm").await;
        let usage = plugin.status().await.unwrap().usage;
        assert!(usage.tasks_limit == Some(64) && usage.tasks < Some(8) && usage.tasks_refused == Some(0), "{usage:?}");
    }
    drop(plugin);
    street.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_process_has_started_ends_with_it() {
    if !is_alone("control_groups::what_a_process_has_started_ends_with_it") {
        return;
    }
    let street = Street::new("born").await;
    let plugin = Plugin::new(street.build("bear", &["IN_PROCESS=bear"]));
    let plugin = street.move_in("bear", plugin.grants(Grants { processes: true, ..Grants::default() })).await.unwrap();
    let own = |name: &str| processes(name).iter().filter(|process| process.contains("/bear")).count();
    assert_eq!(texts(&process("bear", &plugin, &["now"]).await.unwrap()), ["born"]);
    until("all are born", || own(&street.name) == 4).await;
    let before = groups(std::process::id());
    killed(&plugin).await;
    if before.is_empty() {
        println!("NOT TESTED ON THIS MACHINE: one kill for all that a plugin has started: it has no control groups");
    } else {
        until("only the new process is there", || own(&street.name) == 1).await;
        until("its group is gone", || groups(std::process::id()).len() == before.len()).await;
        assert_ne!(groups(std::process::id()), before);
    }
    drop(plugin);
    street.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_kill_from_outside_it_is_told_whether_memory_is_counted() {
    if !is_alone("control_groups::of_a_kill_from_outside_it_is_told_whether_memory_is_counted") {
        return;
    }
    let street = Street::new("outside").await;
    let plugin = street.move_in("outside", Plugin::new(street.build("outside", &[]))).await.unwrap();
    killed(&plugin).await;
    let end = plugin.status().await.unwrap().last_end.unwrap();
    assert!(end.to_string().contains("killed by signal 9"), "{end}");
    if has(&plugin, "memory").await {
        assert_eq!(end.memory, None, "{end}");
    } else {
        assert!(matches!(end.memory, Some(Memory::Unknown(_))), "{end}");
        assert!(
            end.to_string().contains("whether for want of memory is not known, without a control group: "),
            "{end}"
        );
    }
    drop(plugin);
    street.close().await;
}

/// As the variable says; the test runs itself again with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_may_be_told_to_make_no_groups() {
    const TEST: &str = "control_groups::a_host_may_be_told_to_make_no_groups";
    if std::env::var_os(CGROUP_VARIABLE).is_none() {
        let run = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture"])
            .env(CGROUP_VARIABLE, "none")
            .output();
        let run = run.unwrap();
        return assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }
    let street = Street::new("none").await;
    let plugin = street.move_in("none", Plugin::new(street.build("none", &[]))).await.unwrap();
    let sandbox = plugin.status().await.unwrap().sandbox;
    let want = Status::NotAvailable("PROSCENIUM_CGROUP is none".to_owned());
    assert_eq!(sandbox.status(Layer::Cgroup), Some(&want));
    assert!(groups(std::process::id()).is_empty());
    drop(plugin);
    street.close().await;
}
