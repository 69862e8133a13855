//! Watched responses, and what becomes of them.

use crate::resp::{Node, Nodes, Path};
use crate::{MessageId, Reply, SessionId, buffer, resp};

/// A batch of responses as it crosses: see `responses-columns` in the contract.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ResponseColumns<'a> {
    pub(crate) ids: &'a [u64],
    pub(crate) sessions: &'a [u64],
    pub(crate) tags: &'a [u64],
    pub(crate) lengths: &'a [u32],
    pub(crate) bytes: &'a [u8],
}

/// The answer to a batch of responses: see `responses-columns` in the contract.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) indices: Vec<u32>,
    pub(crate) lengths: Vec<u32>,
    pub(crate) bytes: Vec<u8>,
}

impl Changes {
    /// Make room for the answer to the next batch.
    pub(crate) fn clear(&mut self) {
        self.indices.clear();
        self.lengths.clear();
        buffer::reset(&mut self.bytes);
    }
}

/// A batch of watched responses; those of one session are in the order of their requests.
#[derive(Debug)]
pub struct Responses<'a> {
    columns: ResponseColumns<'a>,
    next: usize,
    changes: &'a mut Changes,
}

impl<'a> Responses<'a> {
    pub(crate) fn new(columns: ResponseColumns<'a>, changes: &'a mut Changes) -> Self {
        Self { columns, next: 0, changes }
    }

    /// How many responses are still to come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.ids.len() - self.next
    }

    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next response, and what becomes of it. Responses that are never taken are kept.
    #[inline]
    pub fn next_response(&mut self) -> Option<(Response<'a>, Change<'_>)> {
        let at = self.next;
        let columns = &mut self.columns;
        let (&id, &session) = (columns.ids.get(at)?, columns.sessions.get(at)?);
        let (&tag, &length) = (columns.tags.get(at)?, columns.lengths.get(at)?);
        let (frame, later) = columns.bytes.split_at_checked(length as usize)?;
        columns.bytes = later;
        self.next = at + 1;
        Some((Response { id, session, tag, frame }, Change::new(self.changes, at as u32)))
    }
}

/// The response to a watched request.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    id: u64,
    session: u64,
    tag: u64,
    frame: &'a [u8],
}

impl<'a> Response<'a> {
    /// The message ID of its request.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id.into()
    }

    /// The session of its request.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session.into()
    }

    /// What [`Verdict::watch`](crate::Verdict::watch) gave.
    #[inline]
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// The frame as it travels: one complete reply in the protocol of the session.
    #[inline]
    #[must_use]
    pub fn frame(&self) -> &'a [u8] {
        self.frame
    }

    /// Whether it is an error, told by its first byte.
    #[inline]
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self.frame.first(), Some(b'-' | b'!'))
    }

    /// Its nodes in pre-order, read as they are asked for, without a copy.
    #[must_use]
    pub fn nodes(&self) -> Nodes<'a> {
        Nodes::new(self.frame)
    }

    /// The whole reply as a tree, with its strings still in place. `None` if it is nested deeper than [`resp::MAX_DEPTH`].
    #[must_use]
    pub fn reply(&self) -> Option<Reply<'a>> {
        resp::decode(self.frame)
    }
}

/// What becomes of a response. Left alone, it is kept; of several calls, the last one counts.
#[derive(Debug)]
pub struct Change<'a> {
    answer: &'a mut Changes,
    index: u32,
    listed: Option<usize>,
}

impl<'a> Change<'a> {
    #[inline]
    fn new(answer: &'a mut Changes, index: u32) -> Self {
        Self { answer, index, listed: None }
    }

    /// The response is kept. This is what happens anyway; it takes back what was said before.
    pub fn keep(&mut self) {
        if let Some(start) = self.listed.take() {
            self.answer.indices.pop();
            self.answer.lengths.pop();
            self.answer.bytes.truncate(start);
        }
    }

    /// This reply takes its place.
    pub fn replace(&mut self, reply: &Reply<'_>) {
        self.write(|bytes| reply.encode(bytes));
    }

    /// These bytes take its place: exactly one complete RESP frame, which the host checks.
    pub fn replace_frame(&mut self, frame: &[u8]) {
        self.write(|bytes| bytes.extend_from_slice(frame));
    }

    /// Go through the bulk strings of a response, wherever they are nested, and put other replies in the place of some: `map` is given each with
    /// its [path](Path) and answers `None` to keep it. What is kept is copied span by span; where all is kept, nothing is.
    ///
    /// ```
    /// # use sluice_plugin::{Change, Reply, Response};
    /// # fn look(response: &Response<'_>, change: &mut Change<'_>) {
    /// // The reply to KEYS is an array of keys: strip `a:` from each.
    /// change.map_bulks(response, |_path, key| key.strip_prefix(b"a:").map(Reply::bulk));
    /// # }
    /// ```
    pub fn map_bulks<'r>(
        &mut self,
        response: &Response<'r>,
        mut map: impl FnMut(&Path, &'r [u8]) -> Option<Reply<'r>>,
    ) {
        self.map(response, |path, node| match node {
            Node::Bulk(bytes) => map(path, bytes),
            _ => None,
        });
    }

    /// Go through all strings of a response, wherever they are nested: bulk, simple and verbatim ones, keys of maps among them, but not
    /// errors. `map` answers `None` to keep one, or gives the bytes that take its place in a string of the same kind.
    ///
    /// ```
    /// # use sluice_plugin::{Change, Response};
    /// # fn look(response: &Response<'_>, change: &mut Change<'_>) {
    /// change.map_strings(response, |_path, text| text.starts_with(b"secret").then(|| b"***".to_vec()));
    /// # }
    /// ```
    pub fn map_strings(&mut self, response: &Response<'_>, mut map: impl FnMut(&Path, &[u8]) -> Option<Vec<u8>>) {
        self.map(response, |path, node| match node {
            Node::Bulk(text) => map(path, text).map(Reply::bulk),
            Node::Simple(text) => map(path, text).map(Reply::simple),
            Node::Verbatim(text) => {
                let (format, text) = text.split_first_chunk()?;
                map(path, text.strip_prefix(b":")?).map(|text| Reply::Verbatim(*format, text.into()))
            }
            _ => None,
        });
    }

    /// Go through the nodes that are no aggregates, and put replies in the place of some.
    fn map<'r>(&mut self, response: &Response<'r>, mut map: impl FnMut(&Path, Node<'r>) -> Option<Reply<'r>>) {
        self.keep();
        let frame = response.frame();
        let mut copied = 0;
        let mut nodes = response.nodes();
        let start = self.answer.bytes.len();
        while let Some(node) = nodes.next_node() {
            if node.elements().is_some() {
                continue;
            }
            let Some(new) = map(nodes.path(), node) else { continue };
            let span = nodes.span();
            let bytes = &mut self.answer.bytes;
            bytes.extend_from_slice(frame.get(copied..span.start).unwrap_or_default());
            new.encode(bytes);
            copied = span.end;
        }
        if copied > 0 {
            self.answer.bytes.extend_from_slice(frame.get(copied..).unwrap_or_default());
            self.list(start);
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.keep();
        let start = self.answer.bytes.len();
        write(&mut self.answer.bytes);
        self.list(start);
    }

    fn list(&mut self, start: usize) {
        self.listed = Some(start);
        self.answer.indices.push(self.index);
        self.answer.lengths.push((self.answer.bytes.len() - start) as u32);
    }
}
