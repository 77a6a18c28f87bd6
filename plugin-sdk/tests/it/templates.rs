//! The templates for new plugins, and the plugins of the page for beginners, are built by the script and run.
use std::fs;
use std::path::Path;
use std::process::id;

use proscenium_plugin_sdk::abi::{ReturnCode, Verdict};
use proscenium_plugin_sdk::msgpack::{Value, map};

use crate::runner::{Answer, Talk, tells_about_itself};
use crate::{folder, quiet, root, script};

/// A crate as it would stand in plugins/<name>, here.
fn write_crate(folder: &Path, manifest: &str, source: &str) {
    let sdk = root().join("plugin-sdk");
    let manifest = manifest.replace("../../plugin-sdk", sdk.to_str().unwrap());
    assert!(manifest.contains(sdk.to_str().unwrap()), "{manifest}");
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/lib.rs"), source).unwrap();
}

fn judged(library: &Path, params: &[(&str, &str)], records: &[Vec<u8>]) -> Answer {
    Talk::started(library, params).batch(records).say("cleanup").answers().remove(1)
}

#[test]
fn each_template_builds_without_a_warning_and_does_the_same() {
    let shop = folder(&format!("templates-{}", id()));
    let template = root().join("plugins/template");
    let read = |path: &str| fs::read_to_string(template.join(path)).unwrap();
    fs::write(shop.join("in_c.c"), read("plugin.c")).unwrap();
    fs::write(shop.join("in_cpp.cc"), read("plugin.cc")).unwrap();
    write_crate(&shop.join("in_rust"), &read("rust/Cargo.toml"), &read("rust/src/lib.rs"));
    quiet(script(&shop).env("PLUGINS_FROM", &shop));
    for name in ["in_c", "in_cpp", "in_rust"] {
        let library = shop.join(format!("lib{name}.so"));
        tells_about_itself(&library, "template");
        let records = [map(&[("id", Value::from(1_u64))]), map(&[("name", "x".into())]), vec![0xc1]];
        let answer = judged(&library, &[], &records);
        let verdicts: Vec<_> = answer.records.iter().map(|after| (after.verdict, after.reason.as_str())).collect();
        assert_eq!(
            verdicts,
            [(Verdict::Ok, ""), (Verdict::Fail, "id: missing"), (Verdict::Fail, "id: missing")],
            "{name}"
        );
        let answer = judged(&library, &[("field", "name")], &records);
        assert_eq!((answer.code, answer.records[1].verdict), (Some(ReturnCode::Ok), Verdict::Ok), "{name}");
    }
    fs::remove_dir_all(shop).unwrap();
}

/// The first block of the page that is in this language and has this in it.
fn block<'a>(page: &'a str, language: &str, holds: &str) -> &'a str {
    let mut blocks = page.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    let found = blocks.find(|(head, text)| head.split(',').next() == Some(language) && text.contains(holds));
    found.unwrap_or_else(|| panic!("the page has no {language} with {holds}")).1
}

#[test]
fn the_first_plugin_of_the_page_does_what_the_page_says_in_each_language() {
    let page = fs::read_to_string(root().join("docs/writing-plugins.md")).unwrap();
    let shop = folder(&format!("page-{}", id()));
    fs::write(shop.join("discount_c.c"), block(&page, "c", "PSC_PLUGIN")).unwrap();
    fs::write(shop.join("discount_cpp.cc"), block(&page, "cpp", "PSC_PLUGIN")).unwrap();
    write_crate(&shop.join("discount"), block(&page, "toml", "cdylib"), block(&page, "rust", "export_plugin!"));
    quiet(script(&shop).env("PLUGINS_FROM", &shop));
    for name in ["discount_c", "discount_cpp", "discount"] {
        let library = shop.join(format!("lib{name}.so"));
        let order = |total: f64| map(&[("customer", "kim".into()), ("total", total.into())]);
        let records = [order(50.0), order(200.0), map(&[("customer", "kim".into())]), vec![0xc1]];
        let answer = judged(&library, &[("percent", "10")], &records);
        assert_eq!(answer.code, Some(ReturnCode::Ok), "{name}: {answer:?}");
        assert_eq!(answer.records[0].payload, records[0], "{name}");
        assert_eq!(answer.records[1].payload, order(180.0), "{name}");
        for after in &answer.records[2..] {
            assert_eq!((after.verdict, after.arg, after.reason.as_str()), (Verdict::Fail, 1, "no total"), "{name}");
        }
        let refused = &Talk::started(&library, &[("percent", "lots")]).answers()[0];
        assert_eq!(refused.code, Some(ReturnCode::Config), "{name}");
        assert!(refused.text.contains("percent"), "{name}: {}", refused.text);
        assert_eq!(judged(&library, &[], &records).records[1].payload, order(190.0), "{name}: 5 by default");
    }
    fs::remove_dir_all(shop).unwrap();
}
