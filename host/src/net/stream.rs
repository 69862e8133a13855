//! One connection in both directions, shared by the task that reads from it and the turn that
//! writes to it.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::socket::Socket;
use super::tls::Secure;

/// An established connection.
///
/// Everything is non-blocking: a write takes what the connection takes at the moment, and says
/// [`io::ErrorKind::WouldBlock`] where that is nothing.
#[derive(Debug)]
pub struct Stream {
    carrier: Carrier,
    /// Whether it is to be closed at once, whatever is still to be read.
    abandoned: Cell<bool>,
}

/// What a connection runs over. The cells are borrowed within a call only: to read, tokio wants a
/// socket to itself.
#[derive(Debug)]
enum Carrier {
    Plain(RefCell<Socket>),
    Tls(RefCell<Box<Secure>>),
}

/// The half of a [`Stream`] that is read from. It also says when the other half may write again: so
/// that one task waits for both.
#[derive(Debug)]
pub struct ReadHalf(Rc<Stream>);

/// The half of a [`Stream`] that is written to. Dropping it ends the direction.
#[derive(Debug)]
pub struct WriteHalf(Rc<Stream>);

impl From<Socket> for Stream {
    fn from(socket: Socket) -> Self {
        Self { carrier: Carrier::Plain(RefCell::new(socket)), abandoned: Cell::new(false) }
    }
}

impl From<Secure> for Stream {
    fn from(secure: Secure) -> Self {
        Self { carrier: Carrier::Tls(RefCell::new(Box::new(secure))), abandoned: Cell::new(false) }
    }
}

impl Stream {
    /// The two directions of it.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        let stream = Rc::new(self);
        (ReadHalf(stream.clone()), WriteHalf(stream))
    }
}

impl ReadHalf {
    /// Ready when there is something to read, or the end.
    #[inline]
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0.carrier {
            Carrier::Plain(socket) => socket.borrow().poll_read_ready(context),
            Carrier::Tls(secure) => secure.borrow_mut().poll_read_ready(context),
        }
    }

    /// Ready when it is worth while to try and write again.
    #[inline]
    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0.carrier {
            Carrier::Plain(socket) => socket.borrow().poll_write_ready(context),
            Carrier::Tls(secure) => secure.borrow().poll_write_ready(context),
        }
    }
}

impl ReadHalf {
    /// Whether [`WriteHalf::abandon`] was called.
    pub fn is_abandoned(&self) -> bool {
        self.0.abandoned.get()
    }
}

impl AsyncRead for ReadHalf {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.0.carrier {
            Carrier::Plain(socket) => socket.borrow_mut().poll_read(context, buffer),
            Carrier::Tls(secure) => secure.borrow_mut().poll_read(context, buffer),
        }
    }
}

impl WriteHalf {
    /// Writes as much as the connection takes. Returns how many bytes that was.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] where it takes nothing at the moment; any other: it is broken.
    #[inline]
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0.carrier {
            Carrier::Plain(socket) => socket.borrow().try_write(bytes),
            Carrier::Tls(secure) => secure.borrow_mut().try_write_vectored(&[IoSlice::new(bytes)]),
        }
    }

    /// As [`WriteHalf::try_write`], from several pieces.
    ///
    /// # Errors
    ///
    /// As [`WriteHalf::try_write`].
    #[inline]
    pub fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.0.carrier {
            Carrier::Plain(socket) => socket.borrow().try_write_vectored(pieces),
            Carrier::Tls(secure) => secure.borrow_mut().try_write_vectored(pieces),
        }
    }
}

impl WriteHalf {
    /// Has the reading half closed at once, too.
    pub fn abandon(&self) {
        self.0.abandoned.set(true);
    }

    /// Where the other side has found this one; `None` for a Unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.0.carrier {
            Carrier::Plain(socket) => socket.borrow().local_address(),
            Carrier::Tls(secure) => secure.borrow().local_address(),
        }
    }

    /// Whether the other side will send no more, be there something to read still or not. Asks
    /// nobody: it is what the system has told.
    pub fn has_ended(&self) -> bool {
        match &self.0.carrier {
            Carrier::Plain(socket) => socket.borrow().has_ended(),
            Carrier::Tls(secure) => secure.borrow().has_ended(),
        }
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        match &self.0.carrier {
            Carrier::Plain(socket) => socket.borrow().end(),
            Carrier::Tls(secure) => secure.borrow_mut().end(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::future::poll_fn;

    use tokio::net::UnixStream;
    use tokio_util::io::poll_read_buf;

    use super::*;

    fn pair() -> (Stream, Stream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Socket::Unix(ours).into(), Socket::Unix(theirs).into())
    }

    #[tokio::test]
    async fn what_is_written_arrives_and_a_dropped_half_is_the_end() {
        let (ours, theirs) = pair();
        let (mut reader, writer) = ours.split();
        let (mut far_reader, far_writer) = theirs.split();
        assert_eq!(writer.try_write_vectored(&[IoSlice::new(b"PI"), IoSlice::new(b"NG")]).unwrap(), 4);
        let mut bytes = bytes::BytesMut::new();
        poll_fn(|context| poll_read_buf(Pin::new(&mut far_reader), context, &mut bytes)).await.unwrap();
        assert_eq!(&bytes[..], b"PING");
        drop(writer);
        assert_eq!(poll_fn(|context| poll_read_buf(Pin::new(&mut far_reader), context, &mut bytes)).await.unwrap(), 0);
        // The other direction lives on.
        assert_eq!(far_writer.try_write(b"PONG").unwrap(), 4);
        bytes.clear();
        poll_fn(|context| poll_read_buf(Pin::new(&mut reader), context, &mut bytes)).await.unwrap();
        assert_eq!(&bytes[..], b"PONG");
    }

    #[tokio::test]
    async fn a_full_socket_blocks_until_it_is_read_from() {
        let (ours, theirs) = pair();
        let (reader, writer) = ours.split();
        let (mut far_reader, _far_writer) = theirs.split();
        let mut sent = 0;
        let error = loop {
            match writer.try_write(&[b'x'; 65_536]) {
                Ok(count) => sent += count,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut bytes = bytes::BytesMut::new();
        while bytes.len() < sent {
            poll_fn(|context| poll_read_buf(Pin::new(&mut far_reader), context, &mut bytes)).await.unwrap();
        }
        poll_fn(|context| reader.poll_write_ready(context)).await.unwrap();
        assert!(writer.try_write(b"y").is_ok());
    }
}
