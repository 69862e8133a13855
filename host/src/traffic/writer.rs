//! Writes lines: one thread for each file, which may wait for the disk when no worker may.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use metrics::counter;

use super::line::Line;
use super::plan::{Destination, Plan};

/// How many lines may wait to be written. With the most that a line holds, 16 MiB and something.
const WAITING: usize = 4096;

/// Lines are written together until there are so many bytes.
const CHUNK: usize = 64 * 1024;

/// How long the end of the process may be held up by what waits to be written.
const END: Duration = Duration::from_secs(1);

/// How often the state of a writer is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(1);

/// The log of some sources; clones are the same one.
#[derive(Clone, Debug)]
pub struct Log(SyncSender<Message>);

/// The writers of a proxy. Dropping them writes what waits, for a second at most.
#[derive(Debug, Default)]
pub struct Writers(Vec<Writing>);

/// A log that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the traffic log {destination}: {error}")]
pub struct OpenError {
    /// Where it was to be written.
    pub destination: Destination,
    /// What the system said.
    pub error: io::Error,
}

#[derive(Debug)]
struct Writing {
    destination: Destination,
    messages: SyncSender<Message>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Message {
    Line(Box<Line>),
    Reopen,
    End,
}

impl Log {
    /// Has a line written. Never waits; `false`: there is no room, and the line is dropped.
    pub(super) fn send(&self, line: Box<Line>) -> bool {
        self.0.try_send(Message::Line(line)).is_ok()
    }
}

impl Writers {
    /// The log that `plan` asks for: a new one, or that of another source with the same
    /// destination.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or a thread cannot be had.
    pub fn open(&mut self, plan: &Plan) -> Result<Log, OpenError> {
        if let Some(writing) = self.0.iter().find(|writing| writing.destination == plan.destination) {
            return Ok(Log(writing.messages.clone()));
        }
        let failed = |error| OpenError { destination: plan.destination.clone(), error };
        let (messages, receiver) = sync_channel(WAITING);
        let writer = Writer::open(plan.destination.clone()).map_err(failed)?;
        let thread = std::thread::Builder::new().name("traffic-log".to_owned());
        let thread = thread.spawn(move || writer.run(&receiver)).map_err(failed)?;
        self.0.push(Writing { destination: plan.destination.clone(), messages: messages.clone(), thread });
        Ok(Log(messages))
    }

    /// Opens the files again, after they have been moved away: what was logged until now is still
    /// written to the old ones. Waits for a writer that is behind, for a second at most.
    pub fn reopen(&self) {
        let deadline = Instant::now() + END;
        for writing in self.0.iter().filter(|writing| writing.destination != Destination::Stdout) {
            if !writing.tell(|| Message::Reopen, deadline) {
                tracing::error!(file = %writing.destination, "the traffic log is not opened again: its writer does not keep up");
            }
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        let deadline = Instant::now() + END;
        for writing in self.0.drain(..) {
            // A pipe that nobody reads must not keep the process from ending.
            if writing.tell(|| Message::End, deadline) {
                while !writing.thread.is_finished() && Instant::now() < deadline {
                    std::thread::sleep(LOOK);
                }
            }
        }
    }
}

impl Writing {
    /// Puts a message behind the lines that wait. `false`: there was no room for it in time.
    fn tell(&self, message: impl Fn() -> Message, deadline: Instant) -> bool {
        while self.messages.try_send(message()).is_err() {
            if Instant::now() >= deadline || self.thread.is_finished() {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}

struct Writer {
    destination: Destination,
    out: Box<dyn Write + Send>,
    /// Lines that are to be written together.
    chunk: Vec<u8>,
    /// The source of each line in `chunk`.
    sources: Vec<Arc<str>>,
    /// Whether the last thing that was written is the beginning of a line.
    torn: bool,
    /// Whether it has been said that lines cannot be written.
    failing: bool,
}

impl Writer {
    fn open(destination: Destination) -> io::Result<Self> {
        let out = open(&destination)?;
        Ok(Self { destination, out, chunk: Vec::new(), sources: Vec::new(), torn: false, failing: false })
    }

    /// Writes until the end.
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            let mut next = Some(message);
            while let Some(message) = next {
                match message {
                    Message::Line(line) => {
                        line.write(&mut self.chunk);
                        self.sources.push(line.source.clone());
                    }
                    Message::Reopen => {
                        self.write();
                        self.reopen();
                    }
                    Message::End => return self.write(),
                }
                next = if self.chunk.len() < CHUNK { messages.try_recv().ok() } else { None };
            }
            self.write();
        }
    }

    fn reopen(&mut self) {
        match open(&self.destination) {
            Ok(out) => {
                self.out = out;
                (self.torn, self.failing) = (false, false);
                tracing::info!(file = %self.destination, "the traffic log is opened again");
            }
            Err(error) => {
                tracing::error!(file = %self.destination, %error, "cannot open the traffic log again; the old file is kept");
            }
        }
    }

    fn write(&mut self) {
        if self.torn {
            self.chunk.insert(0, b'\n');
        }
        match write(&mut *self.out, &self.chunk) {
            Ok(()) => (self.torn, self.failing) = (false, false),
            Err((written, error)) => {
                self.lost(written, &error);
            }
        }
        self.chunk.clear();
        self.sources.clear();
    }

    /// Some of the lines could not be written: count them, and say so once.
    #[cold]
    fn lost(&mut self, written: usize, error: &io::Error) {
        if !self.failing {
            tracing::error!(file = %self.destination, %error, "cannot write the traffic log; lines are dropped");
            self.failing = true;
        }
        let written = &self.chunk[..written];
        if let Some(last) = written.last() {
            self.torn = *last != b'\n';
        }
        let whole = written.iter().skip(usize::from(self.chunk.first() == Some(&b'\n')));
        let whole = whole.filter(|byte| **byte == b'\n').count();
        for source in &self.sources[whole.min(self.sources.len())..] {
            counter!("sluice_traffic_log_dropped_total", "source" => source.to_string()).increment(1);
        }
    }
}

fn open(destination: &Destination) -> io::Result<Box<dyn Write + Send>> {
    match destination {
        Destination::Stdout => Ok(Box::new(io::stdout())),
        Destination::File(path) => {
            let file: File = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            // It may have been there before, for everyone to read.
            if file.metadata()?.is_file() {
                file.set_permissions(Permissions::from_mode(0o600))?;
            }
            Ok(Box::new(file))
        }
    }
}

/// Writes all of it, or says how much was.
fn write(out: &mut dyn Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    out.flush().map_err(|error| (written, error))
}
