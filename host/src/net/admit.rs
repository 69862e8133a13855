//! From an accepted connection to a client that can be served: the PROXY protocol first, then TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::address::Peer;
use super::listen::{Incoming, ListenPlan};
use super::proxy_protocol::{HeaderError, read_header};
use super::socket::Socket;
use super::stream::Stream;
use super::tls;

/// How long the header of the PROXY protocol may take.
const HEADER: Duration = Duration::from_secs(5);

/// A client, as far as its connection says who it is.
#[derive(Debug)]
pub struct Client {
    /// What it speaks over.
    pub stream: Stream,
    /// Who it is; behind a load balancer, as that one says.
    pub peer: Peer,
    /// Who it is by its certificate, if it has shown one: see [`tls`].
    pub tls_subject: Option<Arc<str>>,
}

/// Why a connection is no client's.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The system.
    #[error("{0}")]
    System(#[from] io::Error),
    /// No header of the PROXY protocol where one is due.
    #[error("PROXY protocol: {0}")]
    Header(HeaderError),
    /// A header that does not end.
    #[error("PROXY protocol: there was no whole header within {HEADER:?}")]
    Late,
    /// TLS.
    #[error(transparent)]
    Tls(#[from] tls::Failure),
}

impl Refusal {
    /// Whether it is no more than somebody who looked whether the port is open, as load balancers
    /// do.
    pub fn is_silent(&self) -> bool {
        match self {
            Self::Header(HeaderError::Silent) => true,
            Self::Tls(failure) => failure.silent,
            _ => false,
        }
    }
}

impl Incoming {
    /// Do what `plan` asks for before a client is one; must be called inside of the worker's
    /// runtime. Bounded in time and memory.
    ///
    /// # Errors
    ///
    /// See [`Refusal`]. Also who it was, as far as that is known.
    pub async fn admit(self, plan: &ListenPlan) -> Result<Client, (Peer, Refusal)> {
        let mut peer = self.peer.clone();
        match self.introduce(plan, &mut peer).await {
            Ok((stream, tls_subject)) => Ok(Client { stream, peer, tls_subject }),
            Err(refusal) => Err((peer, refusal)),
        }
    }

    async fn introduce(self, plan: &ListenPlan, peer: &mut Peer) -> Result<(Stream, Option<Arc<str>>), Refusal> {
        let mut socket = self.into_socket()?;
        if plan.proxy_protocol {
            let header = async {
                match &mut socket {
                    Socket::Tcp(socket) => read_header(socket).await,
                    Socket::Unix(socket) => read_header(socket).await,
                }
            };
            let header = tokio::time::timeout(HEADER, header).await.map_err(|_| Refusal::Late)?;
            if let Some(address) = header.map_err(Refusal::Header)? {
                *peer = Peer::Tcp(address);
            }
        }
        match &plan.tls {
            None => Ok((socket.into(), None)),
            Some(tls) => {
                let (secure, subject) = tls.accept(socket).await?;
                Ok((secure.into(), subject))
            }
        }
    }
}
