//! `sluice plugin test`.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::anyhow;

use super::cache::CacheChoice;
use super::component::spec;
use sluice::cases::{Case, Cases, Outcome};

/// Runs a component against the cases of a file, or those whose name contains `part`. `component`
/// is a file or the name of a standard plugin.
pub(crate) fn test(component: &str, file: &Path, part: Option<&str>, cache: &CacheChoice) -> anyhow::Result<()> {
    let cases = Cases::load(file)?;
    let chosen = choose(cases.list(), part, file)?;
    let mut spec = spec(component);
    cases.apply(&mut spec);
    let plugin = cache.runtime()?.load(&spec).map_err(|error| anyhow!("{component}: {}", error.problem))?;
    let mut out = std::io::stdout();
    let colours = out.is_terminal();
    let mut failed = 0;
    for case in &chosen {
        let outcome = case.run(&plugin);
        failed += usize::from(!outcome.passed());
        write!(out, "{}", shown(&outcome, colours))?;
    }
    match (failed, chosen.len()) {
        (0, 1) => writeln!(out, "\n1 case passed")?,
        (0, all) => writeln!(out, "\n{all} cases passed")?,
        (failed, all) => {
            writeln!(out)?;
            out.flush()?;
            return Err(anyhow!("{failed} of {all} {} failed", if all == 1 { "case" } else { "cases" }));
        }
    }
    Ok(())
}

fn choose<'c>(cases: &'c [Case], part: Option<&str>, file: &Path) -> anyhow::Result<Vec<&'c Case>> {
    let Some(part) = part else { return Ok(cases.iter().collect()) };
    let chosen: Vec<&Case> = cases.iter().filter(|case| case.name().contains(part)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = cases.iter().map(Case::name).collect();
        let file = file.display();
        return Err(anyhow!("{file} has no case whose name contains {part:?}; there are\n{}", names.join("\n")));
    }
    Ok(chosen)
}

/// `ok` or `FAILED`, the name of the case, and what was not as expected.
fn shown(outcome: &Outcome, colours: bool) -> String {
    const GREEN: &str = "\x1b[32m";
    const RED: &str = "\x1b[1;31m";
    const PLAIN: &str = "\x1b[0m";
    let (colour, word) = if outcome.passed() { (GREEN, "ok    ") } else { (RED, "FAILED") };
    let word = if colours { format!("{colour}{word}{PLAIN}") } else { word.to_owned() };
    format!("{word} {}\n{outcome}", outcome.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals() {
        let outcome = Outcome { name: "it works".to_owned(), differences: Vec::new(), log: vec!["info: a".to_owned()] };
        assert_eq!(shown(&outcome, false), "ok     it works\n");
        assert_eq!(shown(&outcome, true), "\x1b[32mok    \x1b[0m it works\n");
    }

    #[test]
    fn a_component_goes_by_the_name_of_its_file() {
        assert_eq!(spec("build/card_mask.wasm").name, "card_mask");
        assert_eq!(spec("KeyPrefix").name, "KeyPrefix");
    }
}
