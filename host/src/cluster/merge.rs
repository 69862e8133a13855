//! One reply from those of several nodes.

use sluice_commands::ResponsePolicy;

use super::special_merges;
use super::target::Part;
use crate::resp::{encode, reply};

/// How the replies to the parts of a request become its reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Merge<'a> {
    /// Each reply is an array with an element for each key of its part: all elements, in the order of the keys.
    ByKey(&'a [Part]),
    /// As the command table says.
    By(ResponsePolicy),
    /// Arrays: all elements, each once.
    Union,
    /// Arrays of names and numbers, as those of `PUBSUB NUMSUB`: the sums.
    Pairs,
    /// Texts, one behind the other.
    Text,
    /// Replies to `FUNCTION STATS`: that of a node where a script runs, or any.
    Running,
    /// Replies to `LATENCY LATEST`: each event once.
    Latest,
    /// Replies to `LATENCY HISTOGRAM`: their sums.
    Histograms,
}

impl Merge<'_> {
    /// The reply, one whole frame. `replies`, at least one: whole frames in the order of the parts or nodes.
    ///
    /// What cannot be merged, because a node has answered otherwise than the others, is an error reply that says so; an error of
    /// one of them is the reply, but where the policy needs one success only.
    pub fn merge(self, replies: &[&[u8]]) -> Vec<u8> {
        let policy = match self {
            Self::By(policy) => policy,
            _ => ResponsePolicy::Default,
        };
        let errors = || replies.iter().find(|reply| reply::is_error(reply));
        if policy == ResponsePolicy::OneSucceeded {
            let good = replies.iter().find(|reply| !reply::is_error(reply));
            // Why the one node that was concerned has not done it, before why the others had nothing to do.
            let telling = || replies.iter().find(|reply| !reply.starts_with(b"-NOTBUSY "));
            return good.or_else(telling).or_else(errors).map_or_else(nothing, |reply| reply.to_vec());
        }
        if let Some(error) = errors() {
            return error.to_vec();
        }
        let merged = match self {
            Self::ByKey(parts) => by_key(parts, replies),
            Self::By(policy) => by_policy(policy, replies),
            Self::Union => special_merges::union(replies),
            Self::Pairs => special_merges::pairs(replies),
            Self::Text => special_merges::text(replies),
            Self::Running => special_merges::running(replies),
            Self::Latest => special_merges::latest(replies),
            Self::Histograms => special_merges::histograms(replies),
        };
        merged.unwrap_or_else(|| encode::error("ERR the nodes of the cluster have answered this in different ways"))
    }
}

pub(super) fn nothing() -> Vec<u8> {
    encode::error("ERR the cluster has no node that could answer this")
}

fn by_policy(policy: ResponsePolicy, replies: &[&[u8]]) -> Option<Vec<u8>> {
    match policy {
        ResponsePolicy::AggSum => numbers(replies, i64::wrapping_add),
        ResponsePolicy::AggMin => numbers(replies, i64::min),
        ResponsePolicy::AggMax => numbers(replies, i64::max),
        ResponsePolicy::AggLogicalAnd => flags(replies, |one, other| one & other),
        ResponsePolicy::AggLogicalOr => flags(replies, |one, other| one | other),
        ResponsePolicy::Default => one_behind_the_other(replies),
        ResponsePolicy::AllSucceeded | ResponsePolicy::OneSucceeded | ResponsePolicy::Special => {
            replies.first().map(|reply| reply.to_vec())
        }
    }
}

/// Numbers, or arrays of as many numbers (WAITAOF), place by place.
fn numbers(replies: &[&[u8]], fold: fn(i64, i64) -> i64) -> Option<Vec<u8>> {
    if replies.first()?.starts_with(b"*") {
        return flags(replies, fold);
    }
    let numbers = replies.iter().map(|reply| reply::integer(reply)).collect::<Option<Vec<i64>>>()?;
    let mut out = Vec::new();
    encode::integer(&mut out, numbers.into_iter().reduce(fold)?);
    Some(out)
}

/// Arrays of as many numbers, place by place.
fn flags(replies: &[&[u8]], fold: fn(i64, i64) -> i64) -> Option<Vec<u8>> {
    let list = |reply: &&[u8]| reply::elements(reply).map(reply::integer).collect::<Option<Vec<i64>>>();
    let mut lists = replies.iter().map(list);
    let first = lists.next()??;
    let all = lists.try_fold(first, |sum, list| {
        let list = list.filter(|list| list.len() == sum.len())?;
        Some(sum.into_iter().zip(list).map(|(one, other)| fold(one, other)).collect())
    })?;
    let mut out = Vec::new();
    encode::header(&mut out, b'*', all.len());
    all.into_iter().for_each(|number| encode::integer(&mut out, number));
    Some(out)
}

/// The elements of arrays (or sets, or maps), one reply's behind the other's.
fn one_behind_the_other(replies: &[&[u8]]) -> Option<Vec<u8>> {
    let kind = *replies.first()?.first()?;
    if !matches!(kind, b'*' | b'~' | b'%') || replies.iter().any(|reply| reply.first() != Some(&kind)) {
        return None;
    }
    let elements: Vec<&[u8]> = replies.iter().flat_map(|reply| reply::elements(reply)).collect();
    let mut out = Vec::new();
    encode::header(&mut out, kind, if kind == b'%' { elements.len() / 2 } else { elements.len() });
    elements.into_iter().for_each(|element| out.extend_from_slice(element));
    Some(out)
}

fn by_key(parts: &[Part], replies: &[&[u8]]) -> Option<Vec<u8>> {
    if parts.len() != replies.len() {
        return None;
    }
    let count = parts.iter().map(|part| part.keys.len()).sum();
    let mut elements: Vec<&[u8]> = vec![b""; count];
    for (part, reply) in parts.iter().zip(replies) {
        let mut of_part = reply::elements(reply);
        for &key in &part.keys {
            *elements.get_mut(key as usize)? = of_part.next()?;
        }
        if of_part.next().is_some() {
            return None;
        }
    }
    Some(encode::aggregate(b'*', &elements))
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::Target;
    use super::*;

    fn by(policy: ResponsePolicy, replies: &[&str]) -> String {
        let replies: Vec<&[u8]> = replies.iter().map(|reply| reply.as_bytes()).collect();
        String::from_utf8(Merge::By(policy).merge(&replies)).unwrap()
    }

    #[test]
    fn each_policy_makes_one_reply() {
        use ResponsePolicy::*;
        for (policy, replies, expected) in [
            (AggSum, &[":2\r\n", ":3\r\n"][..], ":5\r\n"),
            (AggMin, &[":2\r\n", ":-3\r\n"], ":-3\r\n"),
            (AggMin, &["*2\r\n:1\r\n:2\r\n", "*2\r\n:0\r\n:5\r\n"], "*2\r\n:0\r\n:2\r\n"),
            (AggMax, &[":2\r\n", ":3\r\n"], ":3\r\n"),
            (AggLogicalAnd, &["*2\r\n:1\r\n:0\r\n", "*2\r\n:1\r\n:1\r\n"], "*2\r\n:1\r\n:0\r\n"),
            (AggLogicalOr, &["*2\r\n:1\r\n:0\r\n", "*2\r\n:0\r\n:0\r\n"], "*2\r\n:1\r\n:0\r\n"),
            (AllSucceeded, &["+OK\r\n", "+OK\r\n"], "+OK\r\n"),
            (AllSucceeded, &["+OK\r\n", "-ERR no\r\n"], "-ERR no\r\n"),
            (AggSum, &[":1\r\n", "-LOADING\r\n", "-ERR no\r\n"], "-LOADING\r\n"),
            (OneSucceeded, &["-NOTBUSY no\r\n", "+OK\r\n"], "+OK\r\n"),
            (OneSucceeded, &["-NOTBUSY no\r\n", "-UNKILLABLE no\r\n"], "-UNKILLABLE no\r\n"),
            (OneSucceeded, &["-NOTBUSY no\r\n", "-NOTBUSY no\r\n"], "-NOTBUSY no\r\n"),
            (
                Default,
                &["*1\r\n$1\r\na\r\n", "*0\r\n", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"],
                "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
            ),
            (Default, &["%1\r\n+a\r\n:1\r\n", "%1\r\n+b\r\n:2\r\n"], "%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n"),
        ] {
            assert_eq!(by(policy, replies), expected, "{policy:?} {replies:?}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_an_error() {
        use ResponsePolicy::*;
        for (policy, replies) in [
            (AggSum, &[":2\r\n", "+OK\r\n"][..]),
            (AggLogicalAnd, &["*1\r\n:1\r\n", "*2\r\n:1\r\n:1\r\n"]),
            (Default, &["*0\r\n", "~0\r\n"]),
            (Default, &["+OK\r\n"]),
            (OneSucceeded, &[]),
        ] {
            assert!(by(policy, replies).starts_with("-ERR the "), "{policy:?} {replies:?}");
        }
    }

    #[test]
    fn values_come_back_in_the_order_of_their_keys() {
        let arguments: Vec<&[u8]> = vec![b"MGET", b"a", b"b", b"{a}c"];
        let command = sluice_commands::lookup(arguments[0], || None);
        let Target::Parts(parts) = Target::of(command, &arguments, &mut Vec::new()) else { panic!("not taken apart") };
        let values = Merge::ByKey(&parts);
        let (first, second) = (&b"*2\r\n$1\r\nA\r\n$-1\r\n"[..], &b"*1\r\n$1\r\nB\r\n"[..]);
        assert_eq!(values.merge(&[first, second]), b"*3\r\n$1\r\nA\r\n$1\r\nB\r\n$-1\r\n");
        assert_eq!(values.merge(&[first, b"-ASK 1 h:1\r\n"]), b"-ASK 1 h:1\r\n");
        assert!(values.merge(&[first, first]).starts_with(b"-ERR "));
    }
}
