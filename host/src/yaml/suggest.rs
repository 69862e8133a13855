//! "Did you mean": the name that was probably meant.

/// How alike two names must be (Jaro-Winkler, 0 to 1). Below this, suggestions are more often wrong
/// than right.
const ALIKE: f64 = 0.8;

/// ` (did you mean ``x``?)` with a leading space, or nothing where no candidate is close.
pub(crate) fn did_you_mean<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> String {
    let lower = word.to_lowercase();
    let best = candidates
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((_, candidate)) => format!(" (did you mean `{candidate}`?)"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(word: &str) -> String {
        did_you_mean(word, ["KeyPrefix", "CommandFilter", "MemoryStore"].into_iter())
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(hint("KeyPrefx"), " (did you mean `KeyPrefix`?)");
        assert_eq!(hint("keyprefix"), " (did you mean `KeyPrefix`?)");
        assert_eq!(hint("CommandFitler"), " (did you mean `CommandFilter`?)");
    }

    #[test]
    fn a_word_that_is_like_none_gets_no_suggestion() {
        assert_eq!(hint("QueryCounter"), "");
        assert_eq!(hint(""), "");
    }
}
