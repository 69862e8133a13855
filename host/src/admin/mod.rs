//! The admin address: metrics, health and the log filter over HTTP, on a thread of its own.
//!
//! It is for operators and their tools and knows no authentication, so it belongs on an address
//! that only they can reach. It shares no thread with the workers: however busy they are,
//! `/healthz` and `/metrics` answer.

mod catalogue;
mod histogram;
mod metrics;
mod readiness;
mod routes;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

pub use metrics::{Metrics, MetricsError};
pub use readiness::Readiness;
pub use routes::Services;

/// Why the admin address is not served.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// It cannot be listened on.
    #[error("cannot listen on the admin address {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// Its thread cannot be started.
    #[error("cannot start the thread of the admin address")]
    Thread {
        /// What the operating system says.
        source: io::Error,
    },
}

/// The admin address, served until this is dropped.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    /// Dropping it tells the thread to end.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Listens on `address` and serves it. When this returns, connections are accepted.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or there can be no more threads.
    pub fn start(address: SocketAddr, services: Services) -> Result<Self, AdminError> {
        let listen = |source| AdminError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let thread = |source| AdminError::Thread { source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(thread)?;
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    // Requests that are still being answered are dropped: nobody must be able to
                    // keep the process.
                    _ = stopped => {}
                    served = serve(listener, services) => {
                        if let Err(error) = served {
                            tracing::error!(%error, "the admin address is no longer served");
                        }
                    }
                }
            });
        };
        let handle = std::thread::Builder::new().name("admin".to_owned()).spawn(work).map_err(thread)?;
        Ok(Self { address, stop: Some(stop), thread: Some(handle) })
    }

    /// The address that is served: with the port that was found where port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported on stderr already.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, services: Services) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, routes::router(services)).await
}
