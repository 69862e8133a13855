//! A real `redis-server`, or `valkey-server`.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::Client;
use crate::ports::free_port;
use crate::process::Process;
use crate::programs;
use crate::wait::{SOON, wait_until};

/// A `redis-server` on a port of its own that keeps nothing on disk, unless its options say otherwise.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    port: u16,
    options: Vec<String>,
    directory: TempDir,
    process: Process,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with further options, such as `--requirepass secret`.
    #[track_caller]
    pub fn start_with(options: &[&str]) -> Self {
        Self::start_program(Path::new("redis-server"), options)
    }

    /// Starts a Valkey 9 with further options: it has commands that Debian's `redis-server` lacks.
    #[track_caller]
    pub fn start_valkey_with(options: &[&str]) -> Self {
        Self::start_program(&programs::valkey_server(), options)
    }

    #[track_caller]
    fn start_program(program: &Path, options: &[&str]) -> Self {
        let port = free_port();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let process = spawn(program, port, &options, &directory);
        let mut server = Self { program: program.to_path_buf(), port, options, directory, process };
        server.wait_until_ready();
        server
    }

    /// Where it listens: `127.0.0.1:<port>`.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it was started with for an option such as `--tls-port`.
    pub fn option(&self, name: &str) -> Option<&str> {
        let at = self.options.iter().position(|option| option == name)?;
        self.options.get(at + 1).map(String::as_str)
    }

    /// A direct connection.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(&self.addr())
    }

    /// Ends it at once, as `kill -9` does. What it held is lost.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port: empty, unless its options let it keep something on disk.
    #[track_caller]
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = spawn(&self.program, self.port, &self.options, &self.directory);
        self.wait_until_ready();
    }

    /// Starts it again on another port, with what it has on disk: another server that has taken over from one that died.
    #[track_caller]
    pub fn restart_at(&mut self, port: u16) {
        self.process.kill();
        self.port = port;
        self.restart();
    }

    /// The process ID.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Stops its clock: it accepts connections (the kernel does) and answers nothing.
    pub fn pause(&mut self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on after [`RedisServer::pause`].
    pub fn resume(&mut self) {
        self.process.signal(Signal::CONT);
    }

    /// A number that `INFO` tells, such as `connected_clients` of the section `clients`.
    ///
    /// # Panics
    ///
    /// If it tells no such number.
    #[track_caller]
    pub fn info(client: &mut Client, section: &str, field: &str) -> u64 {
        let info = client.ask(&format!("INFO {section}"));
        let info = String::from_utf8_lossy(&info);
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let value = value.unwrap_or_else(|| panic!("INFO {section} does not tell {field}: {info}"));
        value.trim().parse().unwrap_or_else(|_| panic!("{field} is no number: {value}"))
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        let addr = self.addr();
        wait_until("redis-server answers", SOON, || {
            assert!(self.process.ended().is_none(), "redis-server ended:\n{}", self.process.output());
            let mut client = Client::try_connect(&addr).ok()?;
            client.send(&crate::inline("PING"));
            // Any answer will do: NOAUTH is one.
            client.try_reply().ok().flatten()
        });
    }
}

fn spawn(program: &Path, port: u16, options: &[String], directory: &TempDir) -> Process {
    let mut command = Command::new(program);
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        // Bulk strings and query buffers as large as the tests send them, whatever the distribution's defaults are.
        .args(["--proto-max-bulk-len", "512mb", "--client-query-buffer-limit", "1gb"])
        .args(options)
        .current_dir(directory.path());
    Process::spawn("redis-server", &mut command)
}
