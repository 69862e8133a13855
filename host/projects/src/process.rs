//! Running other programs: to their end, for their output, or for a limited time.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Print a command, as a person would type it, and run it.
///
/// # Errors
///
/// See [`run`].
pub fn show_and_run(command: &mut Command) -> Result<()> {
    eprintln!("+ {}", words(command));
    run(command)
}

/// Print a command, run it, and give its standard output; what it writes to standard error is shown
/// as it comes.
///
/// # Errors
///
/// See [`run`].
pub fn show_and_read(command: &mut Command) -> Result<String> {
    eprintln!("+ {}", words(command));
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {}", describe(command)))?;
    ensure!(output.status.success(), "{} failed: {}", describe(command), output.status);
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed something that is not UTF-8", describe(command)))
}

/// Runs a program to its end, with this process's output.
///
/// # Errors
///
/// Anything but success; names the command.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", describe(command)))?;
    ensure!(status.success(), "{} failed: {status}", describe(command));
    Ok(())
}

/// Runs a program and gives its standard output.
///
/// # Errors
///
/// Anything but success, with what it wrote to standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", describe(command)))?;
    if !output.status.success() {
        bail!(
            "{} failed: {}\n{}",
            describe(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed something that is not UTF-8", describe(command)))
}

/// Runs a program for at most `limit`; it is killed when the time is up.
///
/// # Errors
///
/// Anything but success within that time.
pub fn run_for_at_most(limit: Duration, command: &mut Command) -> Result<()> {
    let mut child =
        command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start {}", describe(command)))?;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{} failed: {status}", describe(command));
            return Ok(());
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            bail!("{} did not end within {} s", describe(command), limit.as_secs());
        }
        sleep(Duration::from_millis(50));
    }
}

/// Python, as it is called here.
///
/// # Errors
///
/// There is none; says how to install it.
pub fn python() -> Result<Command> {
    let name = ["python3", "python"].into_iter().find(|name| is_there(name));
    let name =
        name.context("there is no Python: install Python 3.10 or later (Debian: apt-get install python3 python3-pip)")?;
    Ok(Command::new(name))
}

/// Whether the search path holds this program.
#[must_use]
pub fn is_there(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|paths| std::env::split_paths(&paths).any(|directory| directory.join(program).is_file()))
}

/// The command as a person would type it, more or less.
fn words(command: &Command) -> String {
    let words: Vec<_> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn describe(command: &Command) -> String {
    format!("`{}`", words(command))
}
