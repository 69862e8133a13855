//! `cargo xtask demo`: the proxy at work, with nothing but itself.
//!
//! It runs a chain of sandboxed components that ends in the embedded store, sends commands through it, and shows each of them
//! before the chain rewrote it and after. What comes back is checked, so that the demo cannot show something wrong and call it
//! a success.

mod script;
mod witness;

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use self::script::{SCRIPT, Step};
use self::witness::Observer;
use crate::daemon::{self, Daemon};
use crate::resp::Connection;
use crate::workspace::Workspace;
use crate::{components, process};

/// The two loggers are the windows through which the demo looks into the chain.
const CHAIN: &str = "        - RequestLogger: { values: true }
        - KeyPrefix: { prefix: \"demo:\" }
        - RequestLogger: { values: true }
        - MemoryStore
        - NullSink
";

/// Build everything, run the proxy, send commands and show what becomes of them.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    components::build(workspace)?;
    process::run(&mut workspace.build_host())?;

    let directory = workspace.target.join("demo");
    fs::create_dir_all(&directory)?;
    let [address] = daemon::free_addresses()?;
    let topology = directory.join("topology.yaml");
    let text = format!(
        "workers: 1\nsources:\n  - Valkey:\n      name: demo\n      listen_addr: \"{address}\"\n      chain:\n{CHAIN}"
    );
    fs::write(&topology, &text).with_context(|| format!("cannot write {}", topology.display()))?;

    let mut command = Command::new(workspace.sluice("debug"));
    command.args(["--log-format", "json", "--log-filter", "info", "run"]).arg(&topology);
    let daemon = Daemon::start("sluice", &mut command, &directory, address)?;
    println!("sluice runs this topology ({}):\n\n{text}", topology.display());
    println!("RequestLogger, KeyPrefix and MemoryStore are WebAssembly components, each in a sandbox of its own.\n");

    let mut connection = Connection::open(address)?;
    let mut witness = Observer::default();
    for (number, step) in SCRIPT.iter().enumerate() {
        show(step, &mut connection, &mut witness, &daemon)
            .with_context(|| format!("step {} of the demo", number + 1))?;
    }
    drop(connection);

    let status = daemon.end()?;
    ensure!(status.success(), "sluice ended with {status}");
    println!("SIGTERM: sluice ended, {status}.");
    println!("\nTo try it yourself:\n    {} run {}", workspace.sluice("debug").display(), topology.display());
    println!("    redis-cli -p {}", address.port());
    Ok(())
}

/// One write with the step's commands, and what became of each.
fn show(step: &Step, connection: &mut Connection, witness: &mut Observer, daemon: &Daemon) -> Result<()> {
    let commands: Vec<_> = step.iter().map(|line| line.command).collect();
    let replies = connection.pipeline(&commands)?;
    let seen = witness.wait_for(commands.len(), || daemon.log())?;
    if step.len() > 1 {
        println!("{} commands in one write:", step.len());
    }
    for ((line, reply), seen) in step.iter().zip(replies).zip(seen) {
        let reply = reply.to_string();
        println!("> {}", line.command.join(" "));
        println!("    before the chain   {}", seen.before);
        println!("    after the chain    {}", seen.after);
        println!("    reply              {reply}");
        ensure!(reply == line.reply, "expected the reply {}", line.reply);
        ensure!(seen.after == line.after, "expected {} after the chain", line.after);
    }
    println!();
    Ok(())
}
