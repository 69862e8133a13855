//! Keys, whatever they hold.

use sluice_plugin::{Reply, random};

use crate::args::is;
use crate::failure::Failure;
use crate::strings::length;
use crate::table::{Row, keyed, row, spanning};
use crate::{Call, Outcome, glob, store};

pub(crate) const ROWS: &[Row] = &[
    spanning("del", -2, [1, -1, 1], |call| Ok(count(call, store::delete))),
    spanning("unlink", -2, [1, -1, 1], |call| Ok(count(call, store::delete))),
    spanning("exists", -2, [1, -1, 1], |call| Ok(count(call, store::exists))),
    spanning("touch", -2, [1, -1, 1], |call| Ok(count(call, store::exists))),
    keyed("type", 2, kind),
    row("keys", 2, keys),
    row("randomkey", 1, randomkey),
    row("dbsize", 1, |_| Ok(length(store::keys(b"", None).count()))),
    row("flushdb", -1, flush),
    row("flushall", -1, flush),
];

/// For how many of the keys it is so.
fn count(call: &Call<'_>, holds: fn(&[u8]) -> bool) -> Reply<'static> {
    length(call.rest(1).iter().filter(|key| holds(key)).count())
}

fn kind(call: &mut Call<'_>) -> Outcome {
    Ok(Reply::simple(store::peek(call.arg(1), |held| held.map_or("none", |held| held.kind.name()))))
}

fn keys(call: &mut Call<'_>) -> Outcome {
    let pattern = call.arg(1);
    let found = store::keys(glob::literal_prefix(pattern), None).filter(|key| glob::matches(pattern, key));
    Ok(Reply::array(found.map(Reply::bulk)))
}

/// Each key is as likely as any other: the nth takes the place of the one chosen so far with a chance of one in n.
fn randomkey(_: &mut Call<'_>) -> Outcome {
    let chosen = store::keys(b"", None).zip(1u64..).fold(None, |chosen, (key, n)| match chosen {
        Some(chosen) if !random::bits().is_multiple_of(n) => Some(chosen),
        _ => Some(key),
    });
    Ok(Reply::maybe(chosen))
}

fn flush(call: &mut Call<'_>) -> Outcome {
    match call.rest(1) {
        [] => {}
        [how] if is(how, "ASYNC") || is(how, "SYNC") => {}
        _ => return Err(Failure::SYNTAX),
    }
    store::clear();
    Ok(Reply::OK)
}
