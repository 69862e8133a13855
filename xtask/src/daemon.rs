//! A server that is started, watched until it answers, and ended by its process ID.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A server has this long to listen: a debug build that compiles its components for the first time is slow.
const START_LIMIT: Duration = Duration::from_secs(60);
/// And this long to end.
const END_LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running server. Dropping it kills it.
pub(crate) struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Start a server, its output going to `<directory>/<name>.log`, and wait until it listens on `address`.
    pub(crate) fn start(name: &str, command: &mut Command, directory: &Path, address: SocketAddr) -> Result<Self> {
        let mut daemon = Self::spawn(name, command, directory)?;
        daemon.wait_until_listening(address)?;
        Ok(daemon)
    }

    /// Start a server, its output going to `<directory>/<name>.log`, and wait for nothing.
    pub(crate) fn spawn(name: &str, command: &mut Command, directory: &Path) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its process ID.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Tell it to end (SIGTERM), and give the status that it ended with.
    pub(crate) fn end(mut self) -> Result<ExitStatus> {
        // Until it is waited for, the ID cannot belong to another process.
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let deadline = Instant::now() + END_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            sleep(LOOK_EVERY);
        }
        bail!("{} did not end within {} s of SIGTERM", self.name, END_LIMIT.as_secs())
    }

    /// Fails, with what it has printed, if it has ended by itself.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} has ended ({status}):\n{}", self.name, self.log()),
            None => Ok(()),
        }
    }

    fn wait_until_listening(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            self.ensure_running()?;
            if TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            sleep(LOOK_EVERY);
        }
        bail!("{} did not listen on {address} within {} s:\n{}", self.name, START_LIMIT.as_secs(), self.log())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It may have ended in between; then there is nothing to kill.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Free addresses on the loopback interface, a fixed number of them.
pub(crate) fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let addresses = free_addresses_of(Ipv4Addr::LOCALHOST, N)?;
    addresses.try_into().map_err(|_| anyhow!("found another number of free addresses than {N}"))
}

/// Free addresses of one host on the loopback interface. All are held until all are found, so that they differ.
pub(crate) fn free_addresses_of(host: Ipv4Addr, count: usize) -> Result<Vec<SocketAddr>> {
    let listen = || TcpListener::bind((host, 0)).with_context(|| format!("cannot listen on {host}"));
    let listeners: Vec<_> = (0..count).map(|_| listen()).collect::<Result<_>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?)).collect()
}
