//! Establishing connections, and the task that reads from one for as long as it lives.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::back_off::BackOff;
use super::connection::{Connection, ConnectionRef};
use crate::bell::Bell;
use crate::ids::SessionId;
use crate::net::{Remote, Stream};

/// A server to connect to.
#[derive(Clone, Debug)]
pub struct Target {
    /// How it is reached.
    pub remote: Remote,
    /// How long an attempt may take.
    pub connect_timeout: Duration,
}

/// A connection that lasted so long was a good one.
const STABLE: Duration = Duration::from_secs(1);

/// How long a connection is kept up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lifetime {
    /// Established again whenever it is lost.
    Shared,
    /// For one session: when it is lost it is over.
    Private(SessionId),
}

/// The connections that have brought something, for the turn.
#[derive(Debug, Default)]
pub struct Ready {
    bell: Rc<Bell>,
    connections: RefCell<Vec<ConnectionRef>>,
}

impl Ready {
    /// A list that rings `bell`.
    pub fn new(bell: Rc<Bell>) -> Self {
        Self { bell, connections: RefCell::default() }
    }

    /// This one has.
    pub fn add(&self, connection: &ConnectionRef) {
        let mut connections = self.connections.borrow_mut();
        if !connections.last().is_some_and(|last| Rc::ptr_eq(last, connection)) {
            connections.push(connection.clone());
        }
        self.bell.ring();
    }

    /// Move them to `to`, which is empty.
    pub fn take(&self, to: &mut Vec<ConnectionRef>) {
        std::mem::swap(&mut *self.connections.borrow_mut(), to);
    }
}

/// Open a connection; must be called inside of the worker's runtime. Requests may be sent at once: they wait until it is established.
pub fn open(target: &Target, lifetime: Lifetime, ready: &Rc<Ready>) -> ConnectionRef {
    let owner = match lifetime {
        Lifetime::Shared => None,
        Lifetime::Private(session) => Some(session),
    };
    let connection = Rc::new(RefCell::new(Connection::new(target.remote.to_string().into(), owner)));
    tokio::task::spawn_local(keep(connection.clone(), target.clone(), lifetime, ready.clone()));
    connection
}

async fn keep(connection: ConnectionRef, target: Target, lifetime: Lifetime, ready: Rc<Ready>) {
    let mut back_off = BackOff::default();
    while !connection.borrow().is_closed() {
        match dial(&target).await {
            Err(reason) => {
                tracing::warn!(upstream = %target.remote, %reason, "cannot connect");
                connection.borrow_mut().refused(reason);
                ready.add(&connection);
                if lifetime != Lifetime::Shared {
                    return;
                }
                tokio::time::sleep(back_off.next()).await;
            }
            Ok(stream) => {
                tracing::debug!(upstream = %target.remote, ?lifetime, "connected");
                let since = Instant::now();
                serve(&connection, stream, lifetime, &ready).await;
                if lifetime != Lifetime::Shared {
                    return;
                }
                // A server that takes connections only to drop them is not there either.
                if since.elapsed() < STABLE {
                    tokio::time::sleep(back_off.next()).await;
                } else {
                    back_off.reset();
                }
            }
        }
    }
}

async fn dial(target: &Target) -> Result<Stream, String> {
    match tokio::time::timeout(target.connect_timeout, target.remote.connect()).await {
        Ok(result) => result,
        Err(_) => Err(format!("no connection within {:?}", target.connect_timeout)),
    }
}

/// An established connection, for as long as it counts as one.
struct Counted(metrics::Gauge);

impl Counted {
    fn new(lifetime: Lifetime) -> Self {
        let kind = if lifetime == Lifetime::Shared { "shared" } else { "private" };
        let gauge = metrics::gauge!("sluice_upstream_connections", "kind" => kind);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Read until the connection is lost, and until the turn has told those who waited for it.
async fn serve(connection: &ConnectionRef, stream: Stream, lifetime: Lifetime, ready: &Rc<Ready>) {
    let _counted = Counted::new(lifetime);
    let (mut reader, writer) = stream.split();
    connection.borrow_mut().established(writer);
    loop {
        let result = poll_fn(|context| connection.borrow_mut().poll_io(&mut reader, context)).await;
        ready.add(connection);
        if result.is_err() {
            break;
        }
    }
    while connection.borrow().is_lost() && !connection.borrow().is_closed() {
        tokio::task::yield_now().await;
    }
}
