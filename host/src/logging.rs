//! Logs: to stderr, for people or for machines, with a filter that can be changed while the process runs.

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// Where a filter is looked for when no flag gives one, in this order.
const VARIABLES: [&str; 2] = ["SLUICE_LOG", "RUST_LOG"];

/// The filter when nobody gives one.
const DEFAULT_FILTER: &str = "info";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Why logs cannot be kept as asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be understood.
    #[error(
        "{from} gives the log filter {text:?}, which cannot be understood: {error}; expected something like `info` or \
         `warn,sluice::upstream=debug`"
    )]
    Filter {
        /// Who gave it: a flag, a variable.
        from: &'static str,
        /// The filter.
        text: String,
        /// What is wrong with it.
        error: ParseError,
    },
    /// The filter says nothing at all.
    #[error("the log filter is empty; expected something like `info`, `warn,sluice::upstream=debug` or `off`")]
    EmptyFilter,
    /// This process already has its logs set up.
    #[error("logs are already set up in this process")]
    AlreadySet,
    /// The logs that this handle was for are gone.
    #[error("logs have ended")]
    Gone,
}

/// The filter in force; clones are the same one.
#[derive(Clone, Debug)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
}

impl LogFilter {
    /// The filter in force, as text that [`LogFilter::set`] understands.
    ///
    /// # Errors
    ///
    /// [`LogError::Gone`].
    pub fn show(&self) -> Result<String, LogError> {
        self.handle.with_current(ToString::to_string).map_err(|_| LogError::Gone)
    }

    /// Puts another filter in force, from the next log line on.
    ///
    /// # Errors
    ///
    /// The text is no filter; then the old one stays.
    pub fn set(&self, text: &str) -> Result<(), LogError> {
        let filter = parse(text, "the request")?;
        self.handle.reload(filter).map_err(|_| LogError::Gone)
    }
}

/// Starts the logs of this process. `flag` is the filter of the command line, which precedes the environment's.
///
/// # Errors
///
/// The filter cannot be understood, or the logs were started before.
pub fn start(format: LogFormat, flag: Option<&str>) -> Result<LogFilter, LogError> {
    let variable = |name| Some((name, std::env::var(name).ok()?));
    let filter = first_filter(flag, VARIABLES.into_iter().filter_map(variable))?;
    let colours = std::io::stderr().is_terminal();
    let (subscriber, filter) = subscriber(format, filter, std::io::stderr, colours);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::AlreadySet)?;
    Ok(filter)
}

/// The first filter that is given and not empty.
fn first_filter(
    flag: Option<&str>,
    mut variables: impl Iterator<Item = (&'static str, String)>,
) -> Result<EnvFilter, LogError> {
    if let Some(text) = flag {
        return parse(text, "--log-filter");
    }
    match variables.find(|(_, text)| !text.trim().is_empty()) {
        Some((name, text)) => parse(&text, name),
        None => parse(DEFAULT_FILTER, "the default"),
    }
}

fn parse(text: &str, from: &'static str) -> Result<EnvFilter, LogError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(LogError::EmptyFilter);
    }
    EnvFilter::builder().parse(text).map_err(|error| LogError::Filter { from, text: text.to_owned(), error })
}

fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    writer: W,
    colours: bool,
) -> (impl tracing::Subscriber + Send + Sync, LogFilter)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    let lines = match format {
        LogFormat::Human => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    (Registry::default().with(filter).with(lines), LogFilter { handle })
}

/// A filter that belongs to no logs of the process, and the guard that keeps it alive: for tests of what changes filters.
#[cfg(test)]
pub(crate) fn detached(text: &str) -> (impl tracing::Subscriber + Send + Sync, LogFilter) {
    #[allow(clippy::unwrap_used)]
    subscriber(LogFormat::Human, parse(text, "a test").unwrap(), std::io::sink, false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str, work: impl FnOnce(&LogFilter)) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let filter = parse(filter, "a test").unwrap();
        let (subscriber, filter) = subscriber(format, filter, move || writer.clone(), false);
        tracing::subscriber::with_default(subscriber, || work(&filter));
        lines.text()
    }

    #[test]
    fn the_flag_precedes_the_environment_and_empty_variables_do_not_count() {
        let variables = || [("SLUICE_LOG", String::new()), ("RUST_LOG", "debug".to_owned())].into_iter();
        assert_eq!(first_filter(Some("warn"), variables()).unwrap().to_string(), "warn");
        assert_eq!(first_filter(None, variables()).unwrap().to_string(), "debug");
        assert_eq!(first_filter(None, std::iter::empty()).unwrap().to_string(), "info");
    }

    #[test]
    fn a_bad_filter_says_where_it_came_from() {
        let error = first_filter(None, [("RUST_LOG", "sluice=loud".to_owned())].into_iter()).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("RUST_LOG gives the log filter \"sluice=loud\""), "{message}");
    }

    #[test]
    fn the_filter_can_be_changed_while_logging() {
        let text = logged(LogFormat::Human, "info", |filter| {
            tracing::debug!("first");
            assert_eq!(filter.show().unwrap(), "info");
            filter.set("sluice=debug").unwrap();
            assert_eq!(filter.show().unwrap(), "sluice=debug");
            tracing::debug!("second");
            assert!(filter.set("sluice=loud").is_err());
            assert!(filter.set(" ").is_err());
            tracing::debug!("third");
        });
        let words: Vec<_> = ["first", "second", "third"].iter().map(|word| text.contains(word)).collect();
        assert_eq!(words, [false, true, true], "{text}");
    }

    #[test]
    fn json_logs_are_one_object_a_line() {
        let text = logged(LogFormat::Json, "info", |_| {
            tracing::info!(source = "valkey", sessions = 3, "line\none");
            tracing::info!("line two");
        });
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["message"], "line\none");
        assert_eq!(lines[0]["source"], "valkey");
        assert_eq!(lines[0]["sessions"], 3);
        assert_eq!(lines[0]["level"], "INFO");
    }
}
