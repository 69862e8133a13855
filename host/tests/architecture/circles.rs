//! Circles: files that reach each other along arrows.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::modules::Arrows;

/// The circles among files, the largest first, each in alphabetical order.
pub(crate) fn circles(arrows: &Arrows) -> Vec<Vec<&str>> {
    let reached: Vec<(&str, BTreeSet<&str>)> =
        arrows.keys().map(|file| (file.as_str(), reachable(arrows, file))).collect();
    let mut circles: Vec<Vec<&str>> = Vec::new();
    for (file, there) in &reached {
        if circles.iter().any(|circle| circle.contains(file)) {
            continue;
        }
        let comes_back = |(other, back): &&(&str, BTreeSet<&str>)| there.contains(other) && back.contains(file);
        let circle: Vec<&str> = reached.iter().filter(comes_back).map(|(other, _)| *other).collect();
        if !circle.is_empty() {
            circles.push(circle);
        }
    }
    circles.sort_by_key(|circle| Reverse(circle.len()));
    circles
}

fn reachable<'a>(arrows: &'a Arrows, file: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![file];
    while let Some(file) = open.pop() {
        for next in arrows.get(file).into_iter().flat_map(|files| files.keys()) {
            if reached.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    reached
}
