//! Strings.

use sluice_plugin::Reply;

use crate::args::{self, is};
use crate::encoding::{Draft, Kind, of};
use crate::expiry::Time;
use crate::failure::Failure;
use crate::store::{self, Edit};
use crate::table::{Row, keyed, spanning};
use crate::{Call, Outcome};

pub(crate) const ROWS: &[Row] = &[
    keyed("get", 2, get),
    keyed("set", -3, set),
    keyed("setnx", 3, setnx),
    keyed("setex", 4, setex),
    keyed("psetex", 4, setex),
    keyed("getset", 3, getset),
    keyed("getdel", 2, getdel),
    keyed("getex", -2, getex),
    keyed("append", 3, append),
    keyed("strlen", 2, strlen),
    keyed("getrange", 4, getrange),
    keyed("substr", 4, getrange),
    keyed("setrange", 4, setrange),
    spanning("mget", -2, [1, -1, 1], mget),
    spanning("mset", -3, [1, -1, 2], mset),
    spanning("msetnx", -3, [1, -1, 2], msetnx),
];

/// The longest string, in bytes.
const LONGEST: usize = 512 << 20;

fn get(call: &mut Call<'_>) -> Outcome {
    let Some(copied) = store::get(call.arg(1)) else { return Ok(Reply::Null) };
    of(copied.held(), Kind::String)?;
    Ok(Reply::maybe(copied.into_payload()))
}

/// The options of `SET` and `GETEX`.
#[derive(Default)]
struct Options<'a> {
    condition: Option<Condition>,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    expire: Option<(Time, &'a [u8])>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    IfAbsent,
    IfPresent,
}

impl<'a> Options<'a> {
    fn parse(words: &'a [&'a [u8]], of_set: bool) -> Result<Self, Failure> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            // At most one of those that say what becomes of the time to live.
            let undecided = !options.keep_ttl && !options.persist && options.expire.is_none();
            if of_set && is(word, "NX") && options.condition != Some(Condition::IfPresent) {
                options.condition = Some(Condition::IfAbsent);
            } else if of_set && is(word, "XX") && options.condition != Some(Condition::IfAbsent) {
                options.condition = Some(Condition::IfPresent);
            } else if of_set && is(word, "GET") {
                options.get = true;
            } else if of_set && is(word, "KEEPTTL") && !options.persist && options.expire.is_none() {
                options.keep_ttl = true;
            } else if !of_set && is(word, "PERSIST") && !options.keep_ttl && options.expire.is_none() {
                options.persist = true;
            } else if let (Some(time), true) = (Time::option(word), undecided) {
                options.expire = Some((time, words.next().ok_or(Failure::SYNTAX)?));
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(options)
    }

    /// When the value is to expire, where the options say so.
    fn deadline(&self, command: &str) -> Result<Option<u64>, Failure> {
        self.expire.map(|(time, text)| time.positive(text, command)).transpose()
    }
}

fn set(call: &mut Call<'_>) -> Outcome {
    let options = Options::parse(call.rest(3), true)?;
    let at = options.deadline(call.row.name)?;
    let (key, value) = (call.arg(1), call.arg(2));
    if options.condition.is_none() && !options.get && !options.keep_ttl {
        store::put(key, Draft::string(value, at))?;
        return Ok(Reply::OK);
    }
    store::update(key, |held| {
        let old = match (options.get, held) {
            (true, Some(held)) => Reply::bulk(held.of(Kind::String)?.payload.to_vec()),
            _ => Reply::Null,
        };
        let wanted = match options.condition {
            Some(Condition::IfAbsent) => held.is_none(),
            Some(Condition::IfPresent) => held.is_some(),
            None => true,
        };
        if !wanted {
            return Ok((Edit::Keep, old));
        }
        let kept = held.filter(|_| options.keep_ttl).and_then(|held| held.deadline);
        let reply = if options.get { old } else { Reply::OK };
        Ok((Edit::Put(Draft::string(value, at.or(kept))), reply))
    })
}

fn setnx(call: &mut Call<'_>) -> Outcome {
    let value = call.arg(2);
    store::update(call.arg(1), |held| match held {
        Some(_) => Ok((Edit::Keep, Reply::Integer(0))),
        None => Ok((Edit::Put(Draft::string(value, None)), Reply::Integer(1))),
    })
}

fn setex(call: &mut Call<'_>) -> Outcome {
    let time = if call.row.name == "setex" { Time::Seconds } else { Time::Milliseconds };
    let at = time.positive(call.arg(2), call.row.name)?;
    store::put(call.arg(1), Draft::string(call.arg(3), Some(at)))?;
    Ok(Reply::OK)
}

fn getset(call: &mut Call<'_>) -> Outcome {
    let value = call.arg(2);
    store::update(call.arg(1), |held| {
        let old = of(held, Kind::String)?.map(|held| held.payload.to_vec());
        Ok((Edit::Put(Draft::string(value, None)), Reply::maybe(old)))
    })
}

fn getdel(call: &mut Call<'_>) -> Outcome {
    store::update(call.arg(1), |held| {
        let old = of(held, Kind::String)?.map(|held| held.payload.to_vec());
        Ok((Edit::Remove, Reply::maybe(old)))
    })
}

fn getex(call: &mut Call<'_>) -> Outcome {
    let options = Options::parse(call.rest(2), false)?;
    let command = call.row.name;
    store::update(call.arg(1), |held| {
        let Some(held) = of(held, Kind::String)? else { return Ok((Edit::Keep, Reply::Null)) };
        let mut draft = held.draft();
        draft.deadline = match options.deadline(command)? {
            Some(at) => Some(at),
            None if options.persist => None,
            None => held.deadline,
        };
        let edit = if draft.deadline == held.deadline { Edit::Keep } else { Edit::Put(draft) };
        Ok((edit, Reply::bulk(held.payload.to_vec())))
    })
}

fn append(call: &mut Call<'_>) -> Outcome {
    let more = call.arg(2);
    store::update(call.arg(1), |held| {
        let held = of(held, Kind::String)?;
        let old = held.map_or(&[][..], |held| held.payload);
        if old.len().saturating_add(more.len()) > LONGEST {
            return Err(Failure::TOO_LONG);
        }
        let new = [old, more].concat();
        let reply = length(new.len());
        Ok((Edit::Put(Draft::string(new, held.and_then(|held| held.deadline))), reply))
    })
}

fn strlen(call: &mut Call<'_>) -> Outcome {
    store::read(call.arg(1), |held| Ok(length(of(held, Kind::String)?.map_or(0, |held| held.payload.len()))))
}

fn getrange(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.integer(2)?, call.integer(3)?);
    store::read(call.arg(1), |held| {
        let text = of(held, Kind::String)?.map_or(&[][..], |held| held.payload);
        // The server takes an end before the first byte for the first byte, unless the start lies behind it.
        let end = if start < 0 && end < 0 && start > end { return Ok(Reply::bulk("")) } else { end };
        let end = end.max(-i64::try_from(text.len()).unwrap_or(i64::MAX));
        Ok(Reply::bulk(text.get(args::range(start, end, text.len())).unwrap_or_default().to_vec()))
    })
}

fn setrange(call: &mut Call<'_>) -> Outcome {
    let offset = usize::try_from(call.integer(2)?).map_err(|_| Failure::BAD_OFFSET)?;
    let part = call.arg(3);
    store::update(call.arg(1), |held| {
        let held = of(held, Kind::String)?;
        let old = held.map_or(&[][..], |held| held.payload);
        if part.is_empty() {
            return Ok((Edit::Keep, length(old.len())));
        }
        let end = offset.checked_add(part.len()).filter(|end| *end <= LONGEST).ok_or(Failure::TOO_LONG)?;
        let mut new = Vec::new();
        // A few bytes of a request may ask for much memory: more than there is must not cost the instance its life.
        new.try_reserve_exact(end.max(old.len()) + TAG).map_err(|_| Failure::FULL)?;
        new.extend_from_slice(old);
        new.resize(end.max(old.len()), 0);
        if let Some(place) = new.get_mut(offset..end) {
            place.copy_from_slice(part);
        }
        let reply = length(new.len());
        Ok((Edit::Put(Draft::string(new, held.and_then(|held| held.deadline))), reply))
    })
}

/// What the encoding puts behind a string at most, in bytes.
const TAG: usize = 9;

fn mget(call: &mut Call<'_>) -> Outcome {
    let values = call.rest(1).iter().map(|key| match store::get(key) {
        Some(copied) if of(copied.held(), Kind::String).is_ok() => Reply::maybe(copied.into_payload()),
        _ => Reply::Null,
    });
    Ok(Reply::array(values))
}

fn mset(call: &mut Call<'_>) -> Outcome {
    let (pairs, odd) = call.rest(1).as_chunks::<2>();
    if !odd.is_empty() {
        return Err(Failure::arity(call.row.name));
    }
    put_all(pairs)?;
    Ok(Reply::OK)
}

/// Each key at once, but not all together.
fn put_all(pairs: &[[&[u8]; 2]]) -> Result<(), Failure> {
    pairs.iter().try_for_each(|[key, value]| store::put(key, Draft::string(*value, None)))
}

fn msetnx(call: &mut Call<'_>) -> Outcome {
    let (pairs, odd) = call.rest(1).as_chunks::<2>();
    if !odd.is_empty() {
        return Err(Failure::arity(call.row.name));
    }
    if pairs.iter().any(|[key, _]| store::exists(key)) {
        return Ok(Reply::Integer(0));
    }
    put_all(pairs)?;
    Ok(Reply::Integer(1))
}

/// A length or count as a reply.
pub(crate) fn length(len: usize) -> Reply<'static> {
    Reply::Integer(i64::try_from(len).unwrap_or(i64::MAX))
}
