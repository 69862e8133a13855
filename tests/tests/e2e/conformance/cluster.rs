//! A hidden cluster is one server: what a client is answered in front of it is what one node says that owns every slot.
//!
//! - Three and six nodes, with the keys as they are: they lie in different slots, and the server's own CROSSSLOT comes where it would.
//! - Three nodes, with all keys in one slot: everything works.
//! - Requests that are taken apart (`conformance/cross-slot/`): as a server does that is no cluster.
//! - What a cluster is asked about itself (`conformance/cluster/`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::case::Family;
use super::listed::{Listed, left_out};
use super::run::Way;
use super::stage::Stage;
use super::target::{Chain, Server, Target};
use super::{Found, assert_listed, compare, families, in_directory, only, sweep};

/// A family, with what it is run against.
struct Job {
    family: Family,
    way: Way,
    protocol: u8,
    sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// Keys as they are.
    Spread,
    /// All keys in one slot.
    OneSlot,
    /// Of requests that are taken apart.
    Apart,
}

/// The clusters of one thread.
struct Stages {
    one: Stage,
    many: Stage,
    /// The chain to the second one.
    chain: Chain,
    server: Server,
}

impl Stages {
    fn start(server: Server, chain: Chain) -> Self {
        let many = Stage::start(server, 3, usize::from(chain == Chain::SixNodes));
        Self { one: Stage::start(server, 1, 0), many, chain, server }
    }

    fn target(&self, chain: Chain) -> Target {
        match chain {
            Chain::None => Target::start(self.server, chain),
            Chain::OneNode | Chain::OneSlotOfOne => self.one.target(chain),
            _ => self.many.target(chain),
        }
    }

    fn run(&self, job: &Job) -> Vec<Found> {
        let Job { family, way, protocol, sort } = job;
        let whole = matches!(way, Way::OneByOne | Way::Pipelined) && *sort == Sort::Spread;
        let kept = whole.then(|| self.one.without_taken_apart(family));
        let (reference, chain) = match sort {
            Sort::Spread => (Chain::OneNode, self.chain),
            Sort::OneSlot => (Chain::OneSlotOfOne, Chain::OneSlot),
            Sort::Apart => (Chain::None, self.chain),
        };
        let family = kept.as_ref().unwrap_or(family);
        let start = |_, chain| self.target(chain);
        compare(family, *way, (self.server, *protocol), reference, &[chain], &start)
    }
}

/// The families as they are run before a cluster.
fn before_cluster(server: Server) -> Vec<(Family, Sort)> {
    let left_out = left_out();
    let mut families = families(server);
    families.push(sweep::arity(&Target::start(server, Chain::None)));
    families.extend(in_directory("cluster"));
    for family in &mut families {
        let out = |line: &str| left_out.iter().any(|(name, out)| *name == family.name && (out == "*" || out == line));
        family.steps.retain(|step| !out(&step.line));
    }
    for (name, line) in &left_out {
        // The newest server has all families.
        let mut known = self::families(Server::Valkey).into_iter().chain(in_directory("cluster"));
        let known = known.find(|family| family.name == *name);
        let known = known.unwrap_or_else(|| panic!("docs/conformance.md: there is no family `{name}`"));
        assert!(
            line == "*" || known.steps.iter().any(|step| step.line == *line),
            "docs/conformance.md: no case `{line}`"
        );
    }
    families.retain(|family| !family.steps.is_empty());
    let apart = in_directory("cross-slot");
    families
        .into_iter()
        .map(|family| (family, Sort::Spread))
        .chain(apart.into_iter().map(|family| (family, Sort::Apart)))
        .collect()
}

/// What is run before three nodes.
fn before_three() -> Vec<Job> {
    let mut jobs = Vec::new();
    for (family, sort) in before_cluster(Server::Redis) {
        for way in Way::ALL {
            for protocol in [2, 3] {
                let job = |sort| Job { family: family.clone(), way, protocol, sort };
                if way != Way::WrongType {
                    jobs.push(job(sort));
                }
                if sort == Sort::Spread {
                    jobs.push(job(Sort::OneSlot));
                }
            }
        }
    }
    jobs
}

/// What is run before six, and before the newest server: each family once, in turn in another way
/// and protocol.
fn once_each(server: Server) -> Vec<Job> {
    let turns = [(Way::OneByOne, 2), (Way::Pipelined, 3), (Way::OneByOne, 3), (Way::Pipelined, 2)];
    let turns = turns.into_iter().cycle();
    let jobs = before_cluster(server).into_iter().zip(turns);
    jobs.map(|((family, sort), (way, protocol))| Job { family, way, protocol, sort }).collect()
}

#[test]
fn every_reply_of_a_hidden_cluster_is_that_of_one_node_but_for_those_that_are_listed() {
    let listed = Listed::before_cluster();
    let only = only();
    let wanted = |job: &Job| only.as_ref().is_none_or(|only| only.contains(&job.family.name));
    let of = |jobs: Vec<Job>| -> Vec<Job> { jobs.into_iter().filter(wanted).collect() };
    let (three, six, newest) = (of(before_three()), of(once_each(Server::Redis)), of(once_each(Server::Valkey)));
    let next = [AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0)];
    let (sender, found) = mpsc::channel();
    std::thread::scope(|scope| {
        for (server, chain, jobs, next) in [
            (Server::Redis, Chain::ThreeNodes, &three, &next[0]),
            (Server::Redis, Chain::ThreeNodes, &three, &next[0]),
            (Server::Redis, Chain::SixNodes, &six, &next[1]),
            (Server::Valkey, Chain::ThreeNodes, &newest, &next[2]),
        ] {
            let sender = sender.clone();
            scope.spawn(move || {
                let stages = Stages::start(server, chain);
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    stages.run(job).into_iter().for_each(|found| sender.send(found).expect("received"));
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
