//! Lists.

use sluice_plugin::Reply;

use crate::args::{self, integer, is};
use crate::encoding::{Draft, Held, Kind, of};
use crate::failure::Failure;
use crate::segments::{self, End};
use crate::store::{self, Edit};
use crate::strings::length;
use crate::table::{Row, keyed, spanning};
use crate::{Call, Outcome};

pub(crate) const ROWS: &[Row] = &[
    keyed("lpush", -3, |call| push(call, End::Left, false)),
    keyed("rpush", -3, |call| push(call, End::Right, false)),
    keyed("lpushx", -3, |call| push(call, End::Left, true)),
    keyed("rpushx", -3, |call| push(call, End::Right, true)),
    keyed("lpop", -2, |call| pop(call, End::Left)),
    keyed("rpop", -2, |call| pop(call, End::Right)),
    keyed("llen", 2, llen),
    keyed("lrange", 4, lrange),
    keyed("lindex", 3, lindex),
    keyed("lset", 4, lset),
    keyed("lrem", 4, lrem),
    keyed("ltrim", 4, ltrim),
    keyed("linsert", 5, linsert),
    keyed("lpos", -3, lpos),
    spanning("rpoplpush", 3, [1, 2, 1], |call| shift(call, End::Right, End::Left)),
    spanning("lmove", 5, [1, 2, 1], |call| shift(call, end(call.arg(3))?, end(call.arg(4))?)),
];

/// The end of a list that a word names.
fn end(word: &[u8]) -> Result<End, Failure> {
    match word {
        word if is(word, "LEFT") => Ok(End::Left),
        word if is(word, "RIGHT") => Ok(End::Right),
        _ => Err(Failure::SYNTAX),
    }
}

/// Push elements to a list, one after the other; says how long it is then.
fn push_to(key: &[u8], elements: &[&[u8]], end: End, only_if_present: bool) -> Result<usize, Failure> {
    if let Some(count) = segments::push(key, elements, end)? {
        return Ok(count);
    }
    store::update(key, |held| {
        let held = of(held, Kind::List)?;
        if only_if_present && held.is_none() {
            return Ok((Edit::Keep, 0));
        }
        let mut draft = held.map(|held| held.draft()).unwrap_or_default();
        draft.extend(elements, end);
        let count = draft.count();
        Ok((Edit::Put(draft), count))
    })
}

/// Pop up to so many elements from a list. `None`: there is no such key.
fn pop_from(key: &[u8], count: usize, end: End) -> Result<Option<Vec<Vec<u8>>>, Failure> {
    if let Some(popped) = segments::pop(key, count, end)? {
        return Ok(Some(popped));
    }
    store::update(key, |held| {
        let Some(held) = of(held, Kind::List)? else { return Ok((Edit::Keep, None)) };
        let mut draft = held.draft();
        let popped = draft.take(count, end);
        Ok((if popped.is_empty() { Edit::Keep } else { Edit::Put(draft) }, Some(popped)))
    })
}

fn push(call: &Call<'_>, end: End, only_if_present: bool) -> Outcome {
    push_to(call.arg(1), call.rest(2), end, only_if_present).map(length)
}

fn pop(call: &Call<'_>, end: End) -> Outcome {
    let wanted = match call.rest(2) {
        [] => None,
        [_] => Some(call.count(2)?),
        _ => return Err(Failure::arity(call.row.name)),
    };
    let mut popped = pop_from(call.arg(1), wanted.unwrap_or(1), end)?.map(|popped| popped.into_iter().map(Reply::bulk));
    Ok(match (wanted, &mut popped) {
        (None, popped) => popped.iter_mut().flatten().next().unwrap_or(Reply::Null),
        (Some(_), Some(popped)) => Reply::array(popped),
        (Some(_), None) => Reply::NullArray,
    })
}

fn llen(call: &mut Call<'_>) -> Outcome {
    store::peek(call.arg(1), |held| Ok(length(of(held, Kind::List)?.map_or(0, |held| held.count))))
}

fn lrange(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.integer(2)?, call.integer(3)?);
    let found = segments::range(call.arg(1), |count| Ok(args::range(start, end, count)))?.unwrap_or_default();
    Ok(Reply::array(found.items().map(|element| Reply::bulk(element.to_vec()))))
}

fn lindex(call: &mut Call<'_>) -> Outcome {
    let found = segments::range(call.arg(1), |count| {
        let at = args::index(call.integer(2)?, count);
        Ok(at.map_or(0..0, |at| at..at + 1))
    })?;
    Ok(Reply::maybe(found.unwrap_or_default().items().next().map(<[u8]>::to_vec)))
}

fn lset(call: &mut Call<'_>) -> Outcome {
    let (index, element) = (call.arg(2), call.arg(3));
    store::update(call.arg(1), |held| {
        let held = held.ok_or(Failure::NO_SUCH_KEY)?.of(Kind::List)?;
        let index = integer(index).ok_or(Failure::NOT_AN_INTEGER)?;
        let at = args::index(index, held.count).ok_or(Failure::BAD_INDEX)?;
        let mut elements: Vec<&[u8]> = held.items().collect();
        if let Some(place) = elements.get_mut(at) {
            *place = element;
        }
        Ok((Edit::Put(list(held, elements)), Reply::OK))
    })
}

/// The list with other elements.
fn list<'e>(held: Held<'_>, elements: impl IntoIterator<Item = &'e [u8]>) -> Draft {
    let mut draft = Draft::like(Some(held), Kind::List);
    elements.into_iter().for_each(|element| draft.push(element));
    draft
}

fn lrem(call: &mut Call<'_>) -> Outcome {
    let (count, unwanted) = (call.integer(2)?, call.arg(3));
    let most = if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
    store::update(call.arg(1), |held| {
        let Some(held) = of(held, Kind::List)? else { return Ok((Edit::Keep, length(0))) };
        let found = held.items().filter(|element| *element == unwanted).count();
        let removed = found.min(most);
        // From the end: those before the last so many stay.
        let first = if count < 0 { found - removed } else { 0 };
        let mut seen = 0;
        let kept = held.items().filter(|element| {
            let is_one = *element == unwanted;
            seen += usize::from(is_one);
            !(is_one && (first + 1..=first + removed).contains(&seen))
        });
        let draft = list(held, kept);
        Ok((if removed == 0 { Edit::Keep } else { Edit::Put(draft) }, length(removed)))
    })
}

fn ltrim(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.integer(2)?, call.integer(3)?);
    store::update(call.arg(1), |held| {
        let Some(held) = of(held, Kind::List)? else { return Ok((Edit::Keep, Reply::OK)) };
        let range = args::range(start, end, held.count);
        if range.len() == held.count {
            return Ok((Edit::Keep, Reply::OK));
        }
        Ok((Edit::Put(list(held, held.items().skip(range.start).take(range.len()))), Reply::OK))
    })
}

fn linsert(call: &mut Call<'_>) -> Outcome {
    let behind = match call.arg(2) {
        word if is(word, "BEFORE") => 0,
        word if is(word, "AFTER") => 1,
        _ => return Err(Failure::SYNTAX),
    };
    let (pivot, element) = (call.arg(3), call.arg(4));
    store::update(call.arg(1), |held| {
        let Some(held) = of(held, Kind::List)? else { return Ok((Edit::Keep, length(0))) };
        let Some(at) = held.items().position(|other| other == pivot) else {
            return Ok((Edit::Keep, Reply::Integer(-1)));
        };
        let mut elements: Vec<&[u8]> = held.items().collect();
        elements.insert(at + behind, element);
        let count = elements.len();
        Ok((Edit::Put(list(held, elements)), length(count)))
    })
}

fn lpos(call: &mut Call<'_>) -> Outcome {
    let (mut rank, mut wanted, mut most) = (1, None, 0);
    let (pairs, odd) = call.rest(3).as_chunks::<2>();
    for [name, value] in pairs {
        if is(name, "RANK") {
            rank = integer(value).ok_or(Failure::NOT_AN_INTEGER)?;
            match rank {
                0 => return Err(Failure::ZERO_RANK),
                i64::MIN => return Err(Failure::OUT_OF_LONG),
                _ => {}
            }
        } else if is(name, "COUNT") {
            wanted = Some(args::count(value).ok_or(Failure::NEGATIVE_COUNT)?);
        } else if is(name, "MAXLEN") {
            most = args::count(value).ok_or(Failure::NEGATIVE_MAXLEN)?;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    if !odd.is_empty() {
        return Err(Failure::SYNTAX);
    }
    let unlimited = |count: usize| if count == 0 { usize::MAX } else { count };
    store::read(call.arg(1), |held| {
        let held = of(held, Kind::List)?;
        let elements: Vec<&[u8]> = held.iter().flat_map(Held::items).collect();
        let last = elements.len().saturating_sub(1);
        let compared = (0..elements.len()).take(unlimited(most));
        let positions = compared.map(|at| if rank < 0 { last - at } else { at });
        let mut found = positions
            .filter(|at| elements.get(*at).is_some_and(|element| *element == call.arg(2)))
            .skip(usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX))
            .map(length);
        Ok(match wanted {
            Some(count) => Reply::array(found.take(unlimited(count))),
            None => found.next().unwrap_or(Reply::Null),
        })
    })
}

/// Move an element from one of the ends of a list to one of its ends. `None`: there is no such key.
fn rotate(key: &[u8], out: End, into: End) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(element) = segments::rotate(key, out, into)? {
        return Ok(Some(element));
    }
    store::update(key, |held| {
        let Some(held) = of(held, Kind::List)? else { return Ok((Edit::Keep, None)) };
        let mut draft = held.draft();
        let popped = draft.take(1, out);
        popped.iter().for_each(|element| draft.extend(&[element], into));
        Ok((Edit::Put(draft), popped.into_iter().next()))
    })
}

/// Move an element from an end of one list to an end of another, which may be the same.
fn shift(call: &Call<'_>, out: End, into: End) -> Outcome {
    let (from, to) = (call.arg(1), call.arg(2));
    let list = |key| store::peek(key, |held| of(held, Kind::List).map(|held| held.is_some()));
    if !list(from)? {
        return Ok(Reply::Null);
    }
    if from == to {
        return rotate(from, out, into).map(Reply::maybe);
    }
    list(to)?;
    // For a moment, the element is in neither list; it comes back where it cannot be pushed.
    let popped = pop_from(from, 1, out)?.unwrap_or_default();
    let Some(element) = popped.into_iter().next() else { return Ok(Reply::Null) };
    if let Err(failure) = push_to(to, &[&element], into, false) {
        push_to(from, &[&element], out, false)?;
        return Err(failure);
    }
    Ok(Reply::bulk(element))
}
