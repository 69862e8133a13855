//! Errors by which a node of a cluster says that the request is better sent elsewhere, or again.
//!
//! | error | what follows |
//! | --- | --- |
//! | `MOVED slot address` | the request goes there, and the map is asked for anew |
//! | `ASK slot address` | the request goes there behind `ASKING`, this once; the map stays |
//! | `READONLY` | the node is no primary any more: the map is asked for anew, and the request goes to the new one |
//! | `UNBLOCKED force unblock …` | as `READONLY`: the node was a primary when the request began to wait |
//! | `TRYAGAIN`, `CLUSTERDOWN`, `MASTERDOWN`, `LOADING` | the request is repeated in a while |

use super::slot::Slot;
use crate::net::host_and_port;

/// The most redirections of one request that are followed at once: nodes that do not agree are given time.
pub const MOST: u8 = 5;

/// What an error of a cluster's node asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Redirect<'a> {
    /// The slot is served by another node, from now on.
    Moved(Slot, Address<'a>),
    /// This key of the slot is at another node already, or would be.
    Ask(Slot, Address<'a>),
    /// The node does not take writes.
    ReadOnly,
    /// It does not work at the moment.
    Later(Obstacle),
}

/// Where to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address<'a> {
    /// A name or an IP address, without brackets; `None`: the host of the node that said so.
    pub host: Option<&'a str>,
    /// The port.
    pub port: u16,
}

/// Why a node does not work at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Obstacle {
    /// Keys of the request are at two nodes.
    TryAgain,
    /// The cluster does not work, or nobody serves the slot.
    ClusterDown,
    /// The node follows one that it has lost.
    MasterDown,
    /// The node reads its data.
    Loading,
}

/// The codes that mean [`Redirect::Later`].
const LATER: [(&str, Obstacle); 4] = [
    ("TRYAGAIN", Obstacle::TryAgain),
    ("CLUSTERDOWN", Obstacle::ClusterDown),
    ("MASTERDOWN", Obstacle::MasterDown),
    ("LOADING", Obstacle::Loading),
];

impl<'a> Redirect<'a> {
    /// What a reply asks for; `None`: it is the answer.
    #[inline]
    pub fn of(reply: &'a [u8]) -> Option<Self> {
        match reply.first() {
            Some(b'-') => Self::of_error(reply.get(1..)?),
            _ => None,
        }
    }

    #[cold]
    fn of_error(line: &'a [u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_end();
        let (code, rest) = line.split_once(' ').unwrap_or((line, ""));
        match code {
            "MOVED" => slot_and_target(rest).map(|(slot, target)| Self::Moved(slot, target)),
            "ASK" => slot_and_target(rest).map(|(slot, target)| Self::Ask(slot, target)),
            "READONLY" => Some(Self::ReadOnly),
            // Not what somebody has asked for by CLIENT UNBLOCK.
            "UNBLOCKED" if rest.starts_with("force unblock") => Some(Self::ReadOnly),
            code => LATER.iter().find(|(later, _)| *later == code).map(|(_, obstacle)| Self::Later(*obstacle)),
        }
    }

    /// Whether an error that asks for it is in the words of a server, and not in those that a script has made up.
    pub fn is_of_server(&self, error: &[u8]) -> bool {
        let text = String::from_utf8_lossy(error);
        match self {
            Self::Moved(..) | Self::Ask(..) => true,
            Self::ReadOnly => text.contains("You can't write against a read only replica"),
            Self::Later(Obstacle::TryAgain) => text.contains("Multiple keys request during rehashing of slot"),
            Self::Later(Obstacle::ClusterDown) => {
                text.contains("Hash slot not served") || text.contains("The cluster is down")
            }
            Self::Later(Obstacle::MasterDown) => text.contains("Link with MASTER is down"),
            Self::Later(Obstacle::Loading) => text.contains("is loading the dataset in memory"),
        }
    }

    /// A word for it, for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Moved(..) => "moved",
            Self::Ask(..) => "ask",
            Self::ReadOnly => "readonly",
            Self::Later(Obstacle::TryAgain) => "tryagain",
            Self::Later(Obstacle::ClusterDown) => "clusterdown",
            Self::Later(Obstacle::MasterDown) => "masterdown",
            Self::Later(Obstacle::Loading) => "loading",
        }
    }
}

/// `3999 127.0.0.1:6381`, `3999 :6381`, `3999 fe80::1:6381`, `3999 node.example:6381`.
fn slot_and_target(text: &str) -> Option<(Slot, Address<'_>)> {
    let (slot, address) = text.split_once(' ')?;
    // What may follow the address is for those who know it.
    let (host, port) = host_and_port(address.split(' ').next()?)?;
    let host = Some(host).filter(|host| !host.is_empty() && *host != "?");
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some((Slot::new(slot.parse().ok()?)?, Address { host, port }))
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_script_makes_up_is_told_from_what_servers_say() {
        for (error, expected) in [
            ("-TRYAGAIN Multiple keys request during rehashing of slot\r\n", true),
            ("-TRYAGAIN please\r\n", false),
            ("-LOADING Valkey is loading the dataset in memory\r\n", true),
            ("-CLUSTERDOWN Hash slot not served\r\n", true),
            ("-CLUSTERDOWN my own\r\n", false),
            ("-READONLY\r\n", false),
        ] {
            assert_eq!(Redirect::of(error.as_bytes()).unwrap().is_of_server(error.as_bytes()), expected, "{error}");
        }
    }

    #[test]
    fn redirections_are_told_from_answers() {
        let at = |number, host, port| (Slot::new(number).unwrap(), Address { host, port });
        let moved = |(slot, target)| Some(Redirect::Moved(slot, target));
        let ask = |(slot, target)| Some(Redirect::Ask(slot, target));
        for (reply, expected) in [
            ("-MOVED 3999 127.0.0.1:6381\r\n", moved(at(3999, Some("127.0.0.1"), 6381))),
            ("-ASK 0 node.example:1\r\n", ask(at(0, Some("node.example"), 1))),
            ("-MOVED 1 :7000\r\n", moved(at(1, None, 7000))),
            ("-MOVED 1 ?:7000\r\n", moved(at(1, None, 7000))),
            ("-MOVED 1 fe80::1:7000\r\n", moved(at(1, Some("fe80::1"), 7000))),
            ("-MOVED 1 [fe80::1]:7000\r\n", moved(at(1, Some("fe80::1"), 7000))),
            ("-TRYAGAIN Multiple keys request during rehashing of slot\r\n", Some(Redirect::Later(Obstacle::TryAgain))),
            ("-CLUSTERDOWN Hash slot not served\r\n", Some(Redirect::Later(Obstacle::ClusterDown))),
            ("-LOADING Redis is loading the dataset in memory\r\n", Some(Redirect::Later(Obstacle::Loading))),
            ("-READONLY You can't write against a read only replica.\r\n", Some(Redirect::ReadOnly)),
            (
                "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n",
                Some(Redirect::ReadOnly),
            ),
            ("-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n", None),
            // What cannot be followed is the answer.
            ("-MOVED 16384 h:1\r\n", None),
            ("-MOVED 1 h\r\n", None),
            ("-MOVED 1 h:0\r\n", None),
            ("-MOVED 1 h:65536\r\n", None),
            ("-MOVED\r\n", None),
            ("-ERR MOVED 1 h:1\r\n", None),
            ("-MOVEDON 1 h:1\r\n", None),
            ("$5\r\n-ASK \r\n", None),
            ("+OK\r\n", None),
            ("", None),
        ] {
            assert_eq!(Redirect::of(reply.as_bytes()), expected, "{reply}");
        }
        assert_eq!(Redirect::of(b"-ASK 1 \xff:1\r\n"), None);
    }
}
