//! What docs/conformance.md lists: differences and commands that are not run, each with its reason.

use std::cell::Cell;

use super::run::Way;
use super::target::{Chain, Server};

/// A difference that is known.
#[derive(Debug)]
pub(super) struct Difference {
    family: String,
    line: String,
    /// Where it is one: names of servers, protocols, chains and ways. All of a sort, where none of it is named.
    places: Vec<String>,
    chains: &'static [Chain],
    seen: Cell<bool>,
}

/// A place where a difference can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) server: Server,
    pub(super) protocol: u8,
    pub(super) chain: Chain,
    pub(super) way: Way,
}

impl Place {
    /// As the list names it.
    pub(super) fn name(self) -> String {
        format!("{} resp{} {} {}", self.server.name(), self.protocol, self.chain.name(), self.way.name())
    }
}

/// The list.
#[derive(Debug)]
pub(super) struct Listed(Vec<Difference>);

/// Commands and subcommands that no case runs.
pub(super) fn excluded() -> Vec<String> {
    let rows = rows(&page(), "\n## Commands that are not run\n", 2);
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

/// Cases that are not run before a cluster: the family, and the line, or `*` for all of them.
pub(super) fn left_out() -> Vec<(String, String)> {
    let rows = rows(&page(), "\n## In front of a cluster: cases that are not run\n", 3);
    rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

impl Listed {
    /// The differences before a single server.
    pub(super) fn before_server() -> Self {
        Self::read("\n## Differences\n", &Chain::BEFORE_SERVER)
    }

    /// The differences before a cluster.
    pub(super) fn before_cluster() -> Self {
        Self::read("\n## In front of a cluster: differences\n", &Chain::BEFORE_CLUSTER)
    }

    fn read(heading: &str, chains: &'static [Chain]) -> Self {
        let differences = rows(&page(), heading, 4).into_iter().map(|row| Difference {
            family: row[0].clone(),
            line: row[1].clone(),
            places: row[2].split_whitespace().map(str::to_owned).collect(),
            chains,
            seen: Cell::new(false),
        });
        let listed = Self(differences.collect());
        listed.check_names();
        listed
    }

    /// Whether this difference is listed.
    pub(super) fn knows(&self, family: &str, line: &str, place: Place) -> bool {
        let of_case = self.0.iter().filter(|known| known.family == family && known.line == line);
        let mut known = of_case.filter(|known| known.covers(place)).peekable();
        let any = known.peek().is_some();
        known.for_each(|known| known.seen.set(true));
        any
    }

    /// What is listed and was not met.
    pub(super) fn gone(&self) -> Vec<String> {
        let gone = self.0.iter().filter(|known| !known.seen.get());
        gone.map(|known| format!("{} | {} | {}", known.family, known.line, known.places.join(" "))).collect()
    }

    fn check_names(&self) {
        for known in &self.0 {
            let names = known.sorts().concat();
            for place in &known.places {
                assert!(names.contains(&place.as_str()), "docs/conformance.md: `{place}` is none of {names:?}");
            }
        }
    }
}

impl Difference {
    /// What its places may be.
    fn sorts(&self) -> [Vec<&'static str>; 4] {
        let chains = self.chains.iter().map(|chain| chain.name()).collect();
        [Server::ALL.map(Server::name).to_vec(), vec!["resp2", "resp3"], chains, Way::ALL.map(Way::name).to_vec()]
    }

    fn covers(&self, place: Place) -> bool {
        let here = [place.server.name(), &*format!("resp{}", place.protocol), place.chain.name(), place.way.name()];
        self.sorts().iter().zip(here).all(|(names, here)| {
            let mut named = self.places.iter().filter(|place| names.contains(&place.as_str())).peekable();
            named.peek().is_none() || named.any(|name| name == here)
        })
    }
}

/// docs/conformance.md.
pub(crate) fn page() -> String {
    let page = sluice_tests::programs::repository().join("docs/conformance.md");
    std::fs::read_to_string(page).expect("docs/conformance.md is there")
}

/// The rows of the table below a heading, each cell without its back-quotes.
pub(crate) fn rows(text: &str, heading: &str, columns: usize) -> Vec<Vec<String>> {
    let below = text.split_once(heading).unwrap_or_else(|| panic!("docs/conformance.md has no `{heading}`")).1;
    let section = below.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = lines.skip(1).filter(|line| !line.starts_with("---"));
    rows.map(|line| {
        let cells: Vec<String> = line.split(" | ").map(cell).collect();
        assert_eq!(cells.len(), columns, "docs/conformance.md, `{heading}`: {line}");
        assert!(cells.iter().last().is_some_and(|reason| reason.len() > 10), "no reason: {line}");
        cells
    })
    .collect()
}

/// A cell as it is meant: a bar within a table is written `\|`.
fn cell(text: &str) -> String {
    let text = text.trim();
    let bare = text.strip_prefix('`').and_then(|text| text.strip_suffix('`')).unwrap_or(text);
    bare.replace("\\|", "|")
}
