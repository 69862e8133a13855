//! `cargo xtask`: the developers' commands.
//!
//! Each of them does its own set-up, so that a fresh machine with Rust needs nothing else.

mod apt;
mod bench;
mod check;
mod components;
mod daemon;
mod demo;
mod docs;
mod languages;
mod node;
mod python;
mod redis_server;
mod resp;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use sluice_projects::process;

use crate::workspace::Workspace;

/// The developers' commands of Sluice.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// See the proxy at work, with a chain of components on the embedded store
    Demo,
    /// Get what the tests need, and run them: all, or those whose name contains NAME
    Test(test::Options),
    /// Check the format, the lints and the unit tests: what can be known in a minute
    Check,
    /// Build the components alone, into target/components
    Components(Components),
    /// Build the release host and every component
    Build(Components),
    /// Write the reference of the contract, docs/contract.md, from the interfaces
    Docs,
    /// Measure the proxy, and others beside it
    Bench(bench::Options),
}

/// Which components.
#[derive(clap::Args)]
struct Components {
    /// Build the transforms in all languages too (examples/transforms); their tools come from the registries
    #[arg(long)]
    languages: bool,
}

impl Components {
    fn build(&self, workspace: &Workspace) -> Result<()> {
        components::build(workspace)?;
        if self.languages {
            languages::build(workspace, languages::Which::All)?;
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    let workspace = Workspace::discover()?;
    match command {
        Command::Demo => demo::run(&workspace),
        Command::Test(options) => test::run(&workspace, options),
        Command::Check => check::run(&workspace),
        Command::Docs => docs::write(&workspace),
        Command::Bench(options) => bench::run(&workspace, options),
        Command::Components(options) => options.build(&workspace),
        Command::Build(options) => {
            options.build(&workspace)?;
            process::run(workspace.cargo().args(["build", "--release", "--package", "sluice"]))?;
            println!("built {}", workspace.sluice("release").display());
            Ok(())
        }
    }
}
