//! A catalog of real libraries: found, started, changed, upgraded, ended, and remembered when they fail.

use std::path::Path;

use proscenium_plugin_host::{Catalog, CatalogError, CatalogRef, Listing, Plugin, PluginRef, StartError, Verdicts};
use proscenium_runtime::Node;
use proscenium_supervision::{Supervisor, SupervisorError, SupervisorRef};

use crate::built::Folder;

async fn started(folder: &Folder) -> (Node, SupervisorRef, CatalogRef) {
    let node = Node::start("test").await.unwrap();
    let tree = Supervisor::one_for_one().intensity(2, std::time::Duration::from_secs(60)).start(&node).await.unwrap();
    let catalog = node.spawn(Catalog::new(tree.clone(), [folder.path()])).await.unwrap();
    (node, tree, catalog)
}

async fn one(plugin: &PluginRef, payload: &str) -> String {
    let mut batch = plugin.batch().await;
    batch.push(1, payload.as_bytes()).unwrap();
    let done = plugin.process(batch).await.unwrap();
    let record = done.records().next().unwrap();
    assert_eq!(record.verdict(), Verdicts::Ok);
    String::from_utf8_lossy(record.payload()).into_owned()
}

fn of<'a>(list: &'a [Listing], file: &str) -> &'a Listing {
    list.iter().find(|listing| listing.library.ends_with(file)).unwrap()
}

fn params(params: &[(&str, &str)]) -> Vec<(String, String)> {
    params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn what_lies_in_a_folder_is_listed_with_what_it_says_or_why_it_is_none() {
    let folder = Folder::new("catalog-list");
    folder.build("upper.c", "libupper.so", &[]);
    std::fs::write(folder.path().join("broken.so"), "no").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no").unwrap();
    let (node, _tree, catalog) = started(&folder).await;
    assert!(catalog.list().await.unwrap().is_empty(), "nothing is looked at before a scan");
    let list = catalog.scan().await.unwrap().unwrap();
    assert_eq!(list.len(), 2);
    let upper = of(&list, "libupper.so");
    let look = upper.look.as_ref().unwrap();
    assert_eq!((look.name(), look.info("version"), look.has_state), ("upper", Some("1.0.0"), true));
    assert_eq!((upper.fingerprint, upper.enabled.as_deref()), (Some(look.fingerprint), None));
    let broken = of(&list, "broken.so");
    assert!(broken.look.is_none() && broken.failure.as_ref().unwrap().why.contains("it is no ELF file"));
    let again = catalog.scan().await.unwrap().unwrap();
    assert_eq!(of(&again, "broken.so").failure, broken.failure, "it is not tried again");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_plugin_is_enabled_changed_upgraded_and_disabled() {
    let folder = Folder::new("catalog-life");
    folder.build("upper.c", "libupper.so", &[]);
    let (node, tree, catalog) = started(&folder).await;
    catalog.scan().await.unwrap().unwrap();
    let plugin = catalog.enable("upper".into(), vec![]).await.unwrap().unwrap();
    assert_eq!(one(&plugin, "a").await, "A!");
    assert!(matches!(catalog.enable("upper".into(), vec![]).await.unwrap(), Err(CatalogError::Enabled(_))));
    let first = plugin.status().await.unwrap().pid;

    let refused = catalog.change("upper".into(), params(&[("init", "config")])).await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("init: must not be config"), "{refused}");
    assert_eq!(plugin.status().await.unwrap().pid, first, "the old process serves");
    let report = catalog.change("upper".into(), params(&[("init", "quick")])).await.unwrap().unwrap();
    assert_eq!((Some(report.old.pid), report.state), (first, Some(8)));

    folder.build("upper.c", "libupper_v2.so", &["VERSION=\"2.0.0\"", "MARK='?'"]);
    catalog.scan().await.unwrap().unwrap();
    let report = catalog.upgrade("upper".into()).await.unwrap().unwrap();
    assert_eq!((report.old.version.as_str(), report.new.version.as_str()), ("1.0.0", "2.0.0"));
    assert_eq!(one(&plugin, "a").await, "A?");
    let list = catalog.list().await.unwrap();
    assert_eq!(of(&list, "libupper.so").enabled, None);
    assert_eq!(of(&list, "libupper_v2.so").enabled.as_deref(), Some("upper"));

    catalog.disable("upper".into()).await.unwrap().unwrap();
    assert!(tree.which_children().await.unwrap().is_empty());
    assert!(matches!(catalog.disable("upper".into()).await.unwrap(), Err(CatalogError::NotEnabled(_))));
    node.stop().await.unwrap();
}

#[tokio::test]
async fn what_fails_at_its_start_is_remembered_until_it_is_another_file_or_forgiven() {
    let folder = Folder::new("catalog-fails");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let (node, _tree, catalog) = started(&folder).await;
    catalog.scan().await.unwrap().unwrap();
    let crash = params(&[("init", "crash")]);
    let failed = catalog.enable("upper".into(), crash.clone()).await.unwrap().unwrap_err();
    assert!(failed.to_string().contains(library.to_str().unwrap()), "{failed}");
    assert!(failed.to_string().contains("while at init"), "{failed}");
    let refused = catalog.enable("upper".into(), vec![]).await.unwrap().unwrap_err();
    assert!(
        refused.to_string().contains("it has failed before") && refused.to_string().contains("at init"),
        "{refused}"
    );

    assert!(catalog.forgive(library.clone()).await.unwrap());
    catalog.enable("upper".into(), vec![]).await.unwrap().unwrap();
    catalog.disable("upper".into()).await.unwrap().unwrap();

    catalog.enable("upper".into(), crash).await.unwrap().unwrap_err();
    std::fs::remove_file(&library).unwrap();
    folder.build("upper.c", "libupper.so", &["VERSION=\"1.0.1\""]);
    catalog.scan().await.unwrap().unwrap();
    catalog.enable("upper".into(), vec![]).await.unwrap().unwrap();
    node.stop().await.unwrap();
}

#[tokio::test]
async fn parameters_that_do_not_fit_start_nothing_and_blame_no_file() {
    let folder = Folder::new("catalog-params");
    let schema = "SCHEMA=\"{\\\"additionalProperties\\\":false,\\\"properties\\\":{\\\"init\\\":{\\\"enum\\\":[\\\"quick\\\"]}}}\"";
    folder.build("upper.c", "libupper.so", &[schema]);
    let (node, tree, catalog) = started(&folder).await;
    catalog.scan().await.unwrap().unwrap();
    let refused = catalog.enable("upper".into(), params(&[("init", "slow"), ("x", "y")])).await.unwrap().unwrap_err();
    let want = "libupper.so: the parameters do not fit: init = `slow`: give quick; x = `y`: it takes init";
    assert!(refused.to_string().ends_with(want), "{refused}");
    assert!(tree.which_children().await.unwrap().is_empty());
    let plugin = catalog.enable("upper".into(), vec![]).await.unwrap().unwrap();
    let before = plugin.status().await.unwrap().pid;
    let refused = catalog.change("upper".into(), params(&[("init", "slow")])).await.unwrap().unwrap_err();
    assert!(matches!(refused, CatalogError::Params { .. }), "{refused}");
    assert_eq!(plugin.status().await.unwrap().pid, before);
    let unknown = catalog.enable("lower".into(), vec![]).await.unwrap().unwrap_err();
    assert_eq!(unknown.to_string(), "no library is called `lower`; there are upper; scan again if it is new");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_named() {
    let folder = Folder::new("catalog-folder");
    let (node, tree, _) = started(&folder).await;
    let catalog = node.spawn(Catalog::new(tree, [Path::new("/nowhere")])).await.unwrap();
    let error = catalog.scan().await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("/nowhere: No such file"), "{error}");
    node.stop().await.unwrap();
}

/// `init_plugin` would crash for this value. Catches a check that comes after it, or not at all.
#[tokio::test]
async fn a_process_whose_parameters_do_not_fit_is_not_initialised() {
    let folder = Folder::new("misfit");
    let schema = "SCHEMA=\"{\\\"properties\\\":{\\\"init\\\":{\\\"enum\\\":[\\\"quick\\\"]}}}\"";
    let library = folder.build("upper.c", "libupper.so", &[schema]);
    let (node, tree, _) = started(&folder).await;
    let spec = Plugin::spec("upper", Plugin::new(&library).param("init", "crash"));
    let Err(SupervisorError::Start(exit)) = tree.start_child(spec).await else { panic!("it does not fit") };
    let error = StartError::of(&exit).unwrap();
    assert_eq!(error.class(), "config_error");
    assert_eq!(error.to_string(), "the plugin refuses its parameters: init = `crash`: give quick");
    assert!(error.is_final(), "another try would end the same way");
    node.stop().await.unwrap();
}
