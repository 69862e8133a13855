//! Values that get another key. Each key is changed at once, but not both together: for a moment a value has both its keys, never none.

use sluice_plugin::Reply;

use crate::args::is;
use crate::encoding::Draft;
use crate::failure::Failure;
use crate::store::{self, Edit};
use crate::table::{Row, spanning};
use crate::{Call, Outcome, server};

pub(crate) const ROWS: &[Row] = &[
    spanning("rename", 3, [1, 2, 1], rename),
    spanning("renamenx", 3, [1, 2, 1], renamenx),
    spanning("copy", -3, [1, 2, 1], copy),
];

fn rename(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (call.arg(1), call.arg(2));
    let value = value(from).ok_or(Failure::NO_SUCH_KEY)?;
    if from != to {
        take_over(from, to, value)?;
    }
    Ok(Reply::OK)
}

fn renamenx(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (call.arg(1), call.arg(2));
    let value = value(from).ok_or(Failure::NO_SUCH_KEY)?;
    if store::exists(to) {
        return Ok(Reply::Integer(0));
    }
    take_over(from, to, value)?;
    Ok(Reply::Integer(1))
}

/// Set a key to the value of another and remove that one, unless it has changed meanwhile: then once more.
fn take_over(from: &[u8], to: &[u8], mut value: Draft) -> Result<(), Failure> {
    loop {
        store::put(to, value.clone())?;
        let changed = store::update(from, |held| match held.map(|held| held.draft()) {
            Some(now) if now == value => Ok((Edit::Remove, None)),
            other => Ok((Edit::Keep, other)),
        })?;
        match changed {
            Some(now) => value = now,
            None => return Ok(()),
        }
    }
}

fn copy(call: &mut Call<'_>) -> Outcome {
    let mut replace = false;
    let mut words = call.rest(3).iter();
    while let Some(word) = words.next() {
        if is(word, "REPLACE") {
            replace = true;
        } else if let (true, Some(database)) = (is(word, "DB"), words.next()) {
            server::database(database)?;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    let (from, to) = (call.arg(1), call.arg(2));
    if from == to {
        return Err(Failure::SAME_OBJECT);
    }
    let Some(value) = value(from) else { return Ok(Reply::Integer(0)) };
    if !replace && store::exists(to) {
        return Ok(Reply::Integer(0));
    }
    store::put(to, value)?;
    Ok(Reply::Integer(1))
}

fn value(key: &[u8]) -> Option<Draft> {
    store::read(key, |held| held.map(|held| held.draft()))
}
