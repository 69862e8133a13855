//! Strings that are numbers.

use sluice_plugin::Reply;

use crate::args::integer;
use crate::decimal::{self, Number};
use crate::encoding::{Draft, Kind, of};
use crate::failure::Failure;
use crate::store::{self, Edit};
use crate::table::{Row, keyed};
use crate::{Call, Outcome};

pub(crate) const ROWS: &[Row] = &[
    keyed("incr", 2, |call| add(call, 1)),
    keyed("decr", 2, |call| add(call, -1)),
    keyed("incrby", 3, |call| add(call, call.integer(2)?)),
    keyed("decrby", 3, |call| add(call, call.integer(2)?.checked_neg().ok_or(Failure::DECREMENT_OVERFLOW)?)),
    keyed("incrbyfloat", 3, incrbyfloat),
];

fn add(call: &mut Call<'_>, by: i64) -> Outcome {
    store::update(call.arg(1), |held| {
        let held = of(held, Kind::String)?;
        let old = held.map_or(Some(0), |held| integer(held.payload)).ok_or(Failure::NOT_AN_INTEGER)?;
        let sum = old.checked_add(by).ok_or(Failure::OVERFLOW)?;
        let draft = Draft::string(sum.to_string(), held.and_then(|held| held.deadline));
        Ok((Edit::Put(draft), Reply::Integer(sum)))
    })
}

fn incrbyfloat(call: &mut Call<'_>) -> Outcome {
    let by = call.arg(2);
    store::update(call.arg(1), |held| {
        let held = of(held, Kind::String)?;
        let old = held.map_or(Some(Number::ZERO), |held| Number::parse(held.payload)).ok_or(Failure::NOT_A_FLOAT)?;
        let by = Number::parse(by).ok_or(Failure::NOT_A_FLOAT)?;
        let sum = decimal::sum(&old, &by)?;
        let draft = Draft::string(sum.as_bytes(), held.and_then(|held| held.deadline));
        Ok((Edit::Put(draft), Reply::bulk(sum)))
    })
}
