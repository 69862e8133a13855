//! Replies in which nodes of a cluster are named, with the addresses of their proxies instead.
//!
//! | reply | where nodes are named |
//! | --- | --- |
//! | `CLUSTER SLOTS` | endpoint, port and metadata of each node |
//! | `CLUSTER SHARDS` | `ip`, `endpoint`, `hostname`, `port` and `tls-port` of each node |
//! | `CLUSTER NODES`, `CLUSTER REPLICAS` | the second word of each line: `ip:port@bus-port,hostname` |
//! | the errors `MOVED` and `ASK` | the third word |
//!
//! A node is known by any of its addresses that is in the table: its endpoint, its IP address or its name, each with its port. One that is
//! in none stays as it is. Of one that is, every address is replaced; its port for the cluster's bus, which no proxy has, becomes 0.

use std::collections::HashMap;
use std::net::IpAddr;

use sluice_commands::NodesForm;

use crate::net::host_and_port;
use crate::resp::{encode, reply};

/// Which proxy stands for which node.
#[derive(Debug, Default)]
pub struct Rewrite {
    /// The host of the node that answers, as the proxy knows it.
    asked: Option<String>,
    proxies: HashMap<String, Proxy>,
}

/// Where clients reach the proxy of a node.
#[derive(Clone, Debug)]
struct Proxy {
    /// A name or an IP address, without brackets.
    host: String,
    port: u16,
}

impl Rewrite {
    /// A table without entries. `asked`: the host of the node whose replies they are, without brackets, where it has one: a node that does
    /// not say its host is on the same one.
    pub fn new(asked: Option<&str>) -> Self {
        Self { asked: asked.map(str::to_owned), proxies: HashMap::new() }
    }

    /// Let the proxy at the one `host:port` stand for the node at the other. Returns whether the node was not in the table yet, and both are
    /// addresses.
    pub fn add(&mut self, node: &str, proxy: &str) -> bool {
        let parts = |address| {
            let (host, port) = host_and_port(address)?;
            Some((host, port.parse().ok()?))
        };
        let (Some((node, node_port)), Some((host, port))) = (parts(node), parts(proxy)) else { return false };
        self.proxies.insert(key(node, node_port), Proxy { host: host.to_owned(), port }).is_none()
    }

    /// A reply of this form, with proxies instead of nodes; `None`: it stays as it is.
    pub fn reply(&self, form: NodesForm, frame: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(frame.len());
        match form {
            NodesForm::Slots => each(frame, &mut out, |_, range, out| {
                each(range, out, |at, field, out| match at {
                    0 | 1 => out.extend_from_slice(field),
                    _ => self.slots_node(field, out),
                });
            }),
            NodesForm::Shards => each(frame, &mut out, |_, shard, out| {
                each_value(shard, out, |name, value, out| match name {
                    "nodes" => each(value, out, |_, node, out| self.shards_node(node, out)),
                    _ => out.extend_from_slice(value),
                });
            }),
            NodesForm::Lines if is_aggregate(frame) => {
                each(frame, &mut out, |_, line, out| self.text_of_lines(line, out));
            }
            NodesForm::Lines => self.text_of_lines(frame, &mut out),
        }
        (out != frame).then_some(out)
    }

    /// The reply to EXEC, in which the results at these places are of these forms; `None`: it stays as it is.
    pub fn results(&self, forms: &[(usize, NodesForm)], frame: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(frame.len());
        each(frame, &mut out, |at, result, out| {
            let form = forms.iter().find(|(of, _)| *of == at);
            let rewritten = form.and_then(|(_, form)| self.reply(*form, result));
            out.extend_from_slice(rewritten.as_deref().unwrap_or(result));
        });
        (out != frame).then_some(out)
    }

    /// One or several replies, with proxies in those that are MOVED or ASK; `None`: they stay as they are.
    #[inline]
    pub fn errors(&self, replies: &[u8], several: bool) -> Option<Vec<u8>> {
        match several {
            false if replies.first() == Some(&b'-') => self.redirection(replies),
            true if replies.contains(&b'-') => self.redirections(replies),
            _ => None,
        }
    }

    #[cold]
    fn redirections(&self, replies: &[u8]) -> Option<Vec<u8>> {
        let (mut out, mut rest) = (Vec::new(), replies);
        // Where what has been copied ends.
        let mut kept = 0;
        while let Ok(Some(len)) = reply::frame_length(rest) {
            let (frame, behind) = rest.split_at(len);
            if frame.first() == Some(&b'-')
                && let Some(rewritten) = self.redirection(frame)
            {
                let at = replies.len() - rest.len();
                out.extend_from_slice(replies.get(kept..at)?);
                out.extend_from_slice(&rewritten);
                kept = at + len;
            }
            rest = behind;
        }
        if kept == 0 {
            return None;
        }
        out.extend_from_slice(replies.get(kept..)?);
        Some(out)
    }

    /// `-MOVED 3999 127.0.0.1:6381`
    #[cold]
    fn redirection(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let line = std::str::from_utf8(frame.strip_suffix(b"\r\n")?).ok()?;
        let mut words = line.splitn(4, ' ');
        let (code, slot, address) = (words.next()?, words.next()?, words.next()?);
        if !matches!(code, "-MOVED" | "-ASK") {
            return None;
        }
        let (host, port) = host_and_port(address)?;
        let Proxy { host, port } = self.proxy_of(&[host], port.parse().ok()?)?;
        let more: String = words.flat_map(|more| [" ", more]).collect();
        Some(format!("{code} {slot} {host}:{port}{more}\r\n").into_bytes())
    }

    /// The proxy of the node that any of these hosts, or that of the node that answers, has at this port.
    fn proxy_of(&self, hosts: &[&str], port: u16) -> Option<&Proxy> {
        let of = |host: &str| self.proxies.get(&key(host, port));
        let named = hosts.iter().filter(|host| !host.is_empty()).find_map(|host| of(host));
        named.or_else(|| hosts.first().filter(|host| host.is_empty()).and_then(|_| of(self.asked.as_deref()?)))
    }

    /// `[endpoint, port, ID, [name, value, …], …]`
    fn slots_node(&self, node: &[u8], out: &mut Vec<u8>) {
        let fields: Vec<&[u8]> = if is_aggregate(node) { reply::elements(node).collect() } else { Vec::new() };
        let [endpoint, port, more @ ..] = &fields[..] else { return out.extend_from_slice(node) };
        let mut hosts = vec![text(endpoint).unwrap_or_default()];
        // Other addresses: the IP address beside a name, or the name beside an IP address.
        let metadata = more.get(1).filter(|metadata| is_aggregate(metadata));
        hosts
            .extend(metadata.iter().flat_map(|metadata| reply::elements(metadata).skip(1).step_by(2)).filter_map(text));
        let Some(Proxy { host, port }) = port_of(port).and_then(|port| self.proxy_of(&hosts, port)) else {
            return out.extend_from_slice(node);
        };
        encode::header(out, b'*', fields.len());
        encode::bulk(out, host.as_bytes());
        integer(out, *port);
        for (at, field) in more.iter().enumerate() {
            match (at, field.first()) {
                (1, Some(&kind)) if is_aggregate(field) => encode::header(out, kind, 0),
                _ => out.extend_from_slice(field),
            }
        }
    }

    /// `[id, …, port, …, ip, …, endpoint, …, hostname, …, role, …]`
    fn shards_node(&self, node: &[u8], out: &mut Vec<u8>) {
        let fields: Vec<&[u8]> = if is_aggregate(node) { reply::elements(node).collect() } else { Vec::new() };
        let (pairs, []) = fields.as_chunks::<2>() else { return out.extend_from_slice(node) };
        let value = |name| pairs.iter().find(|pair| text(pair[0]) == Some(name)).map(|pair| pair[1]);
        let hosts = ["endpoint", "ip", "hostname"].map(|name| value(name).and_then(text).unwrap_or_default());
        let proxy = |name| self.proxy_of(&hosts, port_of(value(name)?)?);
        let (plain, tls) = (proxy("port"), proxy("tls-port"));
        // Whichever port the proxy serves at: nobody is to be shown one of the node's.
        let (Some(plain), Some(tls)) = (plain.or(tls), tls.or(plain)) else { return out.extend_from_slice(node) };
        let has_name = plain.host.parse::<IpAddr>().is_err();
        let kept = pairs.iter().filter(|pair| has_name || text(pair[0]) != Some("hostname"));
        let kind = node.first().copied().unwrap_or(b'*');
        let each = if kind == b'%' { 1 } else { 2 };
        encode::header(out, kind, kept.clone().count() * each);
        for [name, value] in kept {
            out.extend_from_slice(name);
            match text(name) {
                Some("ip" | "endpoint" | "hostname") => encode::bulk(out, plain.host.as_bytes()),
                Some("port") => integer(out, plain.port),
                Some("tls-port") => integer(out, tls.port),
                _ => out.extend_from_slice(value),
            }
        }
    }

    /// A text of lines.
    fn text_of_lines(&self, frame: &[u8], out: &mut Vec<u8>) {
        // RESP3 says before a text what kind of one it is.
        let kind = frame.first().copied().unwrap_or_default();
        let (Some(text), b'$' | b'=') = (payload(frame), kind) else { return out.extend_from_slice(frame) };
        let (about, text) = if kind == b'=' { text.split_at_checked(4).unwrap_or_default() } else { ("", text) };
        let lines: Vec<String> =
            text.split('\n').map(|line| self.line(line).unwrap_or_else(|| line.to_owned())).collect();
        let text = format!("{about}{}", lines.join("\n"));
        encode::header(out, kind, text.len());
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// `id ip:port@bus-port,hostname,… flags …`; `None`: it stays as it is.
    fn line(&self, line: &str) -> Option<String> {
        let (id, rest) = line.split_once(' ')?;
        let (address, rest) = rest.split_once(' ')?;
        let (address, names) = address.split_once(',').unwrap_or((address, ""));
        let (address, bus) = address.split_once('@').map_or((address, ""), |(address, _)| (address, "@0"));
        let (host, port) = host_and_port(address)?;
        let name = names.split(',').next().unwrap_or_default();
        let Proxy { host, port } = self.proxy_of(&[host, name], port.parse().ok()?)?;
        let name = if host.parse::<IpAddr>().is_err() && !bus.is_empty() { format!(",{host}") } else { String::new() };
        Some(format!("{id} {host}:{port}{bus}{name} {rest}"))
    }
}

/// What the table has for an address: however it is written, it is the same.
fn key(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(ip) => format!("{ip} {port}"),
        Err(_) => format!("{} {port}", host.to_ascii_lowercase()),
    }
}

/// Copies an aggregate, each element as `element` (given its place) writes it. What is none is copied as it is.
fn each(frame: &[u8], out: &mut Vec<u8>, mut element: impl FnMut(usize, &[u8], &mut Vec<u8>)) {
    match frame.iter().position(|&byte| byte == b'\n') {
        Some(end) if is_aggregate(frame) => {
            out.extend_from_slice(frame.get(..=end).unwrap_or_default());
            reply::elements(frame).enumerate().for_each(|(at, field)| element(at, field, out));
        }
        _ => out.extend_from_slice(frame),
    }
}

/// Copies a map, or an array of names and values, each value as `value` (given its name) writes it.
fn each_value(frame: &[u8], out: &mut Vec<u8>, mut value: impl FnMut(&str, &[u8], &mut Vec<u8>)) {
    let mut name = "";
    let names: Vec<&[u8]> = if is_aggregate(frame) { reply::elements(frame).step_by(2).collect() } else { Vec::new() };
    each(frame, out, |at, field, out| {
        if at % 2 == 0 {
            name = names.get(at / 2).and_then(|name| text(name)).unwrap_or_default();
            out.extend_from_slice(field);
        } else {
            value(name, field, out);
        }
    });
}

fn is_aggregate(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(b'*' | b'%')) && !frame.starts_with(b"*-1")
}

fn integer(out: &mut Vec<u8>, number: u16) {
    encode::header(out, b':', usize::from(number));
}

fn port_of(frame: &[u8]) -> Option<u16> {
    std::str::from_utf8(frame.strip_prefix(b":")?).ok()?.trim_end().parse().ok()
}

/// A bulk string or a simple one.
fn text(frame: &[u8]) -> Option<&str> {
    match frame.first()? {
        b'$' => payload(frame),
        b'+' => std::str::from_utf8(frame.get(1..)?).ok()?.strip_suffix("\r\n"),
        _ => None,
    }
}

/// What stands behind a length.
fn payload(frame: &[u8]) -> Option<&str> {
    let (_, rest) = std::str::from_utf8(frame).ok()?.split_once("\r\n")?;
    rest.strip_suffix("\r\n")
}

#[cfg(test)]
#[path = "rewrite_test.rs"]
mod test;
