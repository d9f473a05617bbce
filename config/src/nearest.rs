//! The word that was probably meant.

/// The candidate nearest to `word`, if one is near enough to be worth a suggestion.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let word = plain(word);
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    let (away, candidate) = candidates.into_iter().map(|c| (distance(&word, &plain(c)), c)).min()?;
    (away <= allowed).then_some(candidate)
}

/// Edits from `a` to `b`: insert, delete or replace a character, or swap two neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_was_probably_meant_and_nothing_far_fetched() {
        let keys = ["client_id", "scopes", "flow", "label", "lead"];
        for (typed, meant) in
            [("clientid", Some("client_id")), ("client-id", Some("client_id")), ("scope", Some("scopes"))]
        {
            assert_eq!(nearest(typed, keys), meant, "{typed}");
        }
        assert_eq!(nearest("folw", keys), Some("flow"));
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest("timeout", keys), None);
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [("", "", 0), ("", "ab", 2), ("kitten", "sitting", 3), ("flow", "folw", 1)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
