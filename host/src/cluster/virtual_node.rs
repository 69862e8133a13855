//! What a hidden cluster says of itself: that it is one node which owns every slot. No address of a real one is named.
//!
//! The replies are those of a `redis-server` 7.0 that is a cluster of its own, form by form. Where newer servers have more to ask for,
//! the form is Valkey's.

use std::net::{IpAddr, SocketAddr};

use sha2::{Digest, Sha256};
use sluice_commands::{Args, Command, CommandId};

use super::policies::refusal;
use super::slot::{SLOTS, Slot};
use crate::resp::{Protocol, encode, reply};

/// The one node that stands for a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VirtualNode {
    ip: Option<IpAddr>,
    port: u16,
    id: String,
    shard: String,
}

/// What becomes of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It is answered with this frame.
    Frame(Vec<u8>),
    /// It goes to the owner of this slot, as it is, and the owner's reply to the client.
    To(Slot),
    /// It does not ask for what must be hidden: it goes its way.
    Nothing,
}

/// What a subcommand of CLUSTER asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Question {
    CountFailureReports,
    /// Keys in a slot: how many, or which.
    Keys,
    Help,
    Info,
    KeySlot,
    Links,
    MyId,
    MyShardId,
    Nodes,
    Replicas,
    Shards,
    Slots,
    /// It is not a question, but an order to a single node; or one about the traffic of a single node.
    Order,
}

/// Every subcommand that the table of commands knows, with what HELP says of those that are answered: the arguments, and what it is
/// good for.
const SUBCOMMANDS: &[(&str, Question, &[&str])] = &[
    ("addslots", Question::Order, &[]),
    ("addslotsrange", Question::Order, &[]),
    ("bumpepoch", Question::Order, &[]),
    ("cancelslotmigrations", Question::Order, &[]),
    (
        "count-failure-reports",
        Question::CountFailureReports,
        &["<node-id>", "Return number of failure reports for <node-id>."],
    ),
    ("countkeysinslot", Question::Keys, &["<slot>", "Return the number of keys in <slot>."]),
    ("delslots", Question::Order, &[]),
    ("delslotsrange", Question::Order, &[]),
    ("failover", Question::Order, &[]),
    ("flushslot", Question::Order, &[]),
    ("flushslots", Question::Order, &[]),
    ("forget", Question::Order, &[]),
    ("getkeysinslot", Question::Keys, &["<slot> <count>", "Return key names stored by current node in a slot."]),
    ("getslotmigrations", Question::Order, &[]),
    ("info", Question::Info, &["", "Return information about the cluster."]),
    ("keyslot", Question::KeySlot, &["<key>", "Return the hash slot for <key>."]),
    ("meet", Question::Order, &[]),
    ("migrateslots", Question::Order, &[]),
    ("migration", Question::Order, &[]),
    ("myid", Question::MyId, &["", "Return the node id."]),
    ("myshardid", Question::MyShardId, &["", "Return the node's shard id."]),
    (
        "nodes",
        Question::Nodes,
        &[
            "",
            "Return cluster configuration seen by node. Output format:",
            "<id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
        ],
    ),
    ("replicas", Question::Replicas, &["<node-id>", "Return <node-id> replicas."]),
    ("slaves", Question::Replicas, &[]),
    ("replicate", Question::Order, &[]),
    ("reset", Question::Order, &[]),
    ("saveconfig", Question::Order, &[]),
    ("set-config-epoch", Question::Order, &[]),
    ("setslot", Question::Order, &[]),
    ("slot-stats", Question::Order, &[]),
    (
        "slots",
        Question::Slots,
        &[
            "",
            "Return information about slots range mappings. Each range is made of:",
            "start, end, master and replicas IP addresses, ports and ids",
        ],
    ),
    (
        "shards",
        Question::Shards,
        &["", "Return information about slot range mappings and the nodes associated with them."],
    ),
    (
        "links",
        Question::Links,
        &[
            "",
            "Return information about all network links between this node and its peers.",
            "Output format is an array where each array element is a map containing attributes of a link",
        ],
    ),
    ("help", Question::Help, &["", "Prints this help."]),
    ("syncslots", Question::Order, &[]),
];

const LAST: usize = SLOTS - 1;

impl VirtualNode {
    /// A node where the client has found it. `None`, as for one that listens on a Unix socket: it does not know its own address, so
    /// clients go on using the one that they have. An address of no interface in particular (`0.0.0.0`) is none either.
    ///
    /// The node's ID follows from the address: it is the same for all clients, workers and processes that use this address.
    pub fn new(at: Option<SocketAddr>) -> Self {
        let ip = at.map(|at| at.ip().to_canonical()).filter(|ip| !ip.is_unspecified());
        let port = at.map_or(0, |at| at.port());
        let id = |what: &str| {
            let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
            let digest = Sha256::digest(format!("sluice {what} {ip} {port}"));
            digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect()
        };
        Self { ip, port, id: id("node"), shard: id("shard") }
    }

    /// What becomes of a request with these arguments, its name included, at least one.
    pub fn answer<A: Args + ?Sized>(&self, command: CommandId, arguments: &A, protocol: Protocol) -> Answer {
        let Some(entry) = command.get() else { return Answer::Nothing };
        let known = match entry.name() {
            "role" if entry.accepts(arguments.count()) => return Answer::Frame(ROLE.to_vec()),
            "cluster" => None,
            name => match name.strip_prefix("cluster|") {
                Some(name) => SUBCOMMANDS.iter().find(|(known, ..)| *known == name),
                None => return Answer::Nothing,
            },
        };
        if !entry.accepts(arguments.count()) {
            return Answer::Frame(wrong_number(entry));
        }
        match known {
            Some(&(_, question, _)) => self.reply(question, command, arguments, protocol),
            None => Answer::Frame(unknown(arguments.arg(1))),
        }
    }

    /// The reply to INFO, from that of a real node: it has the port of this node, and no replicas. What is not understood is passed on.
    pub fn info(&self, reply: &[u8]) -> Vec<u8> {
        let kind = reply.first().copied();
        let Some(text) = reply::text(reply).filter(|_| matches!(kind, Some(b'$' | b'='))) else {
            return reply.to_vec();
        };
        let mut hidden = Vec::with_capacity(text.len());
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            match line.split(|&byte| byte == b':').next().unwrap_or_default() {
                b"tcp_port" => hidden.extend_from_slice(format!("tcp_port:{}\r\n", self.port).as_bytes()),
                b"connected_slaves" => hidden.extend_from_slice(b"connected_slaves:0\r\n"),
                // `slave0:ip=…`, `listener0:name=tcp,bind=…`
                name if ["slave", "listener"].iter().any(|what| is_numbered(name, what)) => {}
                _ => hidden.extend_from_slice(line),
            }
        }
        let mut out = Vec::with_capacity(hidden.len() + 16);
        encode::header(&mut out, kind.unwrap_or(b'$'), hidden.len());
        out.extend_from_slice(&hidden);
        out.extend_from_slice(b"\r\n");
        out
    }

    fn reply<A: Args + ?Sized>(
        &self,
        question: Question,
        command: CommandId,
        arguments: &A,
        protocol: Protocol,
    ) -> Answer {
        let mut out = Reply { protocol, bytes: Vec::new() };
        match question {
            Question::Keys => return keys(arguments),
            Question::Order => return Answer::Frame(refusal(command)),
            Question::CountFailureReports | Question::Replicas if arguments.arg(2) != self.id.as_bytes() => {
                return Answer::Frame(error("ERR Unknown node ", arguments.arg(2), usize::MAX, ""));
            }
            Question::CountFailureReports => out.number(0),
            Question::Help => self.help(&mut out),
            Question::Info => out.text(INFO),
            Question::KeySlot => out.number(Slot::of(arguments.arg(2)).number()),
            Question::Links | Question::Replicas => out.array(0),
            Question::MyId => out.bulk(&self.id),
            Question::MyShardId => out.bulk(&self.shard),
            Question::Nodes => out.text(&self.nodes()),
            Question::Shards => self.shards(&mut out),
            Question::Slots => self.slots(&mut out),
        }
        Answer::Frame(out.bytes)
    }

    fn ip(&self) -> String {
        self.ip.map(|ip| ip.to_string()).unwrap_or_default()
    }

    fn slots(&self, out: &mut Reply) {
        out.array(1);
        out.array(3);
        out.number(0);
        out.number(LAST);
        out.array(4);
        out.bulk(&self.ip());
        out.number(self.port.into());
        out.bulk(&self.id);
        out.map(0);
    }

    fn shards(&self, out: &mut Reply) {
        let ip = self.ip();
        out.array(1);
        out.map(2);
        out.bulk("slots");
        out.array(2);
        out.number(0);
        out.number(LAST);
        out.bulk("nodes");
        out.array(1);
        out.map(7);
        out.bulk("id");
        out.bulk(&self.id);
        out.bulk("port");
        out.number(self.port.into());
        for (name, value) in [("ip", ip.as_str()), ("endpoint", &ip), ("role", "master")] {
            out.bulk(name);
            out.bulk(value);
        }
        out.bulk("replication-offset");
        out.number(0);
        out.bulk("health");
        out.bulk("online");
    }

    fn nodes(&self) -> String {
        let (ip, port) = (self.ip(), self.port);
        // The port that nodes talk to each other on lies 10000 above. Nobody listens there, but clients want a number.
        let bus = port.checked_add(10_000).unwrap_or(0);
        format!("{} {ip}:{port}@{bus} myself,master - 0 0 1 connected 0-{LAST}\n", self.id)
    }

    fn help(&self, out: &mut Reply) {
        let mut lines = vec!["CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:".to_owned()];
        for (name, _, help) in SUBCOMMANDS {
            if let [arguments, text @ ..] = help {
                lines.push(format!("{} {arguments}", name.to_uppercase()).trim_end().to_owned());
                lines.extend(text.iter().map(|line| format!("    {line}")));
            }
        }
        out.array(lines.len());
        lines.iter().for_each(|line| out.status(line));
    }
}

const ROLE: &[u8] = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";

const INFO: &str = "cluster_state:ok\r\n\
    cluster_slots_assigned:16384\r\n\
    cluster_slots_ok:16384\r\n\
    cluster_slots_pfail:0\r\n\
    cluster_slots_fail:0\r\n\
    cluster_known_nodes:1\r\n\
    cluster_size:1\r\n\
    cluster_current_epoch:1\r\n\
    cluster_my_epoch:1\r\n\
    cluster_stats_messages_sent:0\r\n\
    cluster_stats_messages_received:0\r\n\
    total_cluster_links_buffer_limit_exceeded:0\r\n";

/// `slave0`
fn is_numbered(name: &[u8], what: &str) -> bool {
    let number = name.strip_prefix(what.as_bytes()).unwrap_or_default();
    !number.is_empty() && number.iter().all(u8::is_ascii_digit)
}

/// COUNTKEYSINSLOT slot, GETKEYSINSLOT slot count.
fn keys<A: Args + ?Sized>(arguments: &A) -> Answer {
    let numbers: Option<Vec<i64>> = (2..arguments.count()).map(|at| number(arguments.arg(at))).collect();
    let text = match numbers.as_deref() {
        None => "ERR value is not an integer or out of range",
        Some(&[slot, ref count @ ..]) => {
            let slot = usize::try_from(slot).ok().and_then(Slot::new);
            match slot.filter(|_| count.iter().all(|count| *count >= 0)) {
                Some(slot) => return Answer::To(slot),
                None if count.is_empty() => "ERR Invalid slot",
                None => "ERR Invalid slot or number of keys",
            }
        }
        Some([]) => "ERR Invalid slot",
    };
    Answer::Frame(encode::error(text))
}

/// A number as the server wants it: no sign but a minus, no zeros before it.
fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok().filter(|number: &i64| itoa::Buffer::new().format(*number) == text)
}

fn wrong_number(command: &Command) -> Vec<u8> {
    encode::error(&format!("ERR wrong number of arguments for '{}' command", command.name()))
}

fn unknown(subcommand: &[u8]) -> Vec<u8> {
    error("ERR unknown subcommand '", subcommand, 128, "'. Try CLUSTER HELP.")
}

/// An error that repeats what the client has sent, as the server does it: up to the first zero byte, and no more than so many bytes.
fn error(before: &str, sent: &[u8], most: usize, behind: &str) -> Vec<u8> {
    let sent = sent.split(|&byte| byte == 0).next().unwrap_or_default();
    let sent = sent.get(..most).unwrap_or(sent);
    let mut out = vec![b'-'];
    let line = [before.as_bytes(), sent, behind.as_bytes()].concat();
    out.extend(line.into_iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
    out
}

/// A reply in the making.
struct Reply {
    protocol: Protocol,
    bytes: Vec<u8>,
}

impl Reply {
    fn array(&mut self, elements: usize) {
        encode::header(&mut self.bytes, b'*', elements);
    }

    /// In RESP2 it is an array.
    fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(2 * pairs),
            Protocol::Resp3 => encode::header(&mut self.bytes, b'%', pairs),
        }
    }

    fn number(&mut self, number: usize) {
        encode::header(&mut self.bytes, b':', number);
    }

    fn bulk(&mut self, text: &str) {
        encode::bulk(&mut self.bytes, text.as_bytes());
    }

    fn status(&mut self, text: &str) {
        self.bytes.push(b'+');
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// In RESP3 it is a verbatim string.
    fn text(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                encode::header(&mut self.bytes, b'=', text.len() + 4);
                self.bytes.extend_from_slice(b"txt:");
                self.bytes.extend_from_slice(text.as_bytes());
                self.bytes.extend_from_slice(b"\r\n");
            }
        }
    }
}

#[cfg(test)]
#[path = "virtual_node_test.rs"]
mod test;
