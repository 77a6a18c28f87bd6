//! The working folder of a process: its own, empty, there only where it is granted, and gone when the process is.

use std::path::PathBuf;

use proscenium_plugin_host::sandbox::Grants;
use proscenium_plugin_host::{Plugin, PluginRef, Swap};
use proscenium_runtime::Node;
use proscenium_supervision::Supervisor;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use crate::built::Folder;
use crate::census::{Census, LIMIT, is_alone, nothing_is_left, until};

/// What the plugin makes of a record that says `folder`: the path, and how many files it has found and then made there.
async fn folder(plugin: &PluginRef) -> (String, u32) {
    let mut batch = plugin.batch().await;
    batch.push(1, b"folder").unwrap();
    let done = timeout(LIMIT, plugin.process(batch)).await.expect("it comes back").unwrap();
    let text = String::from_utf8_lossy(done.records().next().unwrap().payload()).into_owned();
    let (path, found) = text.split_once(' ').unwrap();
    (path.to_owned(), found.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_process_has_an_empty_folder_and_takes_it_along() {
    if !is_alone("work_dir::each_process_has_an_empty_folder_and_takes_it_along") {
        return;
    }
    let name = format!("work-dir-{}", std::process::id());
    Node::start("first").await.unwrap().stop().await.unwrap();
    let before = Census::of(&name);
    let libraries = Folder::new("work-dir");
    let library = libraries.build("folder.c", "libfolder.so", &[]);
    let node = Node::start(&name).await.unwrap();
    let granted = Plugin::new(&library).grants(Grants { work_dir: true, ..Grants::default() });
    let tree = Supervisor::one_for_one()
        .named(&*name)
        .child(Plugin::spec("granted", granted))
        .child(Plugin::spec("not", Plugin::new(&library)));
    let tree = tree.start(&node).await.unwrap();
    let none = tree.reference::<PluginRef>("not").await.unwrap();
    assert_eq!(folder(&none).await, ("none".to_owned(), 0), "and it could make no file where it is");
    let plugin = tree.reference::<PluginRef>("granted").await.unwrap();
    let (first, found) = folder(&plugin).await;
    assert_eq!(found, 0);
    assert_eq!(folder(&plugin).await, (first.clone(), 1), "what it has made stays as long as it serves");
    assert!(PathBuf::from(&first).join("file0").exists());

    let process = plugin.status().await.unwrap().pid.unwrap();
    kill_process(Pid::from_raw(process as i32).unwrap(), Signal::KILL).unwrap();
    let (second, found) = folder(&plugin).await;
    assert!(second != first && found == 0, "{second}, {found} files");
    until("the folder of the killed one is gone", || !PathBuf::from(&first).exists()).await;

    plugin.swap(Swap::reload()).await.unwrap();
    let (third, found) = folder(&plugin).await;
    assert!(third != second && found == 0, "{third}, {found} files");
    until("the folder of the one before the swap is gone", || !PathBuf::from(&second).exists()).await;
    // Where a swap fails, the new one's goes.
    plugin.swap(Swap::reload().params([("init", "fails")])).await.unwrap_err();
    assert_eq!(folder(&plugin).await, (third, 1));
    let works = || Census::of(&name).folders.iter().filter(|path| path.contains("/work-")).count();
    until("there is one for each process that lives", || works() == 2).await;
    drop((plugin, none, tree));
    node.stop().await.unwrap();
    drop(libraries);
    nothing_is_left(&name, &before).await;
}
