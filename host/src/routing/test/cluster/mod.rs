//! A cluster that looks like one server, of three nodes: each has the slot of the key that is called
//! as it is.

mod dispatch;
mod exclusive;
mod fan_out;
mod local_reply;
mod plan;
mod replay;
mod retry;
mod sink;
mod subscriptions;
mod transaction;

use std::time::Duration;

use super::Stage;
use super::stage::{NO_CONNECTION, RETRY, UNKNOWN, WAIT, redirect};

/// By this map, the slot of the key `a` is at the node `b`. The key `d` stays at the node `a`.
const MOVED: &[(u16, u16, &str)] = &[(0, 5460, "b"), (5461, 10_922, "c"), (10_923, 15_000, "a"), (15_001, 16_383, "b")];

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

const TRY_AGAIN: &str = "-TRYAGAIN Multiple keys request during rehashing of slot";
