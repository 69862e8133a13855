//! What callgrind has counted, read from the files that it writes.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The functions of the C library that give memory. What the allocator does inside is among the instructions.
const ALLOCATORS: [&str; 6] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];

/// What a thread has done for a while.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Profile {
    /// Instructions, those of the kernel aside.
    pub(super) instructions: f64,
    /// Conditional branches and indirect jumps among them.
    pub(super) branches: f64,
    /// Calls of the allocator for memory.
    pub(super) allocations: f64,
    /// The instructions again, by the function that they are in.
    functions: HashMap<String, f64>,
}

impl Profile {
    /// This and `times` another one.
    pub(super) fn plus(&self, times: f64, other: &Self) -> Self {
        let mut functions = self.functions.clone();
        for (name, instructions) in &other.functions {
            *functions.entry(name.clone()).or_default() += times * instructions;
        }
        Self {
            instructions: self.instructions + times * other.instructions,
            branches: self.branches + times * other.branches,
            allocations: self.allocations + times * other.allocations,
            functions,
        }
    }

    /// Without what the thread does because time passes. `clockwork` is what that is over some time.
    pub(super) fn without(&self, clockwork: &Self) -> Self {
        self.plus(-self.times(clockwork), clockwork)
    }

    /// How many times `clockwork` is in here.
    ///
    /// Functions that do nothing else are all in here the same number of times; the others each another one. So the number that most
    /// of the clockwork agrees upon is it.
    fn times(&self, clockwork: &Self) -> f64 {
        /// By how much those that agree may differ.
        const AGREEMENT: f64 = 1.001;
        let parts = clockwork.functions.iter().filter(|(_, part)| **part > 0.0);
        let found = parts.filter_map(|(name, part)| Some((self.functions.get(name)? / part, *part)));
        let mut found: Vec<_> = found.filter(|(times, _)| *times > 0.0).collect();
        found.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let agreeing = |least: f64| found.iter().filter(move |(times, _)| (least..=least * AGREEMENT).contains(times));
        let weight = |least: f64| agreeing(least).map(|(_, part)| part).sum::<f64>();
        let told = found.iter().map(|(times, _)| (*times, weight(*times))).max_by(|(_, a), (_, b)| a.total_cmp(b));
        told.map_or(0.0, |(least, weight)| agreeing(least).map(|(times, part)| times * part).sum::<f64>() / weight)
    }
}

/// Reads the file of one thread.
pub(super) fn read(path: &Path) -> Result<Profile> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is not as callgrind writes it", path.display()))
}

/// The format is that of valgrind's manual, "Callgrind Format Specification".
fn parse(text: &str) -> Option<Profile> {
    let after = |beginning: &str| text.lines().find_map(|line| line.strip_prefix(beginning));
    let events: Vec<&str> = after("events: ")?.split(' ').collect();
    let place = |name: &str| events.iter().position(|known| *known == name);
    let (instructions, conditional, indirect) = (place("Ir")?, place("Bc")?, place("Bi")?);
    let mut profile = Profile::default();
    let mut names = HashMap::new();
    let (mut function, mut callee, mut is_call) = ("", "", false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            function = full_name(name, &mut names);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = full_name(name, &mut names);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            if ALLOCATORS.contains(&callee) {
                profile.allocations += calls.split(' ').next()?.parse::<f64>().ok()?;
            }
            // What the callee has cost is in the next line, and counted where the callee itself stands.
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) && !is_call {
            // The position, and then the events; zeros at the end are left out.
            let costs: Vec<f64> = line.split(' ').skip(1).map(|cost| cost.parse().ok()).collect::<Option<_>>()?;
            let cost = |at: usize| costs.get(at).copied().unwrap_or(0.0);
            profile.instructions += cost(instructions);
            profile.branches += cost(conditional) + cost(indirect);
            *profile.functions.entry(function.to_owned()).or_default() += cost(instructions);
        } else {
            is_call = false;
        }
    }
    Some(profile)
}

/// A name is written out where its number, in parentheses, comes first.
fn full_name<'a>(name: &'a str, names: &mut HashMap<&'a str, &'a str>) -> &'a str {
    match name.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(name).copied().unwrap_or(name),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FILE: &str = "events: Ir Bc Bcm Bi Bim\nsummary: 200 25 3 3\n\n\
                        fn=(1) work\n0 100 20 3 2\ncfn=(2) malloc\ncalls=3 0\n0 90 9\ncfn=(3) free\ncalls=2 0\n0 8\n0 50\n\n\
                        fn=(4) more\n0 20 5\ncfn=(2)\ncalls=4 0\n0 80 1\ncfn=(5) realloc\ncalls=1 0\n0 20\n\n\
                        fn=(2)\n0 30 0 0 1\n\ntotals: 200 25 3 3\n";

    fn profile(functions: &[(&str, f64)]) -> Profile {
        let functions: HashMap<_, _> = functions.iter().map(|(name, part)| ((*name).to_owned(), *part)).collect();
        Profile { instructions: functions.values().sum(), functions, ..Profile::default() }
    }

    #[test]
    fn a_file_says_what_was_executed_where_and_how_often_memory_was_asked_for() {
        let found = parse(FILE).unwrap();
        let functions = profile(&[("work", 150.0), ("more", 20.0), ("malloc", 30.0)]).functions;
        assert_eq!(found, Profile { instructions: 200.0, branches: 28.0, allocations: 8.0, functions });
        assert_eq!(parse("summary: 1\n"), None);
    }

    #[test]
    fn what_happens_by_the_clock_is_told_by_the_functions_that_do_nothing_else() {
        let clockwork = profile(&[("look after", 500.0), ("tidy", 300.0), ("clock", 700.0), ("rare", 10.0)]);
        let found =
            profile(&[("look after", 150.0), ("tidy", 90.0), ("clock", 400.0), ("rare", 1.0), ("serve", 1000.0)]);
        let without = found.without(&clockwork);
        assert!((without.instructions - (1641.0 - 0.3 * 1510.0)).abs() < 0.001, "{}", without.instructions);
        assert_eq!(profile(&[("serve", 1.0)]).without(&clockwork).instructions, 1.0);
        assert_eq!(found.without(&Profile::default()).instructions, 1641.0);
    }
}
