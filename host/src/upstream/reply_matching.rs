//! How replies belong to requests on a connection that one session has to itself.
//!
//! There, what a server sends is not always one reply for each request: subscriptions are confirmed channel by channel, messages come
//! when they come, MONITOR and replication never end. The rules are written here once.

use std::collections::{HashMap, HashSet};

pub use sluice_commands::Subscription;
use sluice_commands::{CommandId, ConnectionNeed, Replies, Sets, Tells};

use crate::cluster::Slot;
use crate::resp::encode::{self, QUEUED};
use crate::resp::{Protocol, reply};

/// What a server sends for one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// One reply.
    One,
    /// One reply, which is handed over by itself.
    Apart,
    /// One reply, and nobody knows when: a blocking command.
    Eventually,
    /// A confirmation for each of so many channels, that it is subscribed to or (`ends`) is not any more. An error is one reply all the
    /// same.
    Confirmations {
        /// Of which kind.
        kind: Subscription,
        /// Whether subscriptions end.
        ends: bool,
        /// How many.
        channels: u32,
    },
    /// A confirmation for each channel that the session still has, at least one.
    AllConfirmations(Subscription),
    /// `OK`, and from then on a line for each command that the server executes.
    Monitor,
    /// RESET: one reply, and everything that the server would send by itself is forgotten.
    Reset,
    /// EXEC: one reply, which may confirm subscriptions.
    Exec,
    /// HELLO: one reply, in the protocol that is spoken from then on.
    Hello,
    /// Replication: from here on nothing is framed.
    Stream,
}

/// Command, kind of subscription, whether it ends subscriptions. The confirmation's word is the command's name.
const SUBSCRIPTIONS: [(&str, Subscription, bool); 6] = [
    ("subscribe", Subscription::Channel, false),
    ("unsubscribe", Subscription::Channel, true),
    ("psubscribe", Subscription::Pattern, false),
    ("punsubscribe", Subscription::Pattern, true),
    ("ssubscribe", Subscription::Shard, false),
    ("sunsubscribe", Subscription::Shard, true),
];

/// The words that messages begin with.
const MESSAGES: [&[u8]; 3] = [b"message", b"pmessage", b"smessage"];

/// What the reply to HELLO begins with.
const GREETING: &[u8] = b"$6\r\nserver\r\n";

impl Expect {
    /// What a server sends for `command` with `arguments` arguments, its name included. `need`: what
    /// the command needs with these arguments.
    pub fn of(command: CommandId, need: ConnectionNeed, arguments: usize) -> Self {
        let effect = command.effect();
        match (effect.replies, effect.sets, need) {
            (Replies::Confirmations { kind, ends: true }, ..) if arguments < 2 => Self::AllConfirmations(kind),
            (Replies::Confirmations { kind, ends }, ..) => {
                Self::Confirmations { kind, ends, channels: arguments.saturating_sub(1).max(1) as u32 }
            }
            (Replies::Monitor, ..) => Self::Monitor,
            (Replies::Stream, ..) => Self::Stream,
            (_, Sets::Reset, _) => Self::Reset,
            (_, Sets::Greeting, _) => Self::Hello,
            (.., ConnectionNeed::Exec) => Self::Exec,
            // It is not known whether it blocks.
            (.., ConnectionNeed::Blocking | ConnectionNeed::Unknown) => Self::Eventually,
            _ if effect.tells != Tells::Nothing => Self::Apart,
            _ => Self::One,
        }
    }
}

impl Expect {
    /// Whether nobody knows when it will be there.
    pub(super) fn is_patient(self) -> bool {
        matches!(self, Self::Eventually | Self::Stream)
    }
}

/// What a frame is to the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Belongs {
    /// It came by itself.
    Unasked,
    /// It is a part of the answer to the oldest request, which is not complete yet.
    InPart,
    /// It is the rest of the answer to the oldest request.
    Finally,
}

/// What a connection is subscribed to.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions([HashSet<Vec<u8>>; 3]);

impl Subscriptions {
    /// A channel of a shard.
    pub fn of_shard(channel: &[u8]) -> Self {
        Self([HashSet::new(), HashSet::new(), HashSet::from([channel.to_vec()])])
    }

    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(HashSet::is_empty)
    }

    /// How many channels of shards.
    pub fn of_shards(&self) -> usize {
        self.0[Subscription::Shard as usize].len()
    }

    /// How many channels and patterns, which do not belong to shards.
    pub fn of_no_shard(&self) -> usize {
        self.0[Subscription::Channel as usize].len() + self.0[Subscription::Pattern as usize].len()
    }

    /// To these too.
    pub fn add(&mut self, others: Self) {
        self.0.iter_mut().zip(others.0).for_each(|(channels, others)| channels.extend(others));
    }

    /// Channels and patterns, which any node of a cluster serves (`None`), and the channels of shards by their slots.
    pub fn by_slot(self) -> Vec<(Option<Slot>, Self)> {
        let [channels, patterns, shard] = self.0;
        let mut parts: HashMap<Option<Slot>, Self> = HashMap::new();
        let anywhere = Self([channels, patterns, HashSet::new()]);
        if !anywhere.is_empty() {
            parts.insert(None, anywhere);
        }
        for channel in shard {
            let part = parts.entry(Some(Slot::of(&channel))).or_default();
            part.0[Subscription::Shard as usize].insert(channel);
        }
        parts.into_iter().collect()
    }

    /// The requests that subscribe to all of it, and how many confirmations each brings. One is for channels of one slot at most: of a
    /// cluster's node, more cannot be asked at once.
    pub fn requests(&self) -> impl Iterator<Item = (Vec<u8>, Expect)> {
        self.clone().by_slot().into_iter().flat_map(|(_, part)| {
            let subscribing = SUBSCRIPTIONS.iter().filter(|(.., ends)| !ends);
            let request = |(name, kind, ends): &(&str, Subscription, bool)| {
                let channels = &part.0[*kind as usize];
                let words = [name.as_bytes()].into_iter().chain(channels.iter().map(Vec::as_slice));
                let mut request = Vec::new();
                encode::request(&mut request, words);
                let channels = channels.len() as u32;
                (channels > 0).then_some((request, Expect::Confirmations { kind: *kind, ends: *ends, channels }))
            };
            subscribing.filter_map(request).collect::<Vec<_>>()
        })
    }
}

/// The state of such a connection.
#[derive(Debug, Default)]
pub(super) struct ReplyMatching {
    /// In RESP3, what comes by itself is a push, and nothing else is; in RESP2 it looks like any array, but while there are subscriptions
    /// no other array comes.
    protocol: Protocol,
    subscriptions: Subscriptions,
    /// Whether a transaction that has not ended may hold subscriptions or HELLO.
    queued: bool,
    monitoring: bool,
    /// Nothing is framed any more.
    pub(super) streaming: bool,
    /// Confirmations of the oldest request that are still to come.
    left: Option<u32>,
}

impl ReplyMatching {
    /// The state of a connection in `protocol` that is subscribed to this before anything else is sent.
    pub(super) fn new(protocol: Protocol, subscriptions: Subscriptions) -> Self {
        Self { protocol, subscriptions, ..Self::default() }
    }

    /// Whether the server sends, or will send, what nobody asks for.
    pub(super) fn is_engaged(&self) -> bool {
        !self.subscriptions.is_empty() || self.monitoring || self.streaming
    }

    /// What it is subscribed to.
    pub(super) fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// What it was subscribed to, if that is all that it was for.
    pub(super) fn into_subscriptions(self) -> Option<Subscriptions> {
        (!self.subscriptions.is_empty() && !self.monitoring && !self.streaming).then_some(self.subscriptions)
    }

    /// Say what `frame` is, given what the oldest request expects (`None`: nothing is waiting).
    pub(super) fn classify(&mut self, frame: &[u8], expect: Option<Expect>) -> Belongs {
        let words = first_words(frame).filter(|_| self.may_come_by_itself(frame, expect));
        let confirmed = words.and_then(|(word, channel)| self.confirm(word, channel));
        let Some(expect) = expect else { return Belongs::Unasked };
        match expect {
            Expect::Confirmations { kind, ends, channels } if confirmed == Some((kind, ends)) => self.count(channels),
            Expect::AllConfirmations(kind) if confirmed == Some((kind, true)) => {
                // This confirmation has been taken off already.
                let still = self.subscriptions.0[kind as usize].len() as u32;
                self.count(still + 1)
            }
            // The slot of a shard's channel is served elsewhere now.
            _ if confirmed == Some((Subscription::Shard, true)) => Belongs::Unasked,
            _ if self.is_unasked(frame, words) => Belongs::Unasked,
            Expect::Monitor => {
                self.monitoring |= frame == b"+OK\r\n";
                Belongs::Finally
            }
            Expect::Reset => {
                if frame.starts_with(b"+RESET") {
                    *self = Self::default();
                }
                Belongs::Finally
            }
            Expect::Exec => {
                if std::mem::take(&mut self.queued) {
                    for element in reply::elements(frame) {
                        if reply::elements(element).next() == Some(GREETING) {
                            self.greeted(element);
                        } else if ends_in_number(element)
                            && let Some((word, channel)) = first_words(element)
                        {
                            self.confirm(word, channel);
                        }
                    }
                }
                Belongs::Finally
            }
            Expect::Hello => {
                self.queued |= frame == QUEUED;
                self.greeted(frame);
                Belongs::Finally
            }
            Expect::Stream => {
                self.streaming = !reply::is_error(frame) && frame != QUEUED;
                Belongs::Finally
            }
            Expect::Confirmations { .. } | Expect::AllConfirmations(_) => {
                self.queued |= frame == QUEUED;
                self.left = None;
                Belongs::Finally
            }
            Expect::One | Expect::Apart | Expect::Eventually => Belongs::Finally,
        }
    }

    /// Whether a frame, an array or a push, is what its form alone does not tell: a confirmation or a message, and no data.
    fn may_come_by_itself(&self, frame: &[u8], expect: Option<Expect>) -> bool {
        let asked = matches!(expect, Some(Expect::Confirmations { .. } | Expect::AllConfirmations(_)));
        reply::is_push(frame) || asked || (self.protocol == Protocol::Resp2 && !self.subscriptions.is_empty())
    }

    /// The reply to HELLO is in the protocol that is spoken from then on.
    fn greeted(&mut self, reply: &[u8]) {
        self.protocol = match reply.first() {
            Some(b'%') => Protocol::Resp3,
            Some(b'*') => Protocol::Resp2,
            _ => self.protocol,
        };
    }

    fn count(&mut self, channels: u32) -> Belongs {
        let left = self.left.unwrap_or(channels).saturating_sub(1);
        self.left = (left > 0).then_some(left);
        if left > 0 { Belongs::InPart } else { Belongs::Finally }
    }

    /// Keep the subscriptions as the server has just confirmed them.
    fn confirm(&mut self, word: &[u8], channel: &[u8]) -> Option<(Subscription, bool)> {
        let (_, kind, ends) = SUBSCRIPTIONS.iter().find(|(name, ..)| name.as_bytes() == word)?;
        let channels = &mut self.subscriptions.0[*kind as usize];
        if *ends {
            channels.remove(channel);
        } else {
            channels.insert(channel.to_vec());
        }
        Some((*kind, *ends))
    }

    fn is_unasked(&self, frame: &[u8], words: Option<(&[u8], &[u8])>) -> bool {
        let is_message = words.is_some_and(|(word, _)| MESSAGES.contains(&word));
        // A line of MONITOR: a time, and a database and an address in brackets.
        let is_monitor_line = || {
            frame.strip_prefix(b"+").is_some_and(|line| {
                line.first().is_some_and(u8::is_ascii_digit) && line.windows(2).any(|pair| pair == b" [")
            })
        };
        reply::is_push(frame) || is_message || (self.monitoring && is_monitor_line())
    }
}

/// The channel of a shard that a server has ended the subscription to, if that is what this frame says.
pub fn withdrawn(frame: &[u8]) -> Option<&[u8]> {
    first_words(frame).filter(|(word, _)| *word == b"sunsubscribe").map(|(_, channel)| channel)
}

/// What confirmations say, with other numbers of subscriptions: `more` gives how many there are besides, for those of shards and for
/// others. What is no confirmation stays as it is; `None`: they are no frames.
pub fn recounted(frames: &[u8], more: impl Fn(bool) -> usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(frames.len() + 8);
    let mut rest = frames;
    while !rest.is_empty() {
        let (frame, behind) = rest.split_at_checked(reply::frame_length(rest).ok()??)?;
        rest = behind;
        let shard = first_word(frame).and_then(|word| {
            let known = SUBSCRIPTIONS.iter().find(|(name, ..)| name.as_bytes() == word);
            known.map(|(_, kind, _)| *kind == Subscription::Shard)
        });
        let count = reply::elements(frame).last().filter(|_| frame.starts_with(b"*3") || frame.starts_with(b">3"));
        let number = count.and_then(|last| std::str::from_utf8(last.strip_prefix(b":")?).ok()?.trim_end().parse().ok());
        match (shard, count, number) {
            (Some(shard), Some(count), Some(number)) => {
                let number: usize = number;
                out.extend_from_slice(&frame[..frame.len() - count.len()]);
                out.extend_from_slice(format!(":{}\r\n", number + more(shard)).as_bytes());
            }
            _ => out.extend_from_slice(frame),
        }
    }
    Some(out)
}

/// Whether a frame confirms a subscription.
pub(super) fn is_confirmation(frame: &[u8]) -> bool {
    first_word(frame).is_some_and(|word| SUBSCRIPTIONS.iter().any(|(name, ..)| name.as_bytes() == word))
}

/// Whether the last element of an array or push is an integer, as that of every confirmation is.
fn ends_in_number(frame: &[u8]) -> bool {
    reply::elements(frame).last().is_some_and(|last| last.starts_with(b":"))
}

/// The first element of an array or push, where it is a bulk string.
pub(super) fn first_word(frame: &[u8]) -> Option<&[u8]> {
    first_words(frame).map(|(word, _)| word)
}

/// The first two elements of an array or push of at least two bulk strings (the second may be null).
fn first_words(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let (kind, rest) = frame.split_first()?;
    if !matches!(kind, b'*' | b'>') {
        return None;
    }
    let rest = &rest[rest.iter().position(|&byte| byte == b'\n')? + 1..];
    let (word, rest) = bulk(rest)?;
    Some((word, bulk(rest).map_or(&b""[..], |(channel, _)| channel)))
}

fn bulk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\r')?;
    let len: usize = std::str::from_utf8(bytes.get(..end)?.strip_prefix(b"$")?).ok()?.parse().ok()?;
    let rest = bytes.get(end + 2..)?;
    Some((rest.get(..len)?, rest.get(len + 2..)?))
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn expect(name: &str, arguments: usize) -> Option<Expect> {
        let command = sluice_commands::table().by_name(name).unwrap();
        Some(Expect::of(command, command.effect().need, arguments))
    }

    #[test]
    fn a_subscription_is_answered_when_every_channel_is_confirmed() {
        let mut exchange = ReplyMatching::default();
        let subscribe = expect("subscribe", 3);
        assert_eq!(exchange.classify(b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", subscribe), Belongs::InPart);
        assert_eq!(exchange.classify(b"*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n", subscribe), Belongs::Finally);
        let message = b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n";
        assert_eq!(exchange.classify(message, None), Belongs::Unasked);
        assert_eq!(exchange.classify(message, expect("ping", 1)), Belongs::Unasked);
        assert_eq!(exchange.classify(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", expect("ping", 1)), Belongs::Finally);
        let unsubscribe = expect("unsubscribe", 1);
        assert_eq!(exchange.classify(b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n", unsubscribe), Belongs::InPart);
        assert_eq!(exchange.classify(b"*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n", unsubscribe), Belongs::Finally);
        assert_eq!(exchange.classify(b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", unsubscribe), Belongs::Finally);
        // Without a subscription, an array that begins with the word is an ordinary reply.
        assert_eq!(exchange.classify(message, expect("lrange", 4)), Belongs::Finally);
    }

    #[test]
    fn data_that_looks_like_a_message_or_a_confirmation_is_data() {
        let resp2 = ReplyMatching::default();
        let mut subscriptions = Subscriptions::default();
        subscriptions.0[0].insert(b"news".to_vec());
        for (mut exchange, engaged) in [(resp2, false), (ReplyMatching::new(Protocol::Resp3, subscriptions), true)] {
            for words in [["subscribe", "ghost"], ["unsubscribe", "news"], ["message", "x"]] {
                let mut list = b"*2\r\n".to_vec();
                words.iter().for_each(|word| list.extend(format!("${}\r\n{word}\r\n", word.len()).bytes()));
                assert_eq!(exchange.classify(&list, expect("lrange", 4)), Belongs::Finally, "{words:?}");
                let result = [b"*1\r\n", &list[..]].concat();
                assert_eq!(exchange.classify(&result, expect("exec", 1)), Belongs::Finally, "{words:?}");
                assert_eq!(exchange.is_engaged(), engaged, "{words:?}");
            }
        }
    }

    #[test]
    fn a_subscription_that_the_server_ends_is_no_reply() {
        let withdrawal = b"*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n";
        for waiting in [None, expect("ping", 1), expect("ssubscribe", 2), expect("subscribe", 2)] {
            let mut exchange = ReplyMatching::new(Protocol::Resp2, Subscriptions::of_shard(b"a"));
            assert_eq!(exchange.classify(withdrawal, waiting), Belongs::Unasked, "{waiting:?}");
            assert!(!exchange.is_engaged());
        }
        let mut exchange = ReplyMatching::new(Protocol::Resp2, Subscriptions::of_shard(b"a"));
        assert_eq!(exchange.classify(withdrawal, expect("sunsubscribe", 2)), Belongs::Finally);
        assert_eq!(withdrawn(withdrawal), Some(&b"a"[..]));
    }

    #[test]
    fn confirmations_are_counted_over_all_connections() {
        let frames =
            b"*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:9\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n-ERR x\r\n";
        let told = recounted(frames, |shard| if shard { 1 } else { 0 });
        let expected =
            b"*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:10\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n-ERR x\r\n";
        assert_eq!(told.as_deref(), Some(&expected[..]));
    }

    #[test]
    fn hello_in_a_transaction_says_what_is_spoken_behind_it() {
        let subscriptions = Subscriptions::default();
        let mut exchange = ReplyMatching::new(Protocol::Resp3, subscriptions);
        assert_eq!(exchange.classify(QUEUED, expect("hello", 2)), Belongs::Finally);
        let reply = b"*1\r\n*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:2\r\n";
        assert_eq!(exchange.classify(reply, expect("exec", 1)), Belongs::Finally);
        assert_eq!(exchange.protocol, Protocol::Resp2);
    }

    #[test]
    fn hello_says_what_is_spoken() {
        let mut exchange = ReplyMatching::default();
        let message = b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n";
        assert_eq!(exchange.classify(b"%1\r\n$5\r\nproto\r\n:3\r\n", expect("hello", 2)), Belongs::Finally);
        let confirmation = b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n";
        assert_eq!(exchange.classify(confirmation, expect("subscribe", 2)), Belongs::Finally);
        assert_eq!(exchange.classify(message, expect("lrange", 4)), Belongs::Finally);
        assert_eq!(exchange.classify(b"*2\r\n$5\r\nproto\r\n:2\r\n", expect("hello", 2)), Belongs::Finally);
        assert_eq!(exchange.classify(message, expect("ping", 1)), Belongs::Unasked);
    }

    #[test]
    fn confirmations_of_resp3_are_answers_and_its_messages_are_not() {
        let mut exchange = ReplyMatching::new(Protocol::Resp3, Subscriptions::default());
        let subscribe = expect("subscribe", 2);
        assert_eq!(exchange.classify(b">3\r\n$7\r\nmessage\r\n$1\r\nz\r\n$1\r\nx\r\n", subscribe), Belongs::Unasked);
        assert_eq!(exchange.classify(b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", subscribe), Belongs::Finally);
        assert_eq!(
            exchange.classify(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n", expect("get", 2)),
            Belongs::Unasked
        );
        assert_eq!(exchange.classify(b"-NOPERM no\r\n", expect("subscribe", 4)), Belongs::Finally);
    }

    #[test]
    fn reset_forgets_and_exec_may_confirm() {
        let mut exchange = ReplyMatching::default();
        exchange.classify(b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", expect("subscribe", 2));
        assert!(exchange.is_engaged());
        assert_eq!(exchange.classify(b"+RESET\r\n", expect("reset", 1)), Belongs::Finally);
        assert!(!exchange.is_engaged());
        assert_eq!(exchange.classify(b"+QUEUED\r\n", expect("subscribe", 3)), Belongs::Finally);
        let reply = b"*2\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n";
        assert_eq!(exchange.classify(reply, expect("exec", 1)), Belongs::Finally);
        let unsubscribe = expect("unsubscribe", 1);
        assert_eq!(exchange.classify(b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n", unsubscribe), Belongs::InPart);
    }

    #[test]
    fn lines_of_monitor_answer_nobody() {
        let mut exchange = ReplyMatching::default();
        let line = b"+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n";
        assert_eq!(exchange.classify(b"+OK\r\n", expect("monitor", 1)), Belongs::Finally);
        assert_eq!(exchange.classify(line, expect("ping", 1)), Belongs::Unasked);
        assert_eq!(exchange.classify(b"+PONG\r\n", expect("ping", 1)), Belongs::Finally);
    }
}
