//! What a child may write, and what the host makes of it: one function for each way that it comes. Fuzzers drive them
//! (`make fuzz`), and tests go through the fuzzers' corpora. Not part of the package: it is there under `--cfg fuzzing`.
//!
//! Each takes any bytes, and panics where the host would have been deceived. True: the bytes were good for something.

#[cfg(any(test, fuzzing))]
mod info;
#[cfg(any(test, fuzzing))]
mod packets;
#[cfg(test)]
mod random;
#[cfg(any(test, fuzzing))]
mod table;
#[cfg(any(test, fuzzing))]
mod world;

pub use info::info;
pub use packets::{last_word, packet};
pub use table::table;

/// Bytes that are taken off the front, with zeros behind the end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let len = N.min(self.0.len());
        bytes[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        bytes
    }

    fn below(&mut self, n: u32) -> u32 {
        u32::from(self.bytes::<1>()[0]) % n
    }

    /// Up to the next zero.
    fn text(&mut self) -> String {
        let mut parts = self.0.splitn(2, |&byte| byte == 0);
        let text = parts.next().unwrap_or_default();
        self.0 = parts.next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }
}

/// As a text must be that is shown to somebody.
fn is_clean(text: &str) -> bool {
    !text.contains(|char: char| char.is_control() && char != '\t')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// How many of the corpus are good for something, and how many are refused: a corpus of one kind looks at one side alone.
    #[track_caller]
    fn goes_through(corpus: &str, target: impl Fn(&[u8]) -> bool) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(corpus);
        let (mut taken, mut refused) = (0, 0);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            *if target(&bytes) { &mut taken } else { &mut refused } += 1;
        }
        println!("{corpus}: {taken} taken, {refused} refused");
        assert!(
            taken > 4 && refused > 4,
            "{corpus}: {taken} taken, {refused} refused: make it anew, as fuzz/README.md says"
        );
    }

    #[test]
    fn the_corpora_are_on_both_sides() {
        goes_through("table", super::table);
        goes_through("packet", super::packet);
        goes_through("last_word", super::last_word);
        goes_through("info", super::info);
    }
}
