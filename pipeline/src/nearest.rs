//! "Did you mean": the word that somebody will have had in mind.

/// What is longer is no slip of the finger, and would cost too much.
const LONGEST: usize = 40;

/// The candidate with the fewest slips (a letter too many, missing, wrong, or two swapped), if they are few for its
/// length.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = letters(word)?;
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = letters(candidate)?;
            let allowed = 1 + word.len().max(other.len()) / 5;
            (word.len().abs_diff(other.len()) <= allowed)
                .then(|| (slips(&word, &other), candidate))
                .filter(|(slips, _)| *slips <= allowed && *slips < other.len())
        })
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

fn letters(word: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    (letters.len() <= LONGEST).then_some(letters)
}

/// The distance of two words, with two letters swapped being one slip.
fn slips(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let changed = above[j] + usize::from(from != to);
            let mut least = changed.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_found_and_other_words_are_not() {
        let words = ["window", "linger_ms", "state", "drain_ms"];
        for (word, want) in [
            ("windw", Some("window")),
            ("Window", Some("window")),
            ("widnow", Some("window")),
            ("linger", None),
            ("linger_s", Some("linger_ms")),
            ("stat", Some("state")),
            ("zzzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, words), want, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), words), None);
        assert_eq!(nearest("b", ["a"]), None, "one letter that is another is no slip");
    }
}
