//! The tables.

use std::fmt::Write as _;

use super::Cell;

/// What is counted, in the order of [`Cell::counts`].
const NAMES: [&str; 3] = ["instructions", "branches", "allocations"];

/// What a request costs in each of the cells.
pub(super) fn alone(cells: &[Cell]) -> String {
    let mut text = String::from("| chain | behind it | sources | P |");
    let _ = NAMES.iter().try_for_each(|name| write!(text, " {name} |"));
    text.push_str("\n| --- | --- | --: | --: | --: | --: | --: |\n");
    for cell in cells {
        let [instructions, branches, allocations] = cell.counts;
        let _ = writeln!(text, "| {} | {instructions:.0} | {branches:.0} | {allocations:.2} |", cell.name);
    }
    text
}

/// The same before and after a change.
pub(super) fn compared(before: &[Cell], after: &[Cell]) -> String {
    let mut text = String::from("| chain | behind it | sources | P |");
    let _ = NAMES.iter().try_for_each(|name| write!(text, " {name} before | after | change |"));
    let _ = writeln!(text, "\n| --- | --- | --: | --: |{}", " --: |".repeat(3 * NAMES.len()));
    let mut sums = [(0.0, 0.0); NAMES.len()];
    for (old, new) in before.iter().zip(after) {
        let _ = write!(text, "| {} |", new.name);
        for (at, (old, new)) in old.counts.into_iter().zip(new.counts).enumerate() {
            text.push_str(&change(old, new, if at == 2 { 2 } else { 0 }));
            sums[at].0 += old;
            sums[at].1 += new;
        }
        text.push('\n');
    }
    text.push_str("| in sum | | | |");
    for (at, (old, new)) in sums.into_iter().enumerate() {
        text.push_str(&change(old, new, if at == 2 { 2 } else { 0 }));
    }
    text.push('\n');
    text
}

fn change(old: f64, new: f64, digits: usize) -> String {
    let percent = if old == new { 0.0 } else { 100.0 * (new - old) / old };
    format!(" {old:.digits$} | {new:.digits$} | {percent:+.1} % |")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(counts: [f64; 3]) -> Cell {
        Cell { name: "none | server | 1 | 16".to_owned(), counts }
    }

    #[test]
    fn a_change_is_given_for_each_cell_and_for_all_of_them() {
        let (before, after) = ([cell([1000.0, 200.0, 0.0])], [cell([1030.0, 190.0, 0.0])]);
        let text = compared(&before, &after);
        let row = "1000 | 1030 | +3.0 % | 200 | 190 | -5.0 % | 0.00 | 0.00 | +0.0 % |";
        assert!(text.ends_with(&format!("| none | server | 1 | 16 | {row}\n| in sum | | | | {row}\n")), "{text}");
        assert!(alone(&before).ends_with("| none | server | 1 | 16 | 1000 | 200 | 0.00 |\n"));
    }
}
