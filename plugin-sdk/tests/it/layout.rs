//! The Rust mirror says what the C and the C++ compiler make of the header.
use std::fmt::Write;
use std::fs;
use std::process::{Command, id};

use proscenium_plugin_sdk::abi::*;

use crate::{folder, quiet, root};

/// Name in C and number in Rust.
fn numbers() -> Vec<(String, i64)> {
    let mut all: Vec<(String, i64)> = [
        ("PSC_ABI_MAJOR", ABI_MAJOR),
        ("PSC_ABI_MINOR", ABI_MINOR),
        ("PSC_ABI_VERSION", ABI_VERSION),
        ("PSC_MAGIC", MAGIC),
        ("PSC_LAYOUT", LAYOUT.into()),
        ("PSC_NO_PROGRESS", NO_PROGRESS),
        ("PSC_MAX_BLOCK", MAX_BLOCK),
        ("PSC_REASON_MAX", REASON_MAX),
        ("PSC_INFO_MAX", INFO_MAX),
        ("PSC_BATCH_REPLAY", BATCH_REPLAY),
        ("PSC_BATCH_INPLACE", BATCH_INPLACE),
        ("PSC_BATCH_FLUSH", BATCH_FLUSH),
        ("PSC_BATCH_STATE_ONLY", BATCH_STATE_ONLY),
        ("PSC_BATCH_SHADOW", BATCH_SHADOW),
        ("PSC_BATCH_SUSPECT", BATCH_SUSPECT),
        ("PSC_REC_CHANGED", REC_CHANGED.into()),
        ("PSC_REC_EMITTED", REC_EMITTED.into()),
        ("PSC_REC_RETRIED", REC_RETRIED.into()),
    ]
    .map(|(name, number)| (name.to_owned(), i64::from(number)))
    .into();
    all.push(("PSC_CLOCK_MONOTONIC".into(), CLOCK_MONOTONIC.into()));
    all.push(("PSC_CLOCK_REALTIME".into(), CLOCK_REALTIME.into()));
    let error = |name: String| if matches!(name.as_str(), "OK" | "MORE") { name } else { format!("ERR_{name}") };
    all.extend(ReturnCode::ALL.iter().map(|code| {
        let name = format!("{code:?}").to_uppercase();
        (format!("PSC_{}", error(name)), code.number().into())
    }));
    all.extend(
        Verdict::ALL
            .iter()
            .map(|verdict| (format!("PSC_VERDICT_{}", format!("{verdict:?}").to_uppercase()), verdict.number().into())),
    );
    all.extend(Content::ALL.iter().map(|content| {
        let name = format!("{content:?}").to_uppercase().replace("ARROWIPC", "ARROW_IPC");
        (format!("PSC_CONTENT_{name}"), content.number().into())
    }));
    all.extend(
        LogLevel::ALL
            .iter()
            .map(|level| (format!("PSC_LOG_{}", format!("{level:?}").to_uppercase()), level.number().into())),
    );
    all
}

const STRUCTS: [(&str, usize, &[Field]); 5] = [
    ("PscRecord", record_at::SIZE, record_at::FIELDS),
    ("RecordBatch", batch_at::SIZE, batch_at::FIELDS),
    ("PscParam", param_at::SIZE, param_at::FIELDS),
    ("PscState", state_at::SIZE, state_at::FIELDS),
    ("PluginContext", context_at::SIZE, context_at::FIELDS),
];

/// What the compiler says, by the same words.
fn said_by(compiler: &str, standard: &str, extension: &str) -> String {
    let mut source = "#include <proscenium_plugin.h>\nint main(void) {\n".to_owned();
    for (name, _, fields) in STRUCTS {
        writeln!(source, "printf(\"{name} %zu\\n\", sizeof({name}));").unwrap();
        for Field { name: field, .. } in fields {
            let size = format!("sizeof((({name} *)0)->{field})");
            writeln!(source, "printf(\"{name}.{field} %zu %zu\\n\", offsetof({name}, {field}), {size});").unwrap();
        }
    }
    for (name, _) in numbers() {
        writeln!(source, "printf(\"{name} %lld\\n\", (long long){name});").unwrap();
    }
    source.push_str("return 0;\n}\n");
    let folder = folder(&format!("layout-{}", id()));
    let path = folder.join(format!("layout.{extension}"));
    fs::write(&path, source).unwrap();
    let program = folder.join(standard.replace('+', "p"));
    let mut command = Command::new(compiler);
    command.arg(format!("-std={standard}")).arg("-I").arg(root().join("plugin-sdk/include"));
    quiet(command.arg("-o").arg(&program).arg(&path));
    let said = quiet(&mut Command::new(&program));
    fs::remove_dir_all(folder).unwrap();
    said
}

/// What Rust says.
fn said_here() -> String {
    let mut said = String::new();
    for (name, size, fields) in STRUCTS {
        writeln!(said, "{name} {size}").unwrap();
        for field in fields {
            writeln!(said, "{name}.{} {} {}", field.name, field.offset, field.size).unwrap();
        }
    }
    for (name, number) in numbers() {
        writeln!(said, "{name} {number}").unwrap();
    }
    said
}

#[test]
fn c_and_rust_agree_on_every_offset_and_number() {
    assert_eq!(said_by("cc", "c11", "c"), said_here());
}

#[test]
fn cpp_and_rust_agree_on_every_offset_and_number() {
    assert_eq!(said_by("c++", "c++17", "cc"), said_here());
}

/// A name that the header gained and the mirror did not would be missed by the comparison.
#[test]
fn the_mirror_has_every_number_of_the_header() {
    let header = fs::read_to_string(root().join("plugin-sdk/include/proscenium_plugin.h")).unwrap();
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let ours: Vec<String> = numbers().into_iter().map(|(name, _)| name).collect();
    let mut seen = 0;
    for line in header.lines().map(str::trim_start) {
        let line = line.strip_prefix("#define ").or_else(|| line.strip_prefix("enum { ")).unwrap_or(line);
        for part in line
            .split(", PSC_")
            .enumerate()
            .map(|(at, part)| if at == 0 { part.to_owned() } else { format!("PSC_{part}") })
        {
            let name: String = part.chars().take_while(|&c| is_name(c)).collect();
            let rest = part[name.len()..].trim_start();
            let is_number = rest.starts_with("= ") || rest.starts_with(|c: char| c.is_ascii_digit());
            // The kinds of MessagePack values are an enum of Rust's own.
            if name.starts_with("PSC_") && !name.starts_with("PSC_MP_") && is_number {
                assert!(ours.contains(&name), "{name} is missing in abi.rs");
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "only {seen} numbers were found in the header");
}

#[test]
fn a_number_without_meaning_is_none() {
    assert_eq!((ReturnCode::new(-9), ReturnCode::new(2)), (None, None));
    assert_eq!((Verdict::new(5), Content::new(5), LogLevel::new(-1)), (None, None, None));
    assert!(ReturnCode::ALL.iter().all(|code| ReturnCode::new(code.number()) == Some(*code)));
    assert!(Verdict::ALL.iter().all(|verdict| Verdict::new(verdict.number()) == Some(*verdict)));
}
