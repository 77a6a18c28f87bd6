//! Texts that are compared with files.

use std::path::Path;

/// Compares a text with a file in `snapshots/`. `UPDATE=1` writes the file instead.
#[track_caller]
pub fn same_as(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == text,
        "{} says otherwise (UPDATE=1 writes it anew); now:\n{text}\n--- before:\n{kept}",
        file.display()
    );
}
