//! What somebody may have meant who wrote a name that is not there.

/// The name that is nearest to `word`, if one is near: a third of its letters may differ, and one always may.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    let near = names.into_iter().map(|name| (distance(word, name), name)).filter(|(steps, _)| *steps <= most);
    near.min_by_key(|(steps, _)| *steps).map(|(_, name)| name)
}

/// Levenshtein's: letters to be put in, left out or changed, so that one becomes the other. Capitals count as small letters.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (nth, letter) in one.to_lowercase().chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], nth + 1);
        for (at, theirs) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *theirs);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_levenshteins() {
        for (one, other, steps) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("Sink", "sink", 0),
            ("ab", "ba", 2),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(distance(one, other), steps, "{one} {other}");
            assert_eq!(distance(other, one), steps, "{other} {one}");
        }
    }

    #[test]
    fn only_what_is_near_is_proposed_and_of_that_the_nearest() {
        let names = ["validation", "validate", "sink", "in"];
        for (word, meant) in [
            ("validatoin", Some("validation")),
            ("validat", Some("validate")),
            ("snik", None),
            ("snk", Some("sink")),
            ("on", Some("in")),
            ("quite_else", None),
        ] {
            assert_eq!(nearest(word, names), meant, "{word}");
        }
    }
}
