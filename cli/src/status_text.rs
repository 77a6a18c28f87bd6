//! How a pipeline is, as a table.

use std::fmt::Write;

use serde_json::Value;

use crate::findings::clean;

const COLUMNS: [(&str, &str); 8] = [
    ("TAKEN", "taken"),
    ("PASSED", "passed"),
    ("DROPPED", "dropped"),
    ("SKIPPED", "skipped"),
    ("LETTERS", "dead_letters"),
    ("RETRIES", "retries"),
    ("WAITING", "waiting"),
    ("RESTARTS", "restarts"),
];

/// Of a status as JSON: one line for the pipeline, a table of its parts, and what troubles them.
pub fn text(status: &Value) -> String {
    let mut text = String::new();
    let word = |value: &Value| clean(value.as_str().unwrap_or_default());
    let how = match (status["ended"].as_str(), status["is_paused"].as_bool()) {
        (Some(ended), _) => clean(ended),
        (None, Some(true)) => "paused".to_owned(),
        (None, _) => "running".to_owned(),
    };
    // A string takes all.
    _ = writeln!(text, "{}: {how}; checkpoint {}", word(&status["name"]), status["checkpoint"]);
    let parts = status["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rows = vec![
        ["PART", "KIND", "INST"].iter().copied().chain(COLUMNS.map(|(title, _)| title)).map(str::to_owned).collect(),
    ];
    for part in parts {
        let mut row = vec![word(&part["name"]), word(&part["kind"]), part["instances"].to_string()];
        row.extend(COLUMNS.map(|(_, key)| part["counts"][key].to_string()));
        rows.push(row);
    }
    write_table(&mut text, &rows);
    for part in parts {
        if part["is_stopped"] == true {
            _ = writeln!(
                text,
                "`{0}` is stopped by its policy; `proscenium resume {0}` lets it go on",
                word(&part["name"])
            );
        }
        if let Some(trouble) = part["trouble"].as_str() {
            _ = writeln!(text, "`{}`: {}", word(&part["name"]), clean(trouble));
        }
    }
    text
}

fn write_table(text: &mut String, rows: &[Vec<String>]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len() + 3).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(nth, (cell, width))| match nth {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        _ = writeln!(text, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
