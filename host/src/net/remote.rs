//! How a server is reached.

use std::fmt;

use tokio::net::{TcpStream, UnixStream};

use super::{Endpoint, Stream};

/// A server, and what a connection to it needs.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where it is.
    pub endpoint: Endpoint,
}

impl Remote {
    /// Connect; must be called inside of the worker's runtime.
    ///
    /// # Errors
    ///
    /// Why there is no connection, in the operator's words.
    pub async fn connect(&self) -> Result<Stream, String> {
        self.dial().await.map_err(|error| error.to_string())
    }

    async fn dial(&self) -> std::io::Result<Stream> {
        match &self.endpoint {
            Endpoint::Tcp(address) => {
                let socket = TcpStream::connect(&**address).await?;
                socket.set_nodelay(true)?;
                Ok(socket.into())
            }
            Endpoint::Unix(path) => Ok(UnixStream::connect(path).await?.into()),
        }
    }
}

impl From<Endpoint> for Remote {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}
