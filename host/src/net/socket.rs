//! A socket of the system, of either kind.

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// How often the system asks another one that does not answer, before it gives a connection up.
const ASKED: u32 = 3;

/// Has the system ask the other side whether it is there once nothing was heard of it for
/// `silence`.
pub(super) fn alive(silence: Duration) -> TcpKeepalive {
    TcpKeepalive::new().with_time(silence).with_interval(silence / ASKED).with_retries(ASKED)
}

/// An established connection of the system's.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Do the same with either kind.
macro_rules! either {
    ($self:expr, $socket:ident => $do:expr) => {
        match $self {
            Socket::Tcp($socket) => $do,
            Socket::Unix($socket) => $do,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Self::poll_read(self.get_mut(), context, buffer)
    }
}

impl Socket {
    /// Unlike `try_read`, this takes a read that did not fill the buffer for the last one, and
    /// saves the call that would find nothing.
    #[inline]
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_read(context, buffer))
    }

    #[inline]
    pub(super) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_read_ready(context))
    }

    #[inline]
    pub(super) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_write_ready(context))
    }

    #[inline]
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, socket => socket.try_write(bytes))
    }

    #[inline]
    pub(super) fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, socket => socket.try_write_vectored(pieces))
    }

    /// Whether the other side will send no more, be there something to read still or not.
    pub(super) fn has_ended(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let ready = either!(self, socket => pin!(socket.ready(Interest::READABLE)).poll(&mut context));
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    /// Where the other side has found it; `None` for a Unix socket.
    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Ends the direction that is written to.
    pub(super) fn end(&self) {
        // Fails where the other side was faster.
        let _ = either!(self, socket => SockRef::from(socket).shutdown(Shutdown::Write));
    }
}
