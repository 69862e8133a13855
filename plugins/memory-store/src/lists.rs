//! Lists.

use sluice_plugin::Reply;

use crate::args::{self, integer, is};
use crate::encoding::{Draft, Held, Kind, of};
use crate::failure::Failure;
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
    spanning("lmove", 5, [1, 2, 1], |call| shift(call, End::parse(call.arg(3))?, End::parse(call.arg(4))?)),
];

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Left,
    Right,
}

impl End {
    fn parse(word: &[u8]) -> Result<Self, Failure> {
        if is(word, "LEFT") {
            Ok(End::Left)
        } else if is(word, "RIGHT") {
            Ok(End::Right)
        } else {
            Err(Failure::SYNTAX)
        }
    }
}

/// The list with some elements more, pushed one after the other.
fn with(held: Option<Held<'_>>, elements: &[&[u8]], end: End) -> Draft {
    let mut draft = held.map_or_else(|| Draft::empty(Kind::List), |held| held.draft());
    match end {
        End::Left => draft.push_front(elements),
        End::Right => elements.iter().for_each(|element| draft.push(element)),
    }
    draft
}

/// Some elements from an end of the list, in the order in which they are popped, and the list without them.
fn without<'a>(held: Held<'a>, count: usize, end: End) -> (Vec<&'a [u8]>, Draft) {
    let count = count.min(held.count);
    let mut draft = Draft::like(Some(held), Kind::List);
    let mut items = held.items();
    match end {
        End::Left => {
            let popped = items.by_ref().take(count).collect();
            draft.append(items.rest(), held.count - count);
            (popped, draft)
        }
        End::Right => {
            items.skip_over(held.count - count);
            let kept = held.payload.len() - items.rest().len();
            draft.append(held.payload.get(..kept).unwrap_or_default(), held.count - count);
            let mut popped: Vec<_> = items.collect();
            popped.reverse();
            (popped, draft)
        }
    }
}

fn push(call: &Call<'_>, end: End, only_if_present: bool) -> Outcome {
    let elements = call.rest(2);
    store::update(call.arg(1), |held| {
        let held = of(held, Kind::List)?;
        if only_if_present && held.is_none() {
            return Ok((Edit::Keep, length(0)));
        }
        let draft = with(held, elements, end);
        let count = draft.count();
        Ok((Edit::Put(draft), length(count)))
    })
}

fn pop(call: &Call<'_>, end: End) -> Outcome {
    let wanted = match call.rest(2) {
        [] => None,
        [_] => Some(call.count(2)?),
        _ => return Err(Failure::arity(call.row.name)),
    };
    store::update(call.arg(1), |held| {
        let Some(held) = of(held, Kind::List)? else {
            return Ok((Edit::Keep, wanted.map_or(Reply::Null, |_| Reply::NullArray)));
        };
        let (popped, left) = without(held, wanted.unwrap_or(1), end);
        let edit = if popped.is_empty() { Edit::Keep } else { Edit::Put(left) };
        let mut popped = popped.into_iter().map(|element| Reply::bulk(element.to_vec()));
        Ok((edit, if wanted.is_some() { Reply::array(popped) } else { popped.next().unwrap_or(Reply::Null) }))
    })
}

fn llen(call: &mut Call<'_>) -> Outcome {
    store::read(call.arg(1), |held| Ok(length(of(held, Kind::List)?.map_or(0, |held| held.count))))
}

fn lrange(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.integer(2)?, call.integer(3)?);
    store::read(call.arg(1), |held| {
        let Some(held) = of(held, Kind::List)? else { return Ok(Reply::Array(Vec::new())) };
        let range = args::range(start, end, held.count);
        let mut items = held.items();
        items.skip_over(range.start);
        Ok(Reply::array(items.take(range.len()).map(|element| Reply::bulk(element.to_vec()))))
    })
}

fn lindex(call: &mut Call<'_>) -> Outcome {
    store::read(call.arg(1), |held| {
        let Some(held) = of(held, Kind::List)? else { return Ok(Reply::Null) };
        let element = args::index(call.integer(2)?, held.count).and_then(|at| held.items().nth(at));
        Ok(Reply::maybe(element.map(<[u8]>::to_vec)))
    })
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

/// Move an element from an end of one list to an end of another, which may be the same.
fn shift(call: &Call<'_>, out: End, into: End) -> Outcome {
    let (from, to) = (call.arg(1), call.arg(2));
    let popped = store::update(from, |held| {
        let Some(held) = of(held, Kind::List)? else { return Ok((Edit::Keep, None)) };
        if from != to {
            store::read(to, |held| of(held, Kind::List).map(drop))?;
        }
        let (popped, mut left) = without(held, 1, out);
        if from == to {
            match into {
                End::Left => left.push_front(&popped),
                End::Right => popped.iter().for_each(|element| left.push(element)),
            }
        }
        Ok((Edit::Put(left), popped.first().map(|element| element.to_vec())))
    })?;
    let Some(element) = popped else { return Ok(Reply::Null) };
    if from != to {
        let pushed = store::update(to, |held| Ok((Edit::Put(with(of(held, Kind::List)?, &[&element], into)), ())));
        if let Err(failure) = pushed {
            // There is no room for it, or there is something else by now: it goes back to where it was.
            store::update(from, |held| Ok((Edit::Put(with(of(held, Kind::List)?, &[&element], out)), ())))?;
            return Err(failure);
        }
    }
    Ok(Reply::bulk(element))
}
