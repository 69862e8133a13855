//! How a server is reached.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};

use super::address::Endpoint;
use super::socket::{Socket, alive};
use super::stream::Stream;
use super::tls::{Outbound, ServerIdentity};

/// A server that has been silent for so long is asked by the system whether it is there.
const SERVER_ALIVE: Duration = Duration::from_secs(60);

/// How long the system of a server may leave what it is sent unacknowledged, or untaken. How long
/// the server itself takes to answer is another matter.
const UNREACHABLE: Duration = Duration::from_secs(120);

/// A server, and what a connection to it needs.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What it is shown and asked for; `None`: it speaks without TLS.
    pub tls: Option<RemoteTls>,
}

/// TLS towards servers.
#[derive(Clone, Debug)]
pub struct RemoteTls {
    /// Certificates.
    pub config: Arc<Outbound>,
    /// The name that it is asked for and that its certificate must be for; `None`: the host of its
    /// address.
    pub server_name: Option<ServerName<'static>>,
}

impl Remote {
    /// Connects; must be called inside of the worker's runtime. The caller bounds the time.
    ///
    /// # Errors
    ///
    /// Why there is no connection, in the operator's words.
    pub async fn connect(&self) -> Result<Stream, String> {
        let socket = self.dial().await.map_err(|error| error.to_string())?;
        match &self.tls {
            None => Ok(socket.into()),
            Some(tls) => {
                let (tls, address, name) = (tls.config.clone(), self.endpoint.clone(), self.name(tls)?);
                let identity = ServerIdentity { tls, address, name };
                let secure = identity.connect(socket).await.map_err(|failure| failure.to_string())?;
                Ok(secure.into())
            }
        }
    }

    async fn dial(&self) -> io::Result<Socket> {
        match &self.endpoint {
            Endpoint::Tcp(address) => {
                let socket = TcpStream::connect(&**address).await?;
                socket.set_nodelay(true)?;
                let options = SockRef::from(&socket);
                options.set_tcp_keepalive(&alive(SERVER_ALIVE))?;
                options.set_tcp_user_timeout(Some(UNREACHABLE))?;
                Ok(Socket::Tcp(socket))
            }
            Endpoint::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
        }
    }

    /// The name of the server.
    fn name(&self, tls: &RemoteTls) -> Result<ServerName<'static>, String> {
        if let Some(name) = &tls.server_name {
            return Ok(name.clone());
        }
        let host = self.endpoint.host().ok_or("TLS over a Unix socket needs a server_name")?;
        ServerName::try_from(host.to_owned()).map_err(|_| format!("no certificate can be for the name {host:?}"))
    }
}

impl From<Endpoint> for Remote {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, tls: None }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}
