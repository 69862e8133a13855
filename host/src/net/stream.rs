//! One connection in both directions, shared by the task that reads from it and the turn that writes to it.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// An established connection.
///
/// Everything is non-blocking: a write takes what the connection takes at the moment, and says [`io::ErrorKind::WouldBlock`] where that
/// is nothing.
#[derive(Debug)]
pub struct Stream(Carrier);

/// What a connection runs over. The cells are borrowed within a call only: to read, tokio wants a socket to itself.
#[derive(Debug)]
enum Carrier {
    Tcp(RefCell<TcpStream>),
    Unix(RefCell<UnixStream>),
}

/// The half of a [`Stream`] that is read from. It also says when the other half may write again: so that one task waits for both.
#[derive(Debug)]
pub struct ReadHalf(Rc<Stream>);

/// The half of a [`Stream`] that is written to. Dropping it ends the direction.
#[derive(Debug)]
pub struct WriteHalf(Rc<Stream>);

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        Self(Carrier::Tcp(RefCell::new(socket)))
    }
}

impl From<UnixStream> for Stream {
    fn from(socket: UnixStream) -> Self {
        Self(Carrier::Unix(RefCell::new(socket)))
    }
}

/// Do the same with either kind of socket.
macro_rules! with {
    ($stream:expr, $socket:ident => $do:expr) => {
        match &$stream.0 {
            Carrier::Tcp(cell) => {
                let $socket = cell.borrow();
                $do
            }
            Carrier::Unix(cell) => {
                let $socket = cell.borrow();
                $do
            }
        }
    };
}

impl Stream {
    /// The two directions of it.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        let stream = Rc::new(self);
        (ReadHalf(stream.clone()), WriteHalf(stream))
    }

    #[inline]
    fn poll_read(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Unlike `try_read`, this takes a read that did not fill the buffer for the last one, and saves the call that would find nothing.
        match &self.0 {
            Carrier::Tcp(socket) => Pin::new(&mut *socket.borrow_mut()).poll_read(context, buffer),
            Carrier::Unix(socket) => Pin::new(&mut *socket.borrow_mut()).poll_read(context, buffer),
        }
    }
}

impl ReadHalf {
    /// Ready when there is something to read, or the end.
    #[inline]
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self.0, socket => socket.poll_read_ready(context))
    }

    /// Ready when it is worth while to try and write again.
    #[inline]
    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self.0, socket => socket.poll_write_ready(context))
    }
}

impl AsyncRead for ReadHalf {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read(context, buffer)
    }
}

impl WriteHalf {
    /// Write as much as the connection takes. Returns how many bytes that was.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] where it takes nothing at the moment; any other: it is broken.
    #[inline]
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        with!(self.0, socket => socket.try_write(bytes))
    }

    /// As [`WriteHalf::try_write`], from several pieces.
    ///
    /// # Errors
    ///
    /// As [`WriteHalf::try_write`].
    #[inline]
    pub fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        with!(self.0, socket => socket.try_write_vectored(pieces))
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        // Fails where the other side was faster.
        with!(self.0, socket => {
            let _ = SockRef::from(&*socket).shutdown(Shutdown::Write);
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::future::poll_fn;

    use tokio_util::io::poll_read_buf;

    use super::*;

    fn pair() -> (Stream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (ours.into(), theirs)
    }

    #[tokio::test]
    async fn what_is_written_arrives_and_a_dropped_half_is_the_end() {
        let (ours, theirs) = pair();
        let (mut reader, writer) = ours.split();
        let (mut far_reader, far_writer) = Stream::from(theirs).split();
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
        let (mut far_reader, _far_writer) = Stream::from(theirs).split();
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
