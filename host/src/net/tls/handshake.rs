//! Handshakes: from a socket to a connection that both sides trust.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use super::failure::Side;
use super::material::{InboundFiles, OutboundFiles};
use super::reloading_files::ReloadingFiles;
use super::secure::{Broken, Secure};
use super::subject::subject;
use crate::net::address::Endpoint;
use crate::net::socket::Socket;

/// What clients are shown and asked for.
pub type Inbound = ReloadingFiles<InboundFiles>;

/// What servers are shown and asked for.
pub type Outbound = ReloadingFiles<OutboundFiles>;

/// How long a client's handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error("TLS handshake failed: {reason}")]
pub struct Failure {
    /// In the operator's words.
    pub reason: String,
    /// Whether the other side has said nothing at all: it may just have looked whether the port is
    /// open.
    pub silent: bool,
}

/// How a server is asked for, where it is not by the host of its address.
#[derive(Clone, Debug)]
pub(in crate::net) struct ServerIdentity {
    pub(in crate::net) tls: Arc<Outbound>,
    pub(in crate::net) address: Endpoint,
    pub(in crate::net) name: ServerName<'static>,
}

impl Inbound {
    /// A client's handshake, with 10 s to finish. Returns the subject of its certificate too, if it
    /// has shown one.
    pub(in crate::net) async fn accept(&self, socket: Socket) -> Result<(Secure, Option<Arc<str>>), Failure> {
        self.accept_within(PATIENCE, socket).await
    }

    pub(super) async fn accept_within(
        &self,
        patience: Duration,
        socket: Socket,
    ) -> Result<(Secure, Option<Arc<str>>), Failure> {
        let connection =
            ServerConnection::new(self.current()).map_err(|error| Failure::because(Side::Client, &error))?;
        let secure = Secure::new(socket, connection.into());
        match tokio::time::timeout(patience, shake(secure, Side::Client)).await {
            Ok(secure) => {
                let secure = secure?;
                let subject = secure.peer_certificate().and_then(subject).map(Into::into);
                Ok((secure, subject))
            }
            Err(_) => {
                let reason = format!("the client has not finished it within {patience:?}");
                Err(Failure::new(Side::Client, reason, false))
            }
        }
    }
}

impl ServerIdentity {
    /// The handshake with a server. The caller bounds its time.
    pub(in crate::net) async fn connect(&self, socket: Socket) -> Result<Secure, Failure> {
        let connection = ClientConnection::new(self.tls.current(), self.name.clone())
            .map_err(|error| Failure::because(Side::Server, &error))?;
        let unfinished = Unfinished(&self.address);
        let result = shake(Secure::new(socket, connection.into()), Side::Server).await;
        std::mem::forget(unfinished);
        result
    }
}

/// A handshake with the server at this address that the caller may give up: a server that does not
/// speak TLS just waits for more.
struct Unfinished<'a>(&'a Endpoint);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let reason = "the server has not finished the TLS handshake: does it speak TLS there?";
        tracing::warn!(upstream = %self.0, "{}", Failure::new(Side::Server, reason.to_owned(), false));
    }
}

async fn shake(mut secure: Secure, side: Side) -> Result<Secure, Failure> {
    match poll_fn(|context| secure.poll_handshake(context)).await {
        Ok(()) => Ok(secure),
        Err(Broken::Tls(error)) => Err(Failure::because(side, &error)),
        Err(Broken::Closed { silent }) => {
            let reason = format!("the {} has closed the connection before its end", side.other());
            Err(Failure::new(side, reason, silent && side == Side::Client))
        }
        Err(Broken::System(error)) => Err(Failure::new(side, error.to_string(), false)),
    }
}

impl Failure {
    fn because(side: Side, error: &rustls::Error) -> Self {
        Self::new(side, side.explain(error), false)
    }

    fn new(side: Side, reason: String, silent: bool) -> Self {
        if !silent {
            metrics::counter!("sluice_tls_handshake_failures_total", "side" => side.other()).increment(1);
        }
        Self { reason, silent }
    }
}
