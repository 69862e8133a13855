//! Clients that know clusters route by themselves, through a proxy for each node.

mod clients;
mod failover;
mod fred;
mod moves;
mod proxies;
mod replies;
