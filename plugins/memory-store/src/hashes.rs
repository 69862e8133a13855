//! Hashes. A hash lies in the map as its fields and values in the order in which they came.

use std::collections::{BTreeMap, BTreeSet};

use sluice_plugin::Reply;

use crate::args::integer;
use crate::decimal::{self, Number};
use crate::encoding::{Draft, Held, Kind, of};
use crate::failure::Failure;
use crate::store::{self, Edit};
use crate::strings::length;
use crate::table::{Row, keyed};
use crate::{Call, Outcome};

pub(crate) const ROWS: &[Row] = &[
    keyed("hset", -4, hset),
    keyed("hmset", -4, hset),
    keyed("hsetnx", 4, hsetnx),
    keyed("hget", 3, |call| find(call, |value| Reply::maybe(value.map(<[u8]>::to_vec)))),
    keyed("hexists", 3, |call| find(call, |value| length(usize::from(value.is_some())))),
    keyed("hstrlen", 3, |call| find(call, |value| length(value.map_or(0, <[u8]>::len)))),
    keyed("hmget", -3, hmget),
    keyed("hgetall", 2, hgetall),
    keyed("hkeys", 2, |call| list(call, |(field, _)| field)),
    keyed("hvals", 2, |call| list(call, |(_, value)| value)),
    keyed("hlen", 2, hlen),
    keyed("hdel", -3, hdel),
    keyed("hincrby", 4, hincrby),
    keyed("hincrbyfloat", 4, hincrbyfloat),
];

fn value<'a>(held: &Held<'a>, field: &[u8]) -> Option<&'a [u8]> {
    held.pairs().find(|(other, _)| *other == field).map(|(_, value)| value)
}

/// The hash with some fields set, and how many of them are new.
fn with(held: Option<Held<'_>>, pairs: &[[&[u8]; 2]]) -> (Draft, usize) {
    // Of several values for one field, the last one counts; the field's place is that of the first.
    let mut last: BTreeMap<&[u8], &[u8]> = pairs.iter().map(|[field, value]| (*field, *value)).collect();
    let mut draft = Draft::like(held, Kind::Hash);
    for (field, value) in held.iter().flat_map(Held::pairs) {
        draft.push(field);
        draft.push(last.remove(field).unwrap_or(value));
    }
    let added = last.len();
    for [field, _] in pairs {
        if let Some(value) = last.remove(field) {
            draft.push(field);
            draft.push(value);
        }
    }
    (draft, added)
}

fn hset(call: &mut Call<'_>) -> Outcome {
    let (pairs, odd) = call.rest(2).as_chunks::<2>();
    if !odd.is_empty() {
        return Err(Failure::arity(call.row.name));
    }
    let added = store::update(call.arg(1), |held| {
        let (draft, added) = with(of(held, Kind::Hash)?, pairs);
        Ok((Edit::Put(draft), added))
    })?;
    Ok(if call.row.name == "hmset" { Reply::OK } else { length(added) })
}

fn hsetnx(call: &mut Call<'_>) -> Outcome {
    let pair = [call.arg(2), call.arg(3)];
    store::update(call.arg(1), |held| {
        let held = of(held, Kind::Hash)?;
        if held.is_some_and(|held| value(&held, pair[0]).is_some()) {
            return Ok((Edit::Keep, Reply::Integer(0)));
        }
        Ok((Edit::Put(with(held, &[pair]).0), Reply::Integer(1)))
    })
}

/// What to say of the value of a field.
fn find(call: &Call<'_>, say: impl Fn(Option<&[u8]>) -> Reply<'static>) -> Outcome {
    store::read(call.arg(1), |held| Ok(say(of(held, Kind::Hash)?.and_then(|held| value(&held, call.arg(2))))))
}

fn hmget(call: &mut Call<'_>) -> Outcome {
    store::read(call.arg(1), |held| {
        let all: BTreeMap<_, _> = of(held, Kind::Hash)?.iter().flat_map(Held::pairs).collect();
        Ok(Reply::array(call.rest(2).iter().map(|field| Reply::maybe(all.get(field).map(|value| value.to_vec())))))
    })
}

fn hgetall(call: &mut Call<'_>) -> Outcome {
    store::read(call.arg(1), |held| {
        let copied = |(field, value): (&[u8], &[u8])| (Reply::bulk(field.to_vec()), Reply::bulk(value.to_vec()));
        Ok(Reply::Map(of(held, Kind::Hash)?.iter().flat_map(Held::pairs).map(copied).collect()))
    })
}

/// Which of a field and its value.
type Which = for<'p> fn((&'p [u8], &'p [u8])) -> &'p [u8];

fn list(call: &Call<'_>, which: Which) -> Outcome {
    store::read(call.arg(1), |held| {
        let copied = |pair| Reply::bulk(which(pair).to_vec());
        Ok(Reply::array(of(held, Kind::Hash)?.iter().flat_map(Held::pairs).map(copied)))
    })
}

fn hlen(call: &mut Call<'_>) -> Outcome {
    store::read(call.arg(1), |held| Ok(length(of(held, Kind::Hash)?.map_or(0, |held| held.count / 2))))
}

fn hdel(call: &mut Call<'_>) -> Outcome {
    let fields = call.rest(2);
    store::update(call.arg(1), |held| {
        let Some(held) = of(held, Kind::Hash)? else { return Ok((Edit::Keep, length(0))) };
        let unwanted: BTreeSet<_> = fields.iter().copied().collect();
        let mut draft = Draft::like(Some(held), Kind::Hash);
        for (field, value) in held.pairs().filter(|(field, _)| !unwanted.contains(field)) {
            draft.push(field);
            draft.push(value);
        }
        let removed = (held.count - draft.count()) / 2;
        Ok((if removed == 0 { Edit::Keep } else { Edit::Put(draft) }, length(removed)))
    })
}

fn hincrby(call: &mut Call<'_>) -> Outcome {
    let by = call.integer(3)?;
    let field = call.arg(2);
    store::update(call.arg(1), |held| {
        let held = of(held, Kind::Hash)?;
        let old = held.and_then(|held| value(&held, field));
        let old = old.map_or(Some(0), integer).ok_or(Failure::HASH_NOT_AN_INTEGER)?;
        let sum = old.checked_add(by).ok_or(Failure::OVERFLOW)?;
        Ok((Edit::Put(with(held, &[[field, sum.to_string().as_bytes()]]).0), Reply::Integer(sum)))
    })
}

fn hincrbyfloat(call: &mut Call<'_>) -> Outcome {
    let by = Number::parse(call.arg(3)).ok_or(Failure::NOT_A_FLOAT)?;
    if !by.is_finite() {
        return Err(Failure::NOT_A_FINITE_VALUE);
    }
    let field = call.arg(2);
    store::update(call.arg(1), |held| {
        let held = of(held, Kind::Hash)?;
        let old = held.and_then(|held| value(&held, field));
        let old = old.map_or(Some(Number::ZERO), Number::parse).ok_or(Failure::HASH_NOT_A_FLOAT)?;
        let sum = decimal::sum(&old, &by)?;
        Ok((Edit::Put(with(held, &[[field, sum.as_bytes()]]).0), Reply::bulk(sum)))
    })
}
