//! A cluster that looks like one server, of three nodes: each has the slot of the key that is called
//! as it is.

mod dispatch;

use super::Stage;
use super::stage::{MAP, RETRY, WAIT, redirect};
