//! Who is meant by a path.

use crate::rows::Row;

/// The one of this path, or of which this is the end.
pub fn find(rows: &[Row], path: &str) -> Result<Row, String> {
    let ends = |row: &&Row| row.path == path || row.path.ends_with(&format!("/{path}"));
    let found: Vec<_> = rows.iter().filter(ends).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => Err(nobody(rows, path)),
        _ => Err(format!("`{path}` is {}", found.iter().map(|row| row.path.as_str()).collect::<Vec<_>>().join(" or "))),
    }
}

fn nobody(rows: &[Row], path: &str) -> String {
    let all: Vec<_> = rows.iter().map(|row| row.path.rsplit('/').next().unwrap_or_default()).collect();
    format!("there is no `{path}`; there are {}", all.join(", "))
}
