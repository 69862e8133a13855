//! The command line.

mod command;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use sluice::logging::LogFormat;
use sluice::resp::inline;
use sluice_projects::Language;

/// A programmable proxy for Redis and Valkey whose transforms are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    logs: Logs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a topology until SIGTERM or SIGINT.
    Run {
        /// The topology, a YAML file.
        file: PathBuf,
        /// How many workers (threads that serve clients). Precedes `workers` in the topology; where neither is given, one for
        /// each CPU.
        #[arg(long, value_name = "N")]
        workers: Option<NonZeroUsize>,
        /// Look after the components that the topology declares: one that has changed is loaded and takes the place of the one that
        /// runs, while sessions and requests go on. One that cannot be loaded is reported and changes nothing.
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        cache: Cache,
    },
    /// Check a topology without running it: load and configure every plugin, open no port.
    Check {
        /// The topology, a YAML file.
        file: PathBuf,
        #[command(flatten)]
        cache: Cache,
    },
    /// Make plugins, and look at them.
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// Make a project: a small transform that builds at once, with its cases, a topology and the contract.
    New {
        /// The directory to make. Its last component is the name of the plugin: words of lower-case letters and digits, joined by
        /// hyphens, such as `card-mask`.
        name: PathBuf,
        /// The language to write it in.
        #[arg(long, short, value_parser = language)]
        language: Language,
    },
    /// Build the component of a project with the tools of its language, which are installed into a directory of the user's caches
    /// (or the one that SLUICE_TOOLS names) where they are missing.
    Build {
        /// The directory of the project: the one that has a `plugin.yaml`.
        #[arg(default_value = ".")]
        directory: PathBuf,
        #[command(flatten)]
        cache: Cache,
    },
    /// Measure what a component costs: crossings and frames at vectors of several sizes, in both phases, beside a component that
    /// does nothing; how long an instance takes to start, and its memory. Figures of a debug build say nothing.
    Bench {
        /// The component, a `.wasm` file, or the name of a standard plugin.
        component: String,
        /// Its configuration, as the chain of a topology has it: YAML or JSON.
        #[arg(long, default_value = "{}", value_parser = config)]
        config: serde_json::Value,
        /// A request to measure with, as typed into redis-cli; several take turns. Without it: SET and GET, or the commands that
        /// the component asks for.
        #[arg(long = "request", value_name = "LINE", value_parser = line)]
        requests: Vec<Line>,
        /// The frame that comes back for a watched request, with the escapes \r, \n, \t, \\ and \xHH.
        #[arg(long, value_name = "FRAME", default_value = "$16\r\n0123456789abcdef\r\n")]
        response: String,
        #[command(flatten)]
        cache: Cache,
    },
    /// Say what a component is, wants and costs: its description, the contract that it was made for, its lane and phases, what it
    /// imports and the grants that it needs; which requests it wants to see, given a configuration; its size, how long compiling
    /// and starting it takes, and the memory that it has then.
    Inspect {
        /// The component, a `.wasm` file, or the name of a standard plugin.
        component: String,
        /// Its configuration, as the chain of a topology has it: YAML or JSON. Without it: an empty one.
        #[arg(long, value_parser = config)]
        config: Option<serde_json::Value>,
    },
    /// Run a component against cases, without any server: what it makes of requests and responses, its log lines, its metrics, its
    /// faults. docs/cases.md says what a case file holds.
    Test {
        /// The component, a `.wasm` file, or the name of a standard plugin.
        component: String,
        /// The cases, a YAML file.
        cases: PathBuf,
        /// Only the cases whose name contains this.
        #[arg(long, value_name = "NAME-PART")]
        case: Option<String>,
        #[command(flatten)]
        cache: Cache,
    },
}

#[derive(Debug, Args)]
struct Logs {
    /// Which log lines are kept, such as `info` or `warn,sluice::upstream=debug`. Without it: the variable SLUICE_LOG, then
    /// RUST_LOG, then `info`.
    #[arg(long, global = true, value_name = "FILTER")]
    log_filter: Option<String>,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Human => Self::Human,
            Format::Json => Self::Json,
        }
    }
}

#[derive(Debug, Args)]
struct Cache {
    /// Where compiled components are kept. Without it: $XDG_CACHE_HOME/sluice, or ~/.cache/sluice.
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Compile components anew at every start.
    #[arg(long, conflicts_with = "cache_dir")]
    no_cache: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}", command::explain(&error));
            ExitCode::FAILURE
        }
    }
}

fn execute(Arguments { command, logs }: Arguments) -> anyhow::Result<()> {
    let filter = sluice::logging::start(logs.log_format.into(), logs.log_filter.as_deref())?;
    match command {
        Command::Run { file, workers, watch, cache } => command::run(&file, workers, watch, &cache.into(), filter),
        Command::Check { file, cache } => command::check(&file, &cache.into()),
        Command::Plugin { command } => execute_plugin(command),
    }
}

fn execute_plugin(command: PluginCommand) -> anyhow::Result<()> {
    match command {
        PluginCommand::New { name, language } => command::new(&name, language),
        PluginCommand::Build { directory, cache } => command::build(&directory, &cache.into()),
        PluginCommand::Test { component, cases, case, cache } => {
            command::test(&component, &cases, case.as_deref(), &cache.into())
        }
        PluginCommand::Bench { component, config, requests, response, cache } => {
            let requests: Vec<_> = requests.into_iter().map(|Line(words)| words).collect();
            command::bench(&component, &config, &requests, &response, &cache.into())
        }
        PluginCommand::Inspect { component, config } => command::inspect(&component, config.as_ref()),
    }
}

/// A request, as its words.
#[derive(Clone, Debug)]
struct Line(Vec<Vec<u8>>);

fn line(text: &str) -> Result<Line, String> {
    match inline::split(text.as_bytes()) {
        Ok(words) if words.is_empty() => Err("expected a command".to_owned()),
        Ok(words) => Ok(Line(words)),
        Err(error) => Err(error.to_string()),
    }
}

fn config(text: &str) -> Result<serde_json::Value, String> {
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}

fn language(name: &str) -> Result<Language, String> {
    Language::find(name).ok_or_else(|| {
        let names: Vec<_> = Language::ALL.iter().map(|language| language.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

impl From<Cache> for command::CacheChoice {
    fn from(Cache { cache_dir, no_cache }: Cache) -> Self {
        match cache_dir {
            _ if no_cache => Self::Nowhere,
            Some(dir) => Self::At(dir),
            None => Self::Default,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
