//! Sluice is invisible: what a client is answered through a chain of three components is what the server itself answers.
//!
//! The cases are text, a file a family (`conformance/cases/`, notation in `conformance/case.rs`). They are run directly against
//! one fresh server and through the proxy against another, in both protocols, one by one and in other ways, and compared reply
//! by reply. docs/conformance.md lists what may differ, and why.

mod case;
mod cluster;
pub(crate) mod listed;
mod reply;
mod run;
mod stage;
mod sweep;
mod target;

use std::collections::BTreeSet;
use std::sync::mpsc;

use case::{Action, Family};
use listed::{Listed, Place, excluded};
use reply::Reply;
use run::{Outcome, Way, run};
use sluice_tests::programs;
use target::{Came, Chain, Server, Target};

/// The families that a server is asked: the newest one has commands of its own.
fn families(server: Server) -> Vec<Family> {
    let mut families = in_directory("cases");
    if server == Server::Valkey {
        families.extend(in_directory("valkey"));
    }
    families
}

/// The families of a directory below `conformance`.
fn in_directory(name: &str) -> Vec<Family> {
    Family::all(&programs::repository().join("tests/tests/e2e/conformance").join(name))
}

/// The families to which whoever runs the tests confines himself, if he does.
fn only() -> Option<Vec<String>> {
    let only = std::env::var("SLUICE_CONFORMANCE").ok()?;
    Some(only.split(',').map(str::to_owned).collect())
}

/// A reply that is not the server's.
struct Found {
    family: String,
    line: String,
    place: Place,
    direct: String,
    through: String,
}

/// The replies of a family through each of `chains` that are not those through `reference`.
fn compare(
    family: &Family,
    way: Way,
    (server, protocol): (Server, u8),
    reference: Chain,
    chains: &[Chain],
    start: &dyn Fn(Server, Chain) -> Target,
) -> Vec<Found> {
    let on = |chain: Chain| run(family, way, protocol, &start(server, chain));
    let Some(direct) = on(reference) else {
        return Vec::new();
    };
    for outcome in &direct {
        let answered = ["(silence)", "(no reply)", "(waited in vain)", "(the connection is over)"];
        let answered = !answered.iter().any(|end| outcome.replies.ends_with(end));
        assert!(
            answered,
            "{} {}: {}: not what the server does: {}",
            family.name,
            way.name(),
            outcome.line,
            outcome.replies
        );
    }
    let mut found = Vec::new();
    for &chain in chains {
        let place = Place { server, protocol, chain, way };
        let through = on(chain).unwrap_or_default();
        assert_eq!(direct.len(), through.len(), "{}: the same steps give as many outcomes", family.name);
        let differ = |(direct, through): &(&Outcome, &Outcome)| direct != through;
        found.extend(direct.iter().zip(&through).filter(differ).map(|(direct, through)| Found {
            family: family.name.clone(),
            line: direct.line.clone(),
            place,
            direct: direct.replies.clone(),
            through: through.replies.clone(),
        }));
    }
    found
}

/// A text of which one sees the beginning and, where it is long, that there is more.
fn shortened(text: &str) -> String {
    let short: String = text.chars().take(600).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

/// Fails with every difference that is not listed.
fn assert_listed(listed: &Listed, found: &[Found]) {
    let unlisted: Vec<String> = found
        .iter()
        .filter(|found| !listed.knows(&found.family, &found.line, found.place))
        .map(|found| {
            let (direct, through) = (shortened(&found.direct), shortened(&found.through));
            let Found { family, line, place, .. } = found;
            format!("{family} | {line} | {}\n    direct  {direct}\n    through {through}", place.name())
        })
        .collect();
    assert!(unlisted.is_empty(), "{} differences are not listed:\n{}", unlisted.len(), unlisted.join("\n"));
}

#[test]
fn every_reply_is_the_server_s_own_but_for_those_that_are_listed() {
    let listed = Listed::before_server();
    let only = only();
    let families = Server::ALL.map(|server| {
        let mut families = families(server);
        families.push(sweep::arity(&Target::start(server, Chain::None)));
        families.retain(|family| only.as_ref().is_none_or(|only| only.contains(&family.name)));
        (server, families)
    });
    let families = families.iter().flat_map(|(server, families)| families.iter().map(|family| (*server, family)));
    let jobs: Vec<(&Family, Way, (Server, u8))> = families
        .flat_map(|(server, family)| {
            let ways = Way::ALL.into_iter();
            ways.flat_map(move |way| [2, 3].map(move |protocol| (family, way, (server, protocol))))
        })
        .collect();
    let (sender, found) = mpsc::channel();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (sender, jobs, next) = (sender.clone(), &jobs, &next);
            scope.spawn(move || {
                while let Some((family, way, place)) = jobs.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    compare(family, *way, *place, Chain::None, &Chain::BEFORE_SERVER, &Target::start)
                        .into_iter()
                        .for_each(|found| sender.send(found).expect("received"));
                }
            });
        }
        drop(sender);
    });
    let found: Vec<Found> = found.into_iter().collect();
    assert_listed(&listed, &found);
    if only.is_none() {
        assert_eq!(listed.gone(), Vec::<String>::new(), "docs/conformance.md lists differences that are none any more");
    }
}

/// How many families are run at a time: most of the time, servers start or let a time-out pass.
const THREADS: usize = 4;

#[test]
fn every_command_of_every_server_is_run_or_excluded_with_a_reason() {
    let excluded: BTreeSet<String> = excluded().into_iter().collect();
    for server in Server::ALL {
        let (names, run) = (names(server), run_on(server));
        let missing: Vec<&String> = names.difference(&run).filter(|name| !excluded.contains(*name)).collect();
        assert!(missing.is_empty(), "{}: neither run nor excluded: {missing:?}", server.name());
        let needless = excluded.iter().filter(|name| run.contains(*name) || !names.contains(*name));
        let needless: Vec<&String> = needless.collect();
        assert!(needless.is_empty(), "{}: excluded for nothing: {needless:?}", server.name());
    }
}

/// The commands and subcommands that a server has.
fn names(server: Server) -> BTreeSet<String> {
    let target = Target::start(server, Chain::None);
    let mut wire = target.connect();
    wire.send_request(&[b"COMMAND".to_vec(), b"LIST".to_vec()]);
    let Came::Reply(names @ Reply { .. }, _) = wire.reply() else {
        panic!("the server does not list its commands");
    };
    let names: BTreeSet<String> = names.words().into_iter().collect();
    assert!(names.len() > 300, "COMMAND LIST names {} commands", names.len());
    names
}

/// The commands and subcommands that the cases for a server run.
fn run_on(server: Server) -> BTreeSet<String> {
    let families = families(server);
    let requests = families.iter().flat_map(|family| &family.steps).filter_map(|step| match &step.action {
        Action::Request(words) => Some(words),
        _ => None,
    });
    requests
        .flat_map(|words| {
            let word = |at: usize| words.get(at).map(|word| String::from_utf8_lossy(word).to_lowercase());
            let name = word(0);
            let subcommand = name.as_ref().zip(word(1)).map(|(name, second)| format!("{name}|{second}"));
            [name, subcommand].into_iter().flatten()
        })
        .collect()
}
