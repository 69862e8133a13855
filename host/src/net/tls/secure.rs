//! A TLS connection that is read and written like a socket: without waiting, and with bounded
//! memory.

use std::cell::RefCell;
use std::io::{self, BufRead, IoSlice, Write};
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use rustls::Connection;
use rustls::pki_types::CertificateDer;
use tokio::io::ReadBuf;

use super::failure::Side;
use crate::net::socket::Socket;

/// The most that is read from a socket at once, in bytes.
const READ: usize = 64 * 1024;

/// The most plaintext that is taken before what it became has left, in bytes.
const TAKEN: usize = 64 * 1024;

/// So many reads that bring no plaintext, and others have their turn.
const FRUITLESS: usize = 16;

thread_local! {
    /// What connections of this thread read into; what is not deciphered at once is kept by the
    /// connection.
    static INPUT: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// A connection of TLS over a socket.
#[derive(Debug)]
pub(crate) struct Secure {
    socket: Socket,
    connection: Connection,
    /// What was read and not deciphered: its plaintext would not have had room. Less than [`READ`].
    undigested: BytesMut,
    /// Whether a byte was taken that has not been reported.
    ///
    /// What was taken becomes records that the socket may not take whole. Then one byte less is
    /// reported than was taken, and that one only when all records have left: so a writer who still
    /// has something to write knows that he is blocked, and who has not is not.
    owed: bool,
    /// Whether the other side has sent anything.
    heard: bool,
    /// Whether nothing more will come.
    ended: bool,
}

/// Why a handshake broke off.
#[derive(Debug)]
pub(super) enum Broken {
    Tls(rustls::Error),
    System(io::Error),
    /// By the other side.
    Closed {
        /// Which had not sent a byte.
        silent: bool,
    },
}

/// What TLS writes to.
struct Out<'a>(&'a Socket);

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Secure {
    /// A connection whose handshake is to be done.
    pub(super) fn new(socket: Socket, mut connection: Connection) -> Self {
        connection.set_buffer_limit(Some(TAKEN));
        Self { socket, connection, undigested: BytesMut::new(), owed: false, heard: false, ended: false }
    }

    /// The certificate that the other side has shown.
    pub(super) fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.connection.peer_certificates()?.first()
    }

    /// Ready when each side knows whom it speaks to.
    pub(super) fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            while !self.flush().map_err(Broken::System)? {
                if let Err(error) = ready!(self.socket.poll_write_ready(context)) {
                    return Poll::Ready(Err(Broken::System(error)));
                }
            }
            if !self.connection.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            let read = INPUT.with_borrow_mut(|input| {
                let mut buffer = ReadBuf::new(input);
                ready!(self.socket.poll_read(context, &mut buffer))?;
                self.undigested.extend_from_slice(buffer.filled());
                Poll::Ready(Ok(buffer.filled().len()))
            });
            match ready!(read) {
                Ok(0) => return Poll::Ready(Err(Broken::Closed { silent: !self.heard })),
                Ok(_) => self.heard = true,
                Err(error) => return Poll::Ready(Err(Broken::System(error))),
            }
            while self.connection.is_handshaking() && !self.undigested.is_empty() {
                let mut rest = &self.undigested[..];
                let before = rest.len();
                let result = self.connection.read_tls(&mut rest);
                let taken = before - rest.len();
                self.undigested.advance(taken);
                result.map_err(Broken::System)?;
                if let Err(error) = self.connection.process_new_packets() {
                    // The other side is told why, as far as it listens.
                    let _ = self.flush();
                    return Poll::Ready(Err(Broken::Tls(error)));
                }
            }
        }
    }

    /// As a socket's; reads from it once, unless that brings nothing to see.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = to.filled().len();
        if !self.undigested.is_empty() {
            let mut rest = std::mem::take(&mut self.undigested);
            let mut input = &rest[..];
            let result = self.digest(&mut input, to);
            let left = input.len();
            rest.advance(rest.len() - left);
            self.undigested = rest;
            result?;
        } else {
            self.pour(to);
        }
        for _ in 0..FRUITLESS {
            if to.filled().len() > before || self.ended || to.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            ready!(self.read_socket(context, to))?;
        }
        if to.filled().len() == before && !self.ended {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn read_socket(&mut self, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        INPUT.with_borrow_mut(|input| {
            let mut buffer = ReadBuf::new(input);
            ready!(self.socket.poll_read(context, &mut buffer))?;
            let mut rest = buffer.filled();
            if rest.is_empty() {
                // Without a farewell (`close_notify`) too: a request or a reply that was cut off is
                // seen as one.
                self.ended = true;
            }
            self.digest(&mut rest, to)?;
            self.undigested.extend_from_slice(rest);
            // An answer to what was no data, such as to a change of keys. What the socket does not
            // take leaves with the next write.
            if self.connection.wants_write() {
                self.flush()?;
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Decipher as much of `input` as there is room for.
    fn digest(&mut self, input: &mut &[u8], to: &mut ReadBuf<'_>) -> io::Result<()> {
        loop {
            self.pour(to);
            if self.ended || input.is_empty() || to.remaining() == 0 {
                return Ok(());
            }
            if self.connection.read_tls(input)? == 0 {
                // It has said farewell; nothing counts behind that.
                *input = &[];
            }
            if let Err(error) = self.connection.process_new_packets() {
                let _ = self.flush();
                let words = Side::of(&self.connection).explain(&error);
                return Err(io::Error::new(io::ErrorKind::InvalidData, words));
            }
        }
    }

    /// Hand over plaintext.
    fn pour(&mut self, to: &mut ReadBuf<'_>) {
        let mut reader = self.connection.reader();
        while to.remaining() > 0 {
            match reader.fill_buf() {
                Ok([]) => return self.ended = true,
                Ok(chunk) => {
                    let count = chunk.len().min(to.remaining());
                    to.put_slice(&chunk[..count]);
                    reader.consume(count);
                }
                // Nothing more at the moment.
                Err(_) => return,
            }
        }
    }

    pub(crate) fn poll_read_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let plaintext = self.connection.reader().fill_buf().is_ok();
        if plaintext || self.ended || !self.undigested.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.socket.poll_read_ready(context)
    }

    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_write_ready(context)
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.socket.local_address()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended || self.socket.has_ended()
    }

    /// As a socket's; see [`Secure::owed`] for what it reports. After
    /// [`io::ErrorKind::WouldBlock`], the next write must begin with the same bytes.
    pub(crate) fn try_write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.flush()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if std::mem::take(&mut self.owed) {
            return Ok(1);
        }
        let taken = self.connection.writer().write_vectored(pieces)?;
        match self.flush() {
            Ok(true) => return Ok(taken),
            Ok(false) => {}
            // Some of it may have left; the next call fails again.
            Err(_) if taken > 0 => return Ok(taken),
            Err(error) => return Err(error),
        }
        self.owed = taken > 0;
        if taken > 1 { Ok(taken - 1) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// Writes records, as far as the socket takes them. Whether none is left.
    fn flush(&mut self) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Out(&self.socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether the other side has ended in good order.
    #[cfg(test)]
    pub(super) fn said_farewell(&mut self) -> bool {
        self.connection.reader().fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    /// Says farewell, and ends the direction that is written to.
    pub(crate) fn end(&mut self) {
        self.connection.send_close_notify();
        let _ = self.flush();
        self.socket.end();
    }
}
