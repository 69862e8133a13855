//! Times to live. A deadline is kept with the value, in milliseconds since 1970-01-01 UTC.

use sluice_plugin::Reply;

use crate::args::{integer, is};
use crate::encoding::now;
use crate::failure::Failure;
use crate::store::{self, Edit};
use crate::table::{Row, keyed};
use crate::{Call, Outcome};

pub(crate) const ROWS: &[Row] = &[
    keyed("expire", -3, |call| expire(call, Time::Seconds)),
    keyed("pexpire", -3, |call| expire(call, Time::Milliseconds)),
    keyed("expireat", -3, |call| expire(call, Time::UnixSeconds)),
    keyed("pexpireat", -3, |call| expire(call, Time::UnixMilliseconds)),
    keyed("ttl", 2, |call| Ok(left(call, |at| seconds(at.saturating_sub(now()))))),
    keyed("pttl", 2, |call| Ok(left(call, |at| at.saturating_sub(now())))),
    keyed("expiretime", 2, |call| Ok(left(call, seconds))),
    keyed("pexpiretime", 2, |call| Ok(left(call, |at| at))),
    keyed("persist", 2, persist),
];

/// What an argument that is a time counts, and from when.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Time {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

const OPTIONS: [(&str, Time); 4] =
    [("EX", Time::Seconds), ("PX", Time::Milliseconds), ("EXAT", Time::UnixSeconds), ("PXAT", Time::UnixMilliseconds)];

impl Time {
    /// The option of `SET` and `GETEX` that this word is.
    pub(crate) fn option(word: &[u8]) -> Option<Self> {
        OPTIONS.iter().find(|(name, _)| is(word, name)).map(|(_, time)| *time)
    }

    /// The deadline that an argument gives, in milliseconds since 1970-01-01 UTC; negative ones are times before.
    fn deadline(self, text: &[u8], command: &str) -> Result<i64, Failure> {
        let value = integer(text).ok_or(Failure::NOT_AN_INTEGER)?;
        let scale = if matches!(self, Time::Seconds | Time::UnixSeconds) { 1000 } else { 1 };
        let from = if matches!(self, Time::Seconds | Time::Milliseconds) {
            i64::try_from(now()).unwrap_or(i64::MAX)
        } else {
            0
        };
        value.checked_mul(scale).and_then(|value| value.checked_add(from)).ok_or_else(|| Failure::expire_time(command))
    }

    /// The same, of an argument that has to be positive.
    pub(crate) fn positive(self, text: &[u8], command: &str) -> Result<u64, Failure> {
        if integer(text).is_some_and(|value| value <= 0) {
            return Err(Failure::expire_time(command));
        }
        u64::try_from(self.deadline(text, command)?).map_err(|_| Failure::expire_time(command))
    }
}

/// When a deadline may be set.
#[derive(Default)]
struct Conditions {
    if_none: bool,
    if_any: bool,
    if_later: bool,
    if_sooner: bool,
}

impl Conditions {
    fn parse(words: &[&[u8]]) -> Result<Self, Failure> {
        let mut conditions = Conditions::default();
        for word in words {
            let known = [
                ("NX", &mut conditions.if_none),
                ("XX", &mut conditions.if_any),
                ("GT", &mut conditions.if_later),
                ("LT", &mut conditions.if_sooner),
            ];
            match known.into_iter().find(|(name, _)| is(word, name)) {
                Some((_, condition)) => *condition = true,
                None => return Err(Failure::repeating("ERR Unsupported option ", word, "")),
            }
        }
        let Conditions { if_none, if_any, if_later, if_sooner } = conditions;
        if if_none && (if_any || if_later || if_sooner) {
            return Err(Failure::NX_WITH_OTHERS);
        }
        if if_later && if_sooner {
            return Err(Failure::GT_WITH_LT);
        }
        Ok(conditions)
    }

    /// Whether a key that expires at `old` may expire at `new` instead. No deadline is later than any.
    fn hold(&self, old: Option<u64>, new: i64) -> bool {
        let old = old.map(|old| i64::try_from(old).unwrap_or(i64::MAX));
        !(self.if_none && old.is_some()
            || self.if_any && old.is_none()
            || self.if_later && old.is_none_or(|old| new <= old)
            || self.if_sooner && old.is_some_and(|old| new >= old))
    }
}

fn expire(call: &mut Call<'_>, time: Time) -> Outcome {
    let conditions = Conditions::parse(call.rest(3))?;
    let at = time.deadline(call.arg(2), call.row.name)?;
    store::update(call.arg(1), |held| {
        let Some(held) = held.filter(|held| conditions.hold(held.deadline, at)) else {
            return Ok((Edit::Keep, Reply::Integer(0)));
        };
        // A deadline that has passed removes the key, which the store does.
        let mut draft = held.draft();
        draft.deadline = Some(u64::try_from(at).unwrap_or(0));
        Ok((Edit::Put(draft), Reply::Integer(1)))
    })
}

fn persist(call: &mut Call<'_>) -> Outcome {
    store::update(call.arg(1), |held| match held {
        Some(held) if held.deadline.is_some() => {
            let mut draft = held.draft();
            draft.deadline = None;
            Ok((Edit::Put(draft), Reply::Integer(1)))
        }
        _ => Ok((Edit::Keep, Reply::Integer(0))),
    })
}

/// What to say of a deadline; -1 where there is none, -2 where there is no such key.
fn left(call: &Call<'_>, say: impl Fn(u64) -> u64) -> Reply<'static> {
    store::peek(call.arg(1), |held| {
        Reply::Integer(match held {
            None => -2,
            Some(held) => held.deadline.map_or(-1, |at| i64::try_from(say(at)).unwrap_or(i64::MAX)),
        })
    })
}

/// Rounded to the nearest second, as the server does.
fn seconds(milliseconds: u64) -> u64 {
    milliseconds.saturating_add(500) / 1000
}
