//! The end of a connection: what a client has still sent is read before the connection is closed.
//!
//! A system answers bytes that come to a closed connection, or that nobody has read, with a reset,
//! and a reset has the client's system throw away replies that the client has not read yet. So the
//! direction to the client ends first (its half is dropped), and the other one is read until the
//! client ends it, has sent nothing for a while, or has had its time.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

/// For how long a connection is read that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linger {
    /// It is closed after so long without a byte.
    quiet: Duration,
    /// It is closed after so long, whatever comes.
    longest: Duration,
    /// It is closed behind so many bytes.
    most: usize,
}

/// What every client is given.
pub(super) const LINGER: Linger =
    Linger { quiet: Duration::from_millis(500), longest: Duration::from_secs(5), most: 256 << 20 };

/// How much is read at once, in bytes. It lies on the stack, so a client that lingers costs no
/// memory.
const READ: usize = 16 << 10;

impl Linger {
    /// Reads and forgets what comes.
    pub(super) async fn read(self, mut socket: impl AsyncRead + Unpin) {
        let read = async {
            let mut left = self.most;
            while let Ok(count @ 1..) = timeout(self.quiet, forget(&mut socket)).await.unwrap_or(Ok(0)) {
                let Some(rest) = left.checked_sub(count) else { return };
                left = rest;
            }
        };
        // Whether it ended by itself makes no difference.
        let _ = timeout(self.longest, read).await;
    }
}

/// Reads once; returns how many bytes there were, 0 at the end.
async fn forget(socket: &mut (impl AsyncRead + Unpin)) -> std::io::Result<usize> {
    poll_fn(|context| {
        let mut bytes = [MaybeUninit::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut *socket).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncWriteExt, DuplexStream};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const ALL: Linger = Linger { quiet: LONG, longest: LONG, most: usize::MAX };

    /// A client that sends for as long as it is read from. Returns how much was taken.
    async fn sends_on(mut client: DuplexStream) -> usize {
        let mut sent = 0;
        while client.write_all(&[b'x'; 100]).await.is_ok() {
            sent += 100;
            tokio::task::yield_now().await;
        }
        sent
    }

    #[tokio::test]
    async fn everything_is_read_until_the_client_ends() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let client = async {
            theirs.write_all(&[b'x'; 100_000]).await.unwrap();
            drop(theirs);
        };
        tokio::join!(ALL.read(ours), client);
    }

    #[tokio::test]
    async fn a_silent_client_is_waited_for_for_a_moment() {
        let (ours, _theirs) = tokio::io::duplex(64);
        Linger { quiet: Duration::from_millis(10), ..ALL }.read(ours).await;
    }

    #[tokio::test]
    async fn a_client_that_goes_on_has_so_much_time() {
        let (ours, theirs) = tokio::io::duplex(64);
        let linger = Linger { longest: Duration::from_millis(50), ..ALL };
        let (_, sent) = tokio::join!(linger.read(ours), sends_on(theirs));
        assert!(sent > 0);
    }

    #[tokio::test]
    async fn a_client_that_goes_on_may_send_so_much() {
        let (ours, theirs) = tokio::io::duplex(64);
        let linger = Linger { most: 10_000, ..ALL };
        let (_, sent) = tokio::join!(linger.read(ours), sends_on(theirs));
        assert!((10_000..10_300).contains(&sent), "{sent}");
    }
}
