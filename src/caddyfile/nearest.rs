//! Suggestions for a word that is unknown: the nearest known one, or a list.

/// The known word nearest to `word`, if it is near enough to be a typing error.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let reach = 1 + word.chars().count() / 4;
    // Two words of two letters are never alike.
    let is_long = |candidate: &str| word.len().max(candidate.len()) > 2;
    known
        .iter()
        .map(|candidate| (distance(&word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= reach && is_long(candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What to write in the place of a word that is none of the known ones.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    match (nearest(word, known), known) {
        (Some(name), _) => format!("did you mean '{name}'?"),
        (None, [only]) => format!("write: {only}"),
        (None, known) => format!("write one of {}", known.join(", ")),
    }
}

/// Edit distance (Levenshtein), one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_typing_errors_only() {
        let known = ["proxy", "tls", "gzip", "root", "v1"];
        let cases = [
            ("prxoy", Some("proxy")),
            ("poxy", Some("proxy")),
            ("Gzip", Some("gzip")),
            ("tsl", None),
            ("tlss", Some("tls")),
            ("nope", None),
            ("tl", Some("tls")),
            ("v3", None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
    }
}
