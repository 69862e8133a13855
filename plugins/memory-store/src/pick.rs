//! Picking at random.

use std::collections::BTreeSet;

use sluice_plugin::random;

/// One of so many positions; 0 where there is none.
pub(crate) fn one(len: usize) -> usize {
    let len = u64::try_from(len).unwrap_or(u64::MAX).max(1);
    usize::try_from(random::bits() % len).unwrap_or(0)
}

/// Different ones of so many positions, each choice as likely as any other (Floyd's way: one number for each).
pub(crate) fn some(count: usize, len: usize) -> BTreeSet<usize> {
    let mut chosen = BTreeSet::new();
    for last in len.saturating_sub(count)..len {
        let at = one(last + 1);
        if !chosen.insert(at) {
            chosen.insert(last);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_wanted_are_picked_and_every_position_can_be() {
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let chosen = some(3, 10);
            assert_eq!(chosen.len(), 3);
            seen.extend(chosen);
        }
        assert_eq!(seen, (0..10).collect());
        assert_eq!(some(20, 10).len(), 10);
        assert_eq!(some(0, 10).len(), 0);
    }
}
