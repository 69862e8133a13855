//! Listeners, and the connections that come in through them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::AsyncRead;
use tokio::net::{TcpListener, UnixListener};

use super::address::{Address, Peer};
use super::socket::{Socket as Connected, alive};
use super::tls::Inbound;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;

/// A client that has been silent for so long is asked by the system whether it is there: servers do
/// so too.
const CLIENT_ALIVE: Duration = Duration::from_secs(300);

/// What a source asks of its listener.
#[derive(Clone, Debug)]
pub struct ListenPlan {
    /// Where it listens.
    pub address: Address,
    /// The permissions of a Unix socket; `None`: what the process's umask leaves.
    pub unix_mode: Option<u32>,
    /// Whether every connection must begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// What clients are shown and asked for; `None`: they speak without TLS.
    pub tls: Option<Arc<Inbound>>,
}

impl From<Address> for ListenPlan {
    fn from(address: Address) -> Self {
        Self { address, unix_mode: None, proxy_protocol: false, tls: None }
    }
}

/// A socket that listens. Dropping it closes it; the file of a Unix socket goes with it.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
    _file: Option<SocketFile>,
}

/// A connection that was accepted and belongs to no thread yet.
#[derive(Debug)]
pub struct Incoming {
    socket: Socket,
    /// Who has connected.
    pub peer: Peer,
}

impl Listener {
    /// Listens as `plan` says. A Unix socket that a process has left behind is replaced.
    ///
    /// # Errors
    ///
    /// What the system says; [`io::ErrorKind::AddrInUse`] where somebody listens there.
    pub fn bind(plan: &ListenPlan) -> io::Result<Self> {
        let (socket, address, file) = match &plan.address {
            Address::Tcp(address) => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))?;
                socket.set_reuse_address(true)?;
                socket.bind(&(*address).into())?;
                socket.listen(BACKLOG)?;
                let address = socket.local_addr()?.as_socket().map_or(plan.address.clone(), Address::Tcp);
                (socket, address, None)
            }
            Address::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                let file = SocketFile::bind(&socket, path)?;
                // Before it listens: until then nobody can connect.
                if let Some(mode) = plan.unix_mode {
                    fs::set_permissions(path, Permissions::from_mode(mode))?;
                }
                socket.listen(BACKLOG)?;
                (socket, plan.address.clone(), Some(file))
            }
        };
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, _file: file })
    }

    /// Where it listens: with the port that it got where it asked for any.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Takes connections; must be called inside of the runtime that is to do so.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn into_acceptor(self) -> io::Result<Acceptor> {
        let listener = match &self.address {
            Address::Tcp(_) => Accepting::Tcp(TcpListener::from_std(self.socket.into())?),
            Address::Unix(path) => Accepting::Unix(UnixListener::from_std(self.socket.into())?, path.clone()),
        };
        Ok(Acceptor { listener, _file: self._file })
    }
}

/// A listener inside of a runtime.
#[derive(Debug)]
pub struct Acceptor {
    listener: Accepting,
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<Path>),
}

impl Acceptor {
    /// The next connection.
    ///
    /// # Errors
    ///
    /// What the system says: most likely that there are too many open files. The listener lives on.
    pub async fn accept(&self) -> io::Result<Incoming> {
        Ok(match &self.listener {
            Accepting::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Incoming { socket: stream.into_std()?.into(), peer: Peer::Tcp(peer) }
            }
            Accepting::Unix(listener, path) => {
                let (stream, _) = listener.accept().await?;
                Incoming { socket: stream.into_std()?.into(), peer: Peer::Unix(path.clone()) }
            }
        })
    }
}

impl Incoming {
    /// The connection for a worker; must be called inside of its runtime.
    pub(super) fn into_socket(self) -> io::Result<Connected> {
        match self.peer {
            Peer::Tcp(_) => {
                self.socket.set_tcp_nodelay(true)?;
                // A client that has vanished without a word is noticed.
                self.socket.set_tcp_keepalive(&alive(CLIENT_ALIVE))?;
                Ok(Connected::Tcp(tokio::net::TcpStream::from_std(self.socket.into())?))
            }
            Peer::Unix(_) => Ok(Connected::Unix(tokio::net::UnixStream::from_std(self.socket.into())?)),
        }
    }

    /// Says this, as far as it goes without waiting, and nothing more; must be called inside of a
    /// runtime. Returns what the client still sends: see `Linger`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn refuse(self, words: &[u8]) -> io::Result<impl AsyncRead + Unpin + Send + use<>> {
        // What it does not take at once, it does not take.
        let _ = self.socket.send(words);
        let socket = self.into_socket()?;
        socket.end();
        Ok(socket)
    }
}

/// The file of a Unix socket that is ours: it is removed with us, unless somebody has put another
/// in its place.
#[derive(Debug)]
struct SocketFile {
    path: Arc<Path>,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn bind(socket: &Socket, path: &Arc<Path>) -> io::Result<Self> {
        let address = SockAddr::unix(path)?;
        match socket.bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_behind(path)? => {
                fs::remove_file(path)?;
                socket.bind(&address)?;
            }
            result => result?,
        }
        Ok(Self { path: path.clone(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Whether nobody listens on the socket with this path. Anything else than a socket is somebody's.
fn is_left_behind(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    Ok(UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plan(directory: &Path, unix_mode: Option<u32>) -> (ListenPlan, Arc<Path>) {
        let path: Arc<Path> = directory.join("s.sock").into();
        (ListenPlan { unix_mode, ..Address::Unix(path.clone()).into() }, path)
    }

    #[test]
    fn the_file_of_a_unix_socket_goes_with_its_listener() {
        let directory = tempfile::tempdir().unwrap();
        let (plan, path) = plan(directory.path(), Some(0o660));
        let listener = Listener::bind(&plan).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(UnixStream::connect(&path).is_ok());
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (plan, path) = plan(directory.path(), None);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as a process that was killed leaves it");
        let listener = Listener::bind(&plan).unwrap();
        assert_eq!(Listener::bind(&plan).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).is_ok(), "the first one is not disturbed");
        drop(listener);
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (plan, path) = plan(directory.path(), None);
        fs::write(&path, "mine").unwrap();
        assert_eq!(Listener::bind(&plan).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn the_file_of_a_successor_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (plan, path) = plan(directory.path(), None);
        let first = Listener::bind(&plan).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = Listener::bind(&plan).unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
    }
}
