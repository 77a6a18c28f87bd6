//! Runner and plugins under AddressSanitizer, through the host as it is shipped: `make asan`, which builds both and says
//! where they are.
//!
//! What it cannot do within the sandbox's defaults is granted by name ([`sanitized`]), and nothing else: its shadow of the
//! address space is larger than any limit on memory. All walls stand.

#[path = "../it/compiled.rs"]
mod compiled;
mod log;
mod sick;
mod sound;

use std::path::{Path, PathBuf};
use std::time::Duration;

use proscenium_plugin_host::sandbox::{Grants, Layer, Limits};
use proscenium_plugin_host::{Plugin, PluginRef, Processed, Status};
use proscenium_runtime::Node;
use proscenium_supervision::{Supervisor, SupervisorRef};

use crate::compiled::compile;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: these tests are run by `make asan`"))
}

/// One of the project's plugins, as `make asan` has built it.
fn library(name: &str) -> PathBuf {
    Path::new(&variable("ASAN_PLUGINS")).join(format!("lib{name}.so"))
}

/// A plugin of the tests', built in the same way.
fn built(source: &str, as_name: &str, define: Option<&str>) -> PathBuf {
    let library = library(as_name);
    let flags = variable("PLUGIN_CFLAGS");
    let define = define.map(|define| format!("-D{define}"));
    compile(source, &library, ["-O1"].into_iter().chain(flags.split_whitespace()).chain(define.as_deref()));
    library
}

/// With what AddressSanitizer needs: addresses without a limit, of which it reserves many and uses few; and a call.
fn sanitized(library: PathBuf) -> Plugin {
    // For a report: its pipe gets numbers of the channel's, whose flags a plugin must leave alone.
    let grants = Grants { syscalls: vec!["fcntl".parse().unwrap()], ..Grants::default() };
    let limits = Limits { address_space_bytes: None, data_bytes: None, ..Limits::default() };
    // It is slower, and starts slowly on a machine that is busy.
    Plugin::new(library)
        .grants(grants)
        .limits(limits)
        .start_limit(Duration::from_secs(30))
        .timeout(Duration::from_secs(60))
}

struct World {
    node: Node,
    _tree: SupervisorRef,
    plugin: PluginRef,
}

impl World {
    async fn new(name: &str, plugin: Plugin) -> World {
        log::keep();
        let node = Node::start("asan").await.unwrap();
        let tree = Supervisor::one_for_one().child(Plugin::spec(name.to_owned(), plugin)).start(&node).await.unwrap();
        let plugin = tree.reference::<PluginRef>(name.to_owned()).await.unwrap();
        World { node, _tree: tree, plugin }
    }

    async fn process(&self, payloads: &[Vec<u8>]) -> Processed {
        let mut batch = self.plugin.batch().await;
        for (nth, payload) in payloads.iter().enumerate() {
            batch.push(100 + nth as u64, payload).unwrap();
        }
        self.plugin.process(batch).await.unwrap()
    }

    async fn status(&self) -> Status {
        let status = self.plugin.status().await.unwrap();
        for layer in
            [Layer::ResourceLimits, Layer::NoNewPrivileges, Layer::Landlock, Layer::Capabilities, Layer::Seccomp]
        {
            assert!(status.sandbox.is_active(layer), "{}", status.sandbox);
        }
        status
    }
}
