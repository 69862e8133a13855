//! The words between the proxy and a server before and after requests: making a connection what it is to be, and making it nobody's
//! again. The task of the connection speaks them, straight through; the turn never sees their replies.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Buf, BytesMut};

use super::identity::{Greeting, Own};
use super::reply_matching;
use super::server_commands::ServerCommands;
use crate::net::{ReadHalf, WriteHalf};
use crate::resp::Scan;
use crate::resp::reply::{self, ReplyScanner};

/// Why a connection did not become what it was to be.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is broken; why.
    Lost(String),
    /// The server did not accept what it was told; its answer.
    Refused(String),
    /// The server is a replica, and a primary is wanted.
    Replica,
}

impl Trouble {
    pub(super) fn into_reason(self) -> String {
        match self {
            Self::Lost(reason) => reason,
            Self::Refused(answer) => format!("the server answered: {answer}"),
            Self::Replica => "it is a replica".to_owned(),
        }
    }
}

/// What a server has said to a greeting.
#[derive(Debug, Default)]
pub(super) struct Greeted {
    /// What else it has sent: messages to subscriptions that were told.
    pub(super) heard: BytesMut,
    /// What it calls the connection, where it was asked.
    pub(super) id: Option<i64>,
}

/// Tell the server what the connection is to be. Returns what else it has sent: messages to subscriptions that were told.
pub(super) async fn greet(
    reader: &mut ReadHalf,
    writer: &WriteHalf,
    commands: &ServerCommands,
    greeting: &Greeting,
) -> Result<Greeted, Trouble> {
    let Greeted { mut heard, mut id } = Greeted::default();
    if greeting.replies.is_empty() {
        return Ok(Greeted { heard, id });
    }
    send(reader, writer, &commands.in_their_words(&greeting.bytes)).await.map_err(Trouble::Lost)?;
    let mut replies: VecDeque<Own> = greeting.replies.iter().copied().collect();
    let mut frames = Frames::default();
    let mut tried = Vec::new();
    while let Some(own) = replies.front() {
        let frame = frames.next(reader).await.map_err(Trouble::Lost)?;
        match own {
            Own::Must if reply::is_error(&frame) => return Err(refusal(&frame)),
            Own::Id => id = reply::integer(&frame),
            Own::Try => tried.push(!reply::is_error(&frame)),
            Own::Again if tried.pop() != Some(true) && reply::is_error(&frame) => return Err(refusal(&frame)),
            Own::Confirmation if !reply::is_error(&frame) && !reply_matching::is_confirmation(&frame) => {
                heard.extend_from_slice(&frame);
                continue;
            }
            Own::Confirmation if reply::is_error(&frame) => return Err(refusal(&frame)),
            Own::Role if reply_matching::first_word(&frame) == Some(b"slave") => return Err(Trouble::Replica),
            Own::Must | Own::May | Own::Again | Own::Role | Own::Confirmation => {}
        }
        replies.pop_front();
    }
    heard.extend_from_slice(&frames.input);
    Ok(Greeted { heard, id })
}

/// Ask one question: the reply, whatever it is, of at most `longest` bytes.
pub(super) async fn ask(
    reader: &mut ReadHalf,
    writer: &WriteHalf,
    commands: &ServerCommands,
    question: &[u8],
    longest: usize,
) -> Result<BytesMut, Trouble> {
    send(reader, writer, &commands.in_their_words(question)).await.map_err(Trouble::Lost)?;
    Frames { longest, ..Frames::default() }.next(reader).await.map_err(Trouble::Lost)
}

/// Have the server forget everything that it knows of the connection: transaction, watched keys, subscriptions, user, database, …
pub(super) async fn reset(reader: &mut ReadHalf, writer: &WriteHalf, commands: &ServerCommands) -> Result<(), Trouble> {
    send(reader, writer, &commands.in_their_words(b"*1\r\n$5\r\nRESET\r\n")).await.map_err(Trouble::Lost)?;
    let mut frames = Frames::default();
    loop {
        let frame = frames.next(reader).await.map_err(Trouble::Lost)?;
        // What was on its way before it: messages, invalidations, lines of MONITOR.
        if reply::is_error(&frame) {
            return Err(refusal(&frame));
        }
        if *frame == *b"+RESET\r\n" {
            return Ok(());
        }
    }
}

async fn send(reader: &ReadHalf, writer: &WriteHalf, mut bytes: &[u8]) -> Result<(), String> {
    while !bytes.is_empty() {
        match writer.try_write(bytes) {
            Ok(written) => bytes.advance(written),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                poll_fn(|context| reader.poll_write_ready(context)).await.map_err(|error| error.to_string())?;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// Reads frame by frame.
struct Frames {
    input: BytesMut,
    /// The most bytes that one may have.
    longest: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { input: BytesMut::new(), longest: usize::MAX }
    }
}

impl Frames {
    async fn next(&mut self, reader: &mut ReadHalf) -> Result<BytesMut, String> {
        let mut scanner = ReplyScanner::default();
        let mut needed = 1;
        loop {
            if self.input.len() >= needed {
                match scanner.scan(&self.input).map_err(|error| error.to_string())? {
                    Scan::Complete(len) => return Ok(self.input.split_to(len)),
                    Scan::Incomplete(more) => needed = more,
                }
            }
            let input = &mut self.input;
            if input.len() > self.longest || needed > self.longest {
                return Err(format!("found an answer that does not end, expected at most {} bytes", self.longest));
            }
            input.reserve(4096);
            match poll_fn(|context| tokio_util::io::poll_read_buf(Pin::new(&mut *reader), context, input)).await {
                Ok(0) => return Err("connection closed".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// Errors that say something of the server's state at the moment, or of which server it is, and nothing of what it was told.
const PASSING: [&str; 6] = ["LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "ERR max number of clients"];

fn refusal(frame: &[u8]) -> Trouble {
    let answer = line(frame);
    if PASSING.iter().any(|beginning| answer.starts_with(beginning)) {
        return Trouble::Lost(format!("the server answered: {answer}"));
    }
    Trouble::Refused(answer)
}

/// An error's text, for the log.
fn line(frame: &[u8]) -> String {
    String::from_utf8_lossy(frame.get(1..).unwrap_or_default()).trim_end().escape_debug().to_string()
}
