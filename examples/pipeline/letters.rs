//! The dead letters: each record that could not go on, once, with its payload as it came.

use std::path::Path;

use crate::orders::Order;
use crate::proof::written;
use crate::wanted::Fate;

/// How many there are of those that must be there, and how many others.
pub fn compare(folder: &Path, lines: &[&str], fates: &[Fate]) -> std::io::Result<(usize, usize)> {
    let (mut seen, mut others) = (vec![false; lines.len()], 0);
    for line in written(folder)? {
        let letter: serde_json::Value = serde_json::from_str(&line?)?;
        let payload = letter["payload"]["text"].as_str().unwrap_or_default();
        let id = serde_json::from_str::<Order>(payload).ok().map(|order| order.id);
        let is_due = |&id: &usize| {
            let Some(Fate::Dead { part, class }) = fates.get(id) else { return false };
            letter["part"] == *part && letter["class"] == *class && lines[id] == payload
        };
        match id.filter(is_due) {
            Some(id) if !seen[id] => seen[id] = true,
            _ => others += 1,
        }
    }
    Ok((seen.into_iter().filter(|seen| *seen).count(), others))
}
