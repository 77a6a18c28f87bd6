//! Texts that are compared with files.

use std::path::Path;

/// The text is that of `snapshots/<name>.txt`; with `UPDATE=1` the file becomes the text.
#[track_caller]
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots").join(format!("{name}.txt"));
    if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
        std::fs::write(&file, text).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(expected == text, "{} differs; is it so now?\n{text}\nUPDATE=1 writes it", file.display());
}
