//! Routing without sockets: a test is the client, the worker's turn and the servers, step by step.
//!
//! [`stage`] sets up a sink whose connections a test leads by hand; [`worker`] stands in for the
//! worker. Frames are written with `|` for the end of a line, and without the last one.

#![allow(clippy::unwrap_used)]

mod stage;
mod worker;

mod aims;
mod answers;
mod cluster;
mod flow;
mod lease;
mod receive;
mod request;
mod retell;
mod run;
mod session_state;
mod single;
mod single_subscriber;

use stage::Stage;
