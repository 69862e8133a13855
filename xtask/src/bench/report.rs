//! The tables: medians over the rounds, and how the peers compare within a round.

use std::fmt::Write as _;

use super::load::Kind;
use super::measure::Cell;
use super::peer::{self, NO_TRANSFORM, NUTCRACKER};

/// Every peer under every load.
pub(super) fn cells(names: &[&str], pipelines: &[u32], cells: &[Cell]) -> String {
    let mut text = String::from(
        "| P | command | proxy | requests/s | CPU µs/request | p50 ms | p99 ms | memory MiB |\n\
         | --: | --- | --- | --: | --: | --: | --: | --: |\n",
    );
    for &pipeline in pipelines {
        for kind in Kind::ALL {
            for (peer, name) in names.iter().enumerate() {
                let of = |value: fn(&Cell) -> f64| {
                    let here = |cell: &&Cell| (cell.peer, cell.pipeline, cell.kind) == (peer, pipeline, kind);
                    median(cells.iter().filter(here).map(value))
                };
                let _ = writeln!(
                    text,
                    "| {pipeline} | {} | {name} | {:.0} | {:.3} | {:.2} | {:.2} | {:.1} |",
                    kind.name().to_uppercase(),
                    of(|cell| cell.seen.rate),
                    of(|cell| cell.cpu / cell.requests as f64),
                    of(|cell| cell.seen.p50),
                    of(|cell| cell.seen.p99),
                    of(|cell| cell.resident as f64 / 1024.0 / 1024.0),
                );
            }
        }
    }
    text
}

/// CPU per request, SET and GET together, as a multiple of a reference peer's in the same round.
pub(super) fn ratios(names: &[&str], pipelines: &[u32], cells: &[Cell]) -> String {
    let mut text = String::new();
    for reference in [NUTCRACKER, NO_TRANSFORM] {
        let Some(base) = names.iter().position(|name| *name == reference) else { continue };
        let rows = (0..names.len()).filter(|peer| *peer != base).map(|peer| (peer, base));
        text.push_str(&comparison(&format!("that of {reference}"), names, pipelines, cells, rows));
    }
    text
}

/// The same, of what is in front of the cluster, as a multiple of what the same proxy takes in front of one server.
pub(super) fn ratios_in_the_cluster(names: &[&str], pipelines: &[u32], cells: &[Cell]) -> String {
    let rows = (0..names.len()).filter_map(|peer| Some((peer, peer::alone(names, peer)?)));
    comparison("its own with one server", names, pipelines, cells, rows)
}

/// A row for each pair of a peer and what it is compared with; nothing where there is none.
fn comparison(
    with: &str,
    names: &[&str],
    pipelines: &[u32],
    cells: &[Cell],
    rows: impl Iterator<Item = (usize, usize)>,
) -> String {
    let mut rows = rows.peekable();
    let mut text = String::new();
    if rows.peek().is_none() {
        return text;
    }
    let _ = write!(text, "| CPU per request ÷ {with} |");
    let _ = pipelines.iter().try_for_each(|pipeline| write!(text, " P={pipeline} |"));
    let _ = writeln!(text, "\n| --- |{}", " --: |".repeat(pipelines.len()));
    for (peer, base) in rows {
        let _ = write!(text, "| {} |", names[peer]);
        for &pipeline in pipelines {
            let _ = write!(text, " {:.2} |", ratio(cells, pipeline, peer, base));
        }
        let _ = writeln!(text);
    }
    let _ = writeln!(text);
    text
}

/// The median over the rounds of one peer's cost by another's.
fn ratio(cells: &[Cell], pipeline: u32, peer: usize, base: usize) -> f64 {
    let cost = |peer: usize, round: u32| {
        let here = |cell: &&Cell| (cell.peer, cell.pipeline, cell.round) == (peer, pipeline, round);
        let sum = |value: fn(&Cell) -> f64| cells.iter().filter(here).map(value).sum::<f64>();
        sum(|cell| cell.cpu) / sum(|cell| cell.requests as f64)
    };
    let rounds = cells.iter().map(|cell| cell.round + 1).max().unwrap_or(0);
    median((0..rounds).map(|round| cost(peer, round) / cost(base, round)))
}

/// The middle value, or the mean of the two in the middle; not a number where there is none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        None => f64::NAN,
        Some(high) if values.len() % 2 == 1 => *high,
        Some(high) => f64::midpoint(values[middle - 1], *high),
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::Seen;
    use super::*;

    fn cell(peer: usize, round: u32, kind: Kind, cpu: f64) -> Cell {
        let seen = Seen { rate: 1000.0, p50: 0.25, p99: 1.0 };
        Cell { peer, round, pipeline: 1, kind, seen, cpu, requests: 10, resident: 3 << 20 }
    }

    #[test]
    fn a_median_is_the_middle_of_the_values() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0].into_iter()), 2.5);
        assert!(median([].into_iter()).is_nan());
    }

    #[test]
    fn peers_are_compared_within_a_round() {
        // The machine was twice as slow in the second round; the ratio does not see it.
        let runs = [(0, 0, 40.0), (1, 0, 20.0), (0, 1, 80.0), (1, 1, 40.0)];
        let both = |(peer, round, cpu)| Kind::ALL.map(|kind| cell(peer, round, kind, cpu));
        let cells: Vec<_> = runs.into_iter().flat_map(both).collect();
        let text = ratios(&[NUTCRACKER, NO_TRANSFORM], &[1], &cells);
        assert!(text.contains("| sluice, no transform | 0.50 |"), "{text}");
        assert!(text.contains("| nutcracker | 2.00 |"), "{text}");
    }

    #[test]
    fn a_proxy_before_a_cluster_is_compared_with_itself_before_a_server() {
        let runs = [(0, 10.0), (1, 20.0), (2, 30.0), (3, 80.0)];
        let cells: Vec<_> =
            runs.into_iter().flat_map(|(peer, cpu)| Kind::ALL.map(|kind| cell(peer, 0, kind, cpu))).collect();
        let text = ratios_in_the_cluster(&["a", "b", "a, cluster", "b, cluster"], &[1], &cells);
        assert!(text.ends_with("| a, cluster | 3.00 |\n| b, cluster | 4.00 |\n\n"), "{text}");
        assert_eq!(ratios_in_the_cluster(&["a", "b, cluster"], &[1], &cells), "");
    }

    #[test]
    fn a_row_holds_the_medians_of_its_rounds() {
        let cells = [cell(0, 0, Kind::Set, 10.0), cell(0, 1, Kind::Set, 30.0)];
        let text = super::cells(&["x"], &[1], &cells);
        assert!(text.contains("| 1 | SET | x | 1000 | 2.000 | 0.25 | 1.00 | 3.0 |"), "{text}");
    }
}
