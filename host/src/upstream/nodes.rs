//! `ValkeySinkCluster`: a cluster that looks like one server, as one worker sees it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::dial::Ready;
use super::discovery::{Contacts, Discovery, node_remote};
use super::identity::Identity;
use super::node_view::{ClusterNode, NodeView, ReadFrom};
use super::receiver::Receiver;
use super::server_commands::ServerCommands;
use super::single::{Single, SinglePlan};
use crate::cluster::Redirect;
use crate::ids::SessionId;
use crate::net::Remote;

/// What is configured of a `ValkeySinkCluster`.
#[derive(Clone, Debug)]
pub struct ClusterPlan {
    /// The nodes that are asked for the others, at least one.
    pub contacts: Vec<Remote>,
    /// How each node is spoken to; its `servers` are not looked at.
    pub node: SinglePlan,
    /// How often the cluster is asked who serves which slot, without any other cause.
    pub refresh_interval: Duration,
    /// For how long a request that no node has executed is tried again.
    pub retry_timeout: Duration,
    /// Which nodes requests that only read go to.
    pub read_from: ReadFrom,
    /// What all workers know of it.
    pub discovery: Arc<Discovery>,
}

/// How long a node may be silent while requests wait, before the cluster is asked about it; and before it is given up, if it is no
/// primary any more.
const SILENCE: Duration = Duration::from_millis(400);

/// How long a node that is in the map no more may keep those who wait for what it sends at some time: subscribers and blocked requests.
const GRACE: Duration = Duration::from_millis(500);

/// A cluster, and the connections of one worker to its nodes.
#[derive(Debug)]
pub struct Cluster {
    plan: ClusterPlan,
    contacts: Arc<Contacts>,
    ready: Rc<Ready>,
    identity: RefCell<Rc<Identity>>,
    version: Cell<u64>,
    view: RefCell<Option<Rc<NodeView>>>,
    /// Nodes that are in the view no more, until what was in flight to them is over.
    leaving: RefCell<Vec<Rc<ClusterNode>>>,
    /// When it was last asked because of the time.
    refreshed: Cell<Instant>,
}

impl Cluster {
    /// Learn about the cluster and connect to it; must be called inside of the worker's runtime.
    pub fn new(plan: &ClusterPlan, ready: &Rc<Ready>) -> Self {
        let commands = plan.node.commands.clone();
        let contacts = Contacts { points: plan.contacts.clone(), timeout: plan.node.connect_timeout, commands };
        let cluster = Self {
            plan: plan.clone(),
            contacts: Arc::new(contacts),
            ready: ready.clone(),
            identity: RefCell::new(Rc::new(plan.node.identity())),
            version: Cell::new(0),
            view: RefCell::default(),
            leaving: RefCell::default(),
            refreshed: Cell::new(Instant::now()),
        };
        cluster.refresh(None);
        cluster
    }

    /// What a session is before it has said anything.
    pub fn identity(&self) -> Rc<Identity> {
        // Another worker may have seen the users change.
        if self.identity.borrow().epoch != self.plan.node.epoch.load(Ordering::Relaxed) {
            self.identity.replace(Rc::new(self.plan.node.identity()));
        }
        self.identity.borrow().clone()
    }

    /// Whether connections must be given requests one by one, however they came.
    pub fn sends_one_by_one(&self) -> bool {
        self.plan.node.pipelining == super::pipeline_limit::Pipelining::Off
    }

    /// For how long a request is tried again.
    pub fn retry_timeout(&self) -> Duration {
        self.plan.retry_timeout
    }

    /// The cluster as it is known now; `None`: it is not known yet.
    pub fn view(&self) -> Option<Rc<NodeView>> {
        if self.version.get() != self.plan.discovery.version() {
            self.follow();
        }
        self.view.borrow().clone()
    }

    /// Why the cluster could not be asked, if it could not.
    pub fn trouble(&self) -> Option<Arc<str>> {
        self.plan.discovery.trouble()
    }

    /// Have the cluster asked who serves which slot. `hint`: the node that should know best.
    pub fn refresh(&self, hint: Option<&Arc<str>>) {
        self.plan.discovery.ask(&self.contacts, (*self.identity()).clone(), hint);
    }

    /// What its nodes call their commands.
    pub fn commands(&self) -> &ServerCommands {
        &self.plan.node.commands
    }

    /// A command has come that neither the table nor the nodes have named.
    pub fn is_strange(&self) {
        if self.commands().is_strange() {
            self.refresh(None);
        }
    }

    /// A node has sent a request elsewhere, or back.
    pub fn redirected(&self, node: &str, redirect: Redirect<'_>) {
        let labels = [("node", node.to_owned()), ("kind", redirect.kind().to_owned())];
        metrics::counter!("sluice_cluster_redirections_total", &labels).increment(1);
    }

    /// Another map is known: use that one.
    fn follow(&self) {
        self.version.set(self.plan.discovery.version());
        let Some(map) = self.plan.discovery.map() else { return };
        let mut leaving = self.leaving.borrow_mut();
        let old = self.view.take();
        let old_nodes = old.as_ref().map_or(&[][..], |view| view.nodes());
        let known = |address: &str, leaving: &[Rc<ClusterNode>]| {
            old_nodes.iter().chain(leaving).find(|node| *node.address == *address).cloned()
        };
        let nodes: Vec<Rc<ClusterNode>> = map
            .nodes()
            .iter()
            .map(|node| known(&node.address, &leaving).unwrap_or_else(|| self.connect(&node.address)))
            .collect();
        let stays = |node: &Rc<ClusterNode>| nodes.iter().any(|other| Rc::ptr_eq(node, other));
        leaving.retain(|node| !stays(node));
        leaving.extend(old_nodes.iter().filter(|node| !stays(node)).cloned());
        let now = Instant::now();
        leaving.iter().for_each(|node| node.gone.set(node.gone.get().or(Some(now))));
        nodes.iter().for_each(|node| node.gone.set(None));
        let view = NodeView::new(map, nodes, self.plan.read_from);
        for &primary in view.primaries() {
            view.nodes()[usize::from(primary)].connections.stay_connected();
        }
        self.view.replace(Some(Rc::new(view)));
    }

    fn connect(&self, address: &Arc<str>) -> Rc<ClusterNode> {
        let servers = self.plan.contacts.first().map(|point| node_remote(point, address)).into_iter().collect();
        let plan = SinglePlan { servers, ..self.plan.node.clone() };
        let requests = metrics::counter!("sluice_cluster_node_requests_total", "node" => address.to_string());
        let (connections, gone) = (Single::node(&plan, &self.ready), Cell::default());
        Rc::new(ClusterNode { address: address.clone(), connections, requests, gone })
    }

    /// All nodes that there are connections to.
    pub fn nodes(&self) -> Vec<Rc<ClusterNode>> {
        let view = self.view.borrow();
        let nodes = view.as_ref().map_or(&[][..], |view| view.nodes());
        nodes.iter().chain(&*self.leaving.borrow()).cloned().collect()
    }

    /// The users of the servers, or their passwords, have changed; see [`Single::users_changed`].
    pub fn users_changed(&self) {
        self.plan.node.epoch.fetch_add(1, Ordering::Relaxed);
        for node in self.nodes() {
            node.connections.follow_epoch();
        }
    }

    /// Write what waits on the shared connections.
    pub fn flush(&self) {
        if let Some(view) = &*self.view.borrow() {
            view.nodes().iter().for_each(|node| node.connections.flush());
        }
        // What was sent before they left.
        self.leaving.borrow().iter().for_each(|node| node.connections.flush());
    }

    /// Whether so much waits to be written that no more should be read for it.
    pub fn is_congested(&self) -> bool {
        self.view.borrow().as_ref().is_some_and(|view| view.nodes().iter().any(|node| node.connections.is_congested()))
    }

    /// Has the turn look at a session after `pause`, as one of [`Ready::take_due`].
    pub fn wake_in(&self, pause: Duration, session: SessionId) {
        let ready = self.ready.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(pause).await;
            ready.is_due(session);
        });
    }

    /// Look after the cluster and the connections; to be called a few times a second.
    pub fn tend(&self, now: Instant, receiver: &mut impl Receiver) {
        let view = self.view();
        for node in self.nodes() {
            node.connections.tend(now, receiver);
            node.requests.increment(node.connections.take_sent());
            if node.connections.silence(now) < SILENCE {
                continue;
            }
            // Blocked, or gone without a word: the others may know.
            self.refresh(None);
            let at = view.as_ref().and_then(|view| view.nodes().iter().position(|other| Rc::ptr_eq(other, &node)));
            let serves = at.is_some_and(|at| view.as_ref().is_some_and(|view| view.primaries().contains(&(at as u16))));
            if !serves {
                node.connections.give_up(now, SILENCE, "it does not answer, and is no primary any more", receiver);
            }
        }
        let leaving = self.leaving.borrow().clone();
        let gone = |node: &&Rc<ClusterNode>| node.gone.get().is_some_and(|since| now.duration_since(since) >= GRACE);
        for node in leaving.iter().filter(gone) {
            node.connections.give_up_waiting("its node is none of the cluster any more", receiver);
        }
        self.leaving.borrow_mut().retain(|node| !node.connections.retire());
        if now.saturating_duration_since(self.refreshed.get()) >= self.plan.refresh_interval {
            self.refreshed.set(now);
            self.refresh(None);
        }
    }
}
