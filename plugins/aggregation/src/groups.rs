//! The groups and their sums, and both as bytes for the next instance.
use std::collections::BTreeMap;

/// What is known of the numbers of one group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sums {
    pub count: u64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
}

/// In the order of their keys, so that a replay gives the same records in the same order.
#[derive(Debug, Default, PartialEq)]
pub struct Groups(BTreeMap<Vec<u8>, Sums>);

impl Groups {
    /// Counts a number. `false` if it is of a new group, and there are `most` already.
    pub fn add(&mut self, group: &[u8], number: f64, most: usize) -> bool {
        if let Some(sums) = self.0.get_mut(group) {
            sums.count += 1;
            sums.sum += number;
            sums.min = sums.min.min(number);
            sums.max = sums.max.max(number);
            return true;
        }
        let is_room = self.0.len() < most;
        if is_room {
            self.0.insert(group.to_vec(), Sums { count: 1, sum: number, min: number, max: number });
        }
        is_room
    }

    pub fn first(&self) -> Option<(&[u8], &Sums)> {
        self.0.first_key_value().map(|(group, sums)| (group.as_slice(), sums))
    }

    pub fn remove_first(&mut self) {
        self.0.pop_first();
    }

    /// Length and text of `what`, then for each group length, key, and four numbers, little-endian.
    pub fn to_bytes(&self, what: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, what.as_bytes());
        for (group, sums) in &self.0 {
            put(&mut bytes, group);
            bytes.extend(sums.count.to_le_bytes());
            for number in [sums.sum, sums.min, sums.max] {
                bytes.extend(number.to_le_bytes());
            }
        }
        bytes
    }

    pub fn from_bytes(mut bytes: &[u8]) -> Option<(String, Self)> {
        let what = String::from_utf8(take(&mut bytes)?.to_vec()).ok()?;
        let mut groups = BTreeMap::new();
        while !bytes.is_empty() {
            let group = take(&mut bytes)?.to_vec();
            let count = u64::from_le_bytes(word(&mut bytes)?);
            let mut number = || Some(f64::from_le_bytes(word(&mut bytes)?));
            groups.insert(group, Sums { count, sum: number()?, min: number()?, max: number()? });
        }
        Some((what, Self(groups)))
    }
}

fn put(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text);
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u64::from_le_bytes(word(bytes)?);
    let (text, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(text)
}

fn word(bytes: &mut &[u8]) -> Option<[u8; 8]> {
    let (word, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(*word)
}
