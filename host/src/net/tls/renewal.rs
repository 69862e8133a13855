//! Looks after certificates: changed files are noticed and used without a restart.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Something whose files may change.
pub trait Renewable: fmt::Debug + Send + Sync {
    /// See whether they have, and load them. `now`: the operator says that they are complete, so
    /// there is nothing to wait for.
    fn look(&self, now: bool);
}

/// A thread that looks at files every second, and at SIGHUP. Dropping it ends it.
#[derive(Debug)]
pub struct Renewal {
    thread: Option<JoinHandle<()>>,
    end: Option<oneshot::Sender<()>>,
}

impl Renewal {
    /// Looks after these. From now on SIGHUP ends the process no more, even if there are none.
    ///
    /// # Errors
    ///
    /// If there can be no thread.
    pub fn start(what: Vec<Arc<dyn Renewable>>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut hang_up = {
            let _inside = runtime.enter();
            signal(SignalKind::hangup())?
        };
        let (end, mut ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("certificates".to_owned()).spawn(move || {
            runtime.block_on(async {
                loop {
                    let now = tokio::select! {
                        _ = &mut ended => return,
                        _ = hang_up.recv() => {
                            tracing::info!(certificates = what.len(), "SIGHUP: looking at certificates");
                            true
                        }
                        () = tokio::time::sleep(INTERVAL), if !what.is_empty() => false,
                    };
                    what.iter().for_each(|it| it.look(now));
                }
            });
        })?;
        Ok(Self { thread: Some(thread), end: Some(end) })
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
