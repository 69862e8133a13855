//! From what the file says to what it means: names are resolved, and parts are held against each
//! other.

use std::collections::HashSet;

use super::checked::{Link, Plugin, Source, Topology};
use super::declaration::Declaration;
use super::document::{Document, SourceEntry};
use super::sinks;
use super::traffic;
use crate::net::{Address, ListenPlan};
use crate::plugin::{Spec, standard};
use crate::routing::SinkPlan;
use crate::yaml::locate::End;
use crate::yaml::node::{Node, quoted};
use crate::yaml::path::Path;
use crate::yaml::problem::{Origin, Problems};
use crate::yaml::suggest::did_you_mean;

/// Names that people will try in a chain, and why they do not work.
const REFUSED: &[(&str, &str)] = &[
    ("RedisSinkSingle", "this sink is called `ValkeySinkSingle`; it serves both"),
    ("RedisSinkCluster", "this sink is called `ValkeySinkCluster`; it serves both"),
];

/// The topology that the document means; `None` where it means none, and then the reason is among
/// the problems.
pub(super) fn check(document: &Document<'_>, origin: Origin<'_>, problems: &mut Problems) -> Option<Topology> {
    names_are_unique(&document.sources, problems);
    addresses_are_unique(document, problems);
    let mut check = Check { origin, problems, declared: HashSet::new(), plugins: Vec::new() };
    for declaration in &document.plugins {
        check.declaration(declaration);
    }
    // Each source is looked at, so that the problems of all are found.
    let sources: Vec<_> = document.sources.iter().map(|entry| check.source(entry)).collect();
    Some(Topology {
        file: origin.file.to_owned(),
        plugins: check.plugins,
        sources: sources.into_iter().collect::<Option<_>>()?,
        workers: document.workers,
        admin: document.admin.as_ref().and_then(|admin| match admin.address {
            Address::Tcp(address) => Some(address),
            Address::Unix(_) => None,
        }),
        drain: document.drain,
    })
}

fn names_are_unique(sources: &[SourceEntry<'_>], problems: &mut Problems) {
    for (position, source) in sources.iter().enumerate() {
        let Some(name) = source.name else { continue };
        let earlier = sources[..position].iter();
        if let Some(first) = earlier.clone().find(|source| source.name == Some(name)) {
            let path = source.path.key("name");
            let message = format!("{name:?} is also the name of {}", first.path);
            problems.value(&path, message);
        }
    }
}

fn addresses_are_unique(document: &Document<'_>, problems: &mut Problems) {
    let sources = document.sources.iter();
    let listens = sources.filter_map(|source| source.listen.as_ref());
    let addresses: Vec<_> = listens.chain(&document.admin).collect();
    for (position, address) in addresses.iter().enumerate() {
        let mut earlier = addresses[..position].iter();
        if let Some(first) = earlier.find(|earlier| overlap(&earlier.address, &address.address)) {
            let message = format!("{} collides with {} of {}", address.address, first.address, first.path);
            problems.value(&address.path, message);
        }
    }
}

/// Whether a client of one address could reach the other.
fn overlap(a: &Address, b: &Address) -> bool {
    let (Address::Tcp(a), Address::Tcp(b)) = (a, b) else {
        return a == b;
    };
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    let same_host = a.ip() == b.ip() || (any && a.is_ipv4() == b.is_ipv4());
    // Port 0 asks for any free port.
    a.port() != 0 && a.port() == b.port() && same_host
}

struct Check<'c> {
    origin: Origin<'c>,
    problems: &'c mut Problems,
    /// Every name that `plugins` declares, the ill-declared ones too: they are not unknown.
    declared: HashSet<String>,
    plugins: Vec<Plugin>,
}

impl Check<'_> {
    fn declaration(&mut self, declaration: &Declaration) {
        let name = declaration.name.as_str();
        self.declared.insert(name.to_owned());
        if sinks::find(name).is_some() {
            let message = "this is the name of a sink: give the plugin another";
            self.problems.key(&declaration.path, message);
        }
        let Some(mut spec) = self.base(declaration) else {
            return self.component_is_missing(declaration);
        };
        spec.sha256 = declaration.sha256;
        declaration.terms.apply(&mut spec);
        self.plugin(spec, &declaration.path);
    }

    /// What holds of a plugin as long as nothing else is said; `None` where it has no component.
    fn base(&self, declaration: &Declaration) -> Option<Spec> {
        let name = declaration.name.as_str();
        match &declaration.component {
            Some(file) => Some(Spec::from_path(name, self.origin.beside(file))),
            None => Some(standard::find(name)?.spec()),
        }
    }

    fn plugin(&mut self, spec: Spec, path: &Path) {
        let place = self.origin.place(path, End::Key);
        self.plugins.push(Plugin { spec, path: path.to_string(), place });
    }

    fn component_is_missing(&mut self, declaration: &Declaration) {
        let names = standard_names();
        let hint = did_you_mean(&declaration.name, names.iter().copied());
        let message = format!(
            "`component` is missing: the path of the plugin's .wasm file; only the standard plugins have one of their own: {}{hint}",
            quoted(&names)
        );
        self.problems.value(&declaration.path, message);
    }

    fn source(&mut self, entry: &SourceEntry<'_>) -> Option<Source> {
        let (links, sink) = self.chain(entry.chain.as_deref()?, &entry.path.key("chain"));
        Some(Source {
            name: entry.name?.to_owned(),
            listen: ListenPlan {
                address: entry.listen.as_ref()?.address.clone(),
                unix_mode: entry.unix_mode,
                proxy_protocol: entry.proxy_protocol,
                tls: entry.tls.clone(),
            },
            connection_limit: entry.connection_limit,
            limits: entry.limits,
            traffic_log: entry.traffic_log.clone().map(|plan| traffic::beside(plan, self.origin)),
            chain: links?,
            sink: sink?,
        })
    }

    fn chain(&mut self, chain: &[(&str, Node<'_>)], path: &Path) -> (Option<Vec<Link>>, Option<SinkPlan>) {
        let Some(((last, last_node), transforms)) = chain.split_last() else {
            let sinks = quoted(&sinks::names());
            let message = format!("the chain is empty; it must end with a sink, one of {sinks}");
            self.problems.value(path, message);
            return (None, None);
        };
        let links: Vec<_> = transforms.iter().map(|(name, node)| self.link(name, node)).collect();
        let sink = self.sink(last, last_node);
        (links.into_iter().collect(), sink)
    }

    /// A transform's place; a sink here is in the wrong one.
    fn link(&mut self, name: &str, node: &Node<'_>) -> Option<Link> {
        if sinks::find(name).is_some() {
            let message = "a sink must be the last entry of its chain: nothing behind it would see a request";
            self.problems.key(&node.path, message);
            return None;
        }
        let config = node.json_object(self.problems);
        if !self.resolve(name, node) {
            return None;
        }
        Some(Link {
            plugin: name.to_owned(),
            config: config?,
            path: node.path.to_string(),
            place: self.origin.place(&node.path, End::Key),
        })
    }

    /// The last entry of a chain.
    fn sink(&mut self, name: &str, node: &Node<'_>) -> Option<SinkPlan> {
        if let Some(read) = sinks::find(name) {
            return read(node, self.origin, self.problems);
        }
        // A name that means nothing is problem enough.
        if self.resolve(name, node) {
            let sinks = quoted(&sinks::names());
            let message = format!("the chain ends with a transform; behind it must stand a sink, one of {sinks}");
            self.problems.key(&node.path, message);
        }
        None
    }

    /// Whether there is a plugin of this name; a standard one joins the plugins in use.
    fn resolve(&mut self, name: &str, node: &Node<'_>) -> bool {
        if self.declared.contains(name) {
            return true;
        }
        if let Some(standard) = standard::find(name) {
            self.declared.insert(name.to_owned());
            self.plugin(standard.spec(), &node.path);
            return true;
        }
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            self.problems.key(&node.path, *reason);
            return false;
        }
        let mut known: Vec<&str> = self.declared.iter().map(String::as_str).collect();
        known.extend(standard_names().iter().filter(|name| !self.declared.contains(**name)));
        known.sort_unstable();
        known.extend(sinks::names());
        let hint = did_you_mean(name, known.iter().copied());
        let known = quoted(&known);
        let message = format!("unknown transform{hint}; there are {known}");
        self.problems.key(&node.path, message);
        false
    }
}

/// The plugins that need no declaration.
fn standard_names() -> Vec<&'static str> {
    standard::all().iter().map(|standard| standard.name).collect()
}
