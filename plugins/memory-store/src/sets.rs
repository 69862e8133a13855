//! Sets. A set lies in the map as its members in the order in which they came.

use std::collections::BTreeSet;

use sluice_plugin::Reply;

use crate::args::integer;
use crate::encoding::{Draft, Held, Kind, of};
use crate::failure::Failure;
use crate::store::{self, Copied, Edit};
use crate::strings::length;
use crate::table::{Row, keyed, spanning};
use crate::{Call, Outcome, pick};

pub(crate) const ROWS: &[Row] = &[
    keyed("sadd", -3, sadd),
    keyed("srem", -3, srem),
    keyed("smembers", 2, |call| combine(call, union)),
    keyed("sismember", 3, |call| Ok(length(usize::from(among(call)?.contains(&true))))),
    keyed("smismember", -3, |call| Ok(Reply::array(among(call)?.into_iter().map(|is| length(usize::from(is)))))),
    keyed("scard", 2, scard),
    keyed("spop", -2, spop),
    keyed("srandmember", -2, srandmember),
    spanning("smove", 4, [1, 2, 1], smove),
    spanning("sinter", -2, [1, -1, 1], |call| combine(call, intersection)),
    spanning("sunion", -2, [1, -1, 1], |call| combine(call, union)),
    spanning("sdiff", -2, [1, -1, 1], |call| combine(call, difference)),
    spanning("sinterstore", -3, [1, -1, 1], |call| combine_into(call, intersection)),
    spanning("sunionstore", -3, [1, -1, 1], |call| combine_into(call, union)),
    spanning("sdiffstore", -3, [1, -1, 1], |call| combine_into(call, difference)),
];

/// The set with some members more, and how many of them are new.
fn with(held: Option<Held<'_>>, members: &[&[u8]]) -> (Draft, usize) {
    let mut new: BTreeSet<&[u8]> = members.iter().copied().collect();
    for member in held.iter().flat_map(Held::items) {
        new.remove(member);
    }
    let added = new.len();
    let mut draft = held.map_or_else(|| Draft::empty(Kind::Set), |held| held.draft());
    members.iter().filter(|member| new.remove(*member)).for_each(|member| draft.push(member));
    (draft, added)
}

/// The set without some members.
fn without(held: Held<'_>, members: &[&[u8]]) -> Draft {
    let unwanted: BTreeSet<&[u8]> = members.iter().copied().collect();
    let mut draft = Draft::like(Some(held), Kind::Set);
    held.items().filter(|member| !unwanted.contains(member)).for_each(|member| draft.push(member));
    draft
}

fn sadd(call: &mut Call<'_>) -> Outcome {
    let members = call.rest(2);
    store::update(call.arg(1), |held| {
        let (draft, added) = with(of(held, Kind::Set)?, members);
        Ok((if added == 0 { Edit::Keep } else { Edit::Put(draft) }, length(added)))
    })
}

fn srem(call: &mut Call<'_>) -> Outcome {
    let members = call.rest(2);
    store::update(call.arg(1), |held| {
        let Some(held) = of(held, Kind::Set)? else { return Ok((Edit::Keep, length(0))) };
        let draft = without(held, members);
        let removed = held.count - draft.count();
        Ok((if removed == 0 { Edit::Keep } else { Edit::Put(draft) }, length(removed)))
    })
}

/// Which of the arguments are members.
fn among(call: &Call<'_>) -> Result<Vec<bool>, Failure> {
    store::read(call.arg(1), |held| {
        let wanted: BTreeSet<&[u8]> = call.rest(2).iter().copied().collect();
        let held = of(held, Kind::Set)?;
        let found: BTreeSet<&[u8]> =
            held.iter().flat_map(Held::items).filter(|member| wanted.contains(member)).collect();
        Ok(call.rest(2).iter().map(|member| found.contains(member)).collect())
    })
}

fn scard(call: &mut Call<'_>) -> Outcome {
    store::read(call.arg(1), |held| Ok(length(of(held, Kind::Set)?.map_or(0, |held| held.count))))
}

fn spop(call: &mut Call<'_>) -> Outcome {
    let wanted = match call.rest(2) {
        [] => None,
        [_] => Some(call.count(2)?),
        _ => return Err(Failure::SYNTAX),
    };
    store::update(call.arg(1), |held| {
        let Some(held) = of(held, Kind::Set)? else {
            return Ok((Edit::Keep, wanted.map_or(Reply::Null, |_| Reply::Set(Vec::new()))));
        };
        let chosen = pick::some(wanted.unwrap_or(1).min(held.count), held.count);
        let mut left = Draft::like(Some(held), Kind::Set);
        let mut popped = Vec::new();
        for (at, member) in held.items().enumerate() {
            if chosen.contains(&at) {
                popped.push(Reply::bulk(member.to_vec()));
            } else {
                left.push(member);
            }
        }
        let edit = if popped.is_empty() { Edit::Keep } else { Edit::Put(left) };
        Ok((edit, if wanted.is_some() { Reply::Set(popped) } else { popped.pop().unwrap_or(Reply::Null) }))
    })
}

fn srandmember(call: &mut Call<'_>) -> Outcome {
    let wanted = match call.rest(2) {
        [] => None,
        [text] => Some(integer(text).ok_or(Failure::NOT_AN_INTEGER)?),
        _ => return Err(Failure::SYNTAX),
    };
    if wanted == Some(i64::MIN) {
        return Err(Failure::OUT_OF_LONG);
    }
    store::read(call.arg(1), |held| {
        let Some(held) = of(held, Kind::Set)? else {
            return Ok(wanted.map_or(Reply::Null, |_| Reply::Array(Vec::new())));
        };
        let members: Vec<&[u8]> = held.items().collect();
        let member = |at: usize| Reply::maybe(members.get(at).map(|member| member.to_vec()));
        Ok(match wanted {
            None => member(pick::one(members.len())),
            // Different ones; all of them where more are wanted than there are.
            Some(count @ 0..) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX).min(members.len());
                Reply::array(pick::some(count, members.len()).into_iter().map(member))
            }
            // As many as are wanted, one as good as another.
            Some(count) => {
                let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
                let mut chosen = Vec::new();
                chosen.try_reserve_exact(count).map_err(|_| Failure::FULL)?;
                chosen.extend((0..count).map(|_| member(pick::one(members.len()))));
                Reply::Array(chosen)
            }
        })
    })
}

fn smove(call: &mut Call<'_>) -> Outcome {
    let (from, to, member) = (call.arg(1), call.arg(2), [call.arg(3)]);
    let is_member = store::read(from, |held| match held {
        Some(held) => {
            held.of(Kind::Set)?;
            store::read(to, |held| of(held, Kind::Set).map(drop))?;
            Ok::<_, Failure>(held.items().any(|other| other == member[0]))
        }
        None => Ok(false),
    })?;
    if !is_member {
        return Ok(Reply::Integer(0));
    }
    if from != to {
        // In this order, the member is in both sets for a moment, never in none.
        store::update(to, |held| Ok((Edit::Put(with(of(held, Kind::Set)?, &member).0), ())))?;
        store::update(from, |held| match of(held, Kind::Set)? {
            Some(held) => Ok((Edit::Put(without(held, &member)), ())),
            None => Ok((Edit::Keep, ())),
        })?;
    }
    Ok(Reply::Integer(1))
}

/// Makes one set of several.
type Combine = for<'s> fn(&[Option<Held<'s>>]) -> Vec<&'s [u8]>;

fn members<'s>(held: &Option<Held<'s>>) -> impl Iterator<Item = &'s [u8]> + use<'s> {
    (*held).into_iter().flat_map(|held| held.items())
}

fn union<'s>(sets: &[Option<Held<'s>>]) -> Vec<&'s [u8]> {
    let mut seen = BTreeSet::new();
    sets.iter().flat_map(members).filter(|member| seen.insert(*member)).collect()
}

fn intersection<'s>(sets: &[Option<Held<'s>>]) -> Vec<&'s [u8]> {
    let Some((first, others)) = sets.split_first() else { return Vec::new() };
    let others: Vec<BTreeSet<_>> = others.iter().map(|set| members(set).collect()).collect();
    members(first).filter(|member| others.iter().all(|other| other.contains(member))).collect()
}

fn difference<'s>(sets: &[Option<Held<'s>>]) -> Vec<&'s [u8]> {
    let Some((first, others)) = sets.split_first() else { return Vec::new() };
    let unwanted: BTreeSet<_> = others.iter().flat_map(members).collect();
    members(first).filter(|member| !unwanted.contains(member)).collect()
}

/// Read the sets with these keys, and do something with what they make together.
fn combined<R>(keys: &[&[u8]], combine: Combine, then: impl FnOnce(Vec<&[u8]>) -> R) -> Result<R, Failure> {
    let copied: Vec<Option<Copied>> = keys.iter().map(|key| store::get(key)).collect();
    let held = copied.iter().map(|copied| of(copied.as_ref().and_then(Copied::held), Kind::Set));
    Ok(then(combine(&held.collect::<Result<Vec<_>, _>>()?)))
}

fn combine(call: &Call<'_>, combine: Combine) -> Outcome {
    combined(call.rest(1), combine, |members| {
        Reply::Set(members.into_iter().map(|member| Reply::bulk(member.to_vec())).collect())
    })
}

fn combine_into(call: &Call<'_>, combine: Combine) -> Outcome {
    let draft = combined(call.rest(2), combine, |members| Draft::of(Kind::Set, members))?;
    let count = draft.count();
    store::put(call.arg(1), draft)?;
    Ok(length(count))
}
