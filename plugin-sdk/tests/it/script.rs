//! The script that builds plugins, as people type it.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, id};
use std::time::{Duration, SystemTime};

use crate::{folder, quiet, root, script};

/// A folder with a plugin in C.
struct Workshop {
    from: PathBuf,
}

impl Workshop {
    fn new(name: &str) -> Self {
        let from = folder(&format!("{name}-{}", id()));
        fs::copy(root().join("plugins/template/plugin.c"), from.join("mine.c")).unwrap();
        Self { from }
    }

    fn run(&self, words: &[&str]) -> (bool, String) {
        let mut command = script(&self.from);
        let Output { status, stdout, stderr } = command.env("PLUGINS_FROM", &self.from).args(words).output().unwrap();
        (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.from.join(name)
    }

    fn verify(&self, path: &Path) -> (bool, String) {
        self.run(&["verify", path.to_str().unwrap()])
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.from).unwrap();
    }
}

#[test]
fn a_file_that_is_dropped_in_is_built_and_only_when_it_is_newer() {
    let shop = Workshop::new("dropped");
    let (good, said) = shop.run(&["list"]);
    assert!(good && said.contains("mine.c") && said.contains("not built"), "{said}");
    let (good, said) = shop.run(&["all"]);
    assert!(good && said.contains("built") && shop.path("libmine.so").exists(), "{said}");
    assert_eq!(shop.run(&["all"]), (true, String::new()), "nothing is newer");
    let newer = SystemTime::now() + Duration::from_secs(5);
    fs::File::options().append(true).open(shop.path("mine.c")).unwrap().set_modified(newer).unwrap();
    assert!(shop.run(&[]).1.contains("built"));
    fs::copy(root().join("plugins/template/plugin.cc"), shop.path("second-one.cpp")).unwrap();
    let (good, said) = shop.run(&["all"]);
    assert!(good && said.contains("libsecond_one.so"), "{said}");
    assert!(shop.run(&["clean"]).0 && !shop.path("libmine.so").exists() && shop.path("mine.c").exists());
}

#[test]
fn what_does_not_build_is_named_and_the_others_are_built() {
    let shop = Workshop::new("broken");
    fs::write(shop.path("aaa.c"), "this is no C\n").unwrap();
    let (good, said) = shop.run(&["all"]);
    assert!(!good && said.contains("aaa.c:1") && said.contains("do not build"), "{said}");
    assert!(shop.path("libmine.so").exists() && !shop.path("libaaa.so").exists());
    // What is missing at run time is missed here already.
    fs::write(shop.path("aaa.c"), "int nowhere(void); int get(void); int get(void) { return nowhere(); }\n").unwrap();
    let (good, said) = shop.run(&["all"]);
    assert!(!good && said.contains("nowhere"), "{said}");
    fs::copy(shop.path("mine.c"), shop.path("mine.cc")).unwrap();
    let (good, said) = shop.run(&["all"]);
    assert!(!good && said.contains("libmine.so"), "two sources, one library: {said}");
}

#[test]
fn verify_says_why_a_file_is_no_plugin() {
    let shop = Workshop::new("verify");
    quiet(script(&shop.from).env("PLUGINS_FROM", &shop.from));
    let library = shop.path("libmine.so");
    let (good, said) = shop.verify(&library);
    assert!(good && said.contains("what a plugin needs"), "{said}");

    let whole = fs::read(&library).unwrap();
    let mut other = whole.clone();
    other[18] = 0xf3; // The machine: RISC-V.
    let files = [
        ("text.so", b"no library".to_vec(), "not an ELF file"),
        ("empty.so", vec![], "not an ELF file"),
        ("cut.so", whole[..whole.len() / 3].to_vec(), "cut off"),
        ("other.so", other, "another machine"),
    ];
    for (name, bytes, why) in files {
        fs::write(shop.path(name), bytes).unwrap();
        let (good, said) = shop.verify(&shop.path(name));
        assert!(!good && said.contains(why) && said.contains(name), "{name}: {said}");
    }
    for (path, why) in [(shop.path("nowhere.so"), "no such file"), (shop.from.clone(), "no plain file")] {
        let (good, said) = shop.verify(&path);
        assert!(!good && said.contains(why), "{said}");
    }
    let sources = [
        (
            "int init_plugin(void *c); int init_plugin(void *c) { return c != 0; }",
            "missing process_batch cleanup_plugin get_plugin_info",
        ),
        (
            "int init_plugin, process_batch, cleanup_plugin, get_plugin_info;",
            "missing init_plugin process_batch cleanup_plugin get_plugin_info",
        ),
        (
            "#define F(n) int n(void); int n(void) { return 0; }\nF(init_plugin) F(process_batch) F(cleanup_plugin) F(get_plugin_info) F(export_state)",
            "export_state without import_state",
        ),
    ];
    for (source, why) in sources {
        let (path, library) = (shop.path("odd.c"), shop.path("libodd.so"));
        fs::write(&path, source).unwrap();
        quiet(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&path));
        let (good, said) = shop.verify(&library);
        assert!(!good && said.contains(why), "{said}");
    }
}

#[test]
fn words_that_it_does_not_have_are_refused() {
    let shop = Workshop::new("words");
    let (good, said) = shop.run(&["everything"]);
    assert!(!good && said.contains("everything") && said.contains("verify FILE"), "{said}");
    assert!(!shop.run(&["verify"]).0);
}
