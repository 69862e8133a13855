//! A transform, and the part of the host that drives it.

use std::time::Duration;

use super::judge::{self, Args, Verdict};
use crate::host::native::{World, world};
use crate::instance::Instance;
use crate::log::Level;
use crate::metrics::Kind;
use crate::request::{HIDDEN, KEY, RequestColumns};
use crate::response::ResponseColumns;
use crate::sessions::Session;
use crate::{CommandSet, Interest, Reply, SessionId, Transform, View};

/// What can be a request: a line of words, or a list of arguments for what words cannot say.
pub trait IntoArgs {
    /// The arguments, the command's name first.
    fn into_args(self) -> Vec<Vec<u8>>;
}

impl IntoArgs for &str {
    fn into_args(self) -> Vec<Vec<u8>> {
        self.split_whitespace().map(Into::into).collect()
    }
}

impl<A: AsRef<[u8]>, const N: usize> IntoArgs for [A; N] {
    fn into_args(self) -> Vec<Vec<u8>> {
        self.iter().map(|arg| arg.as_ref().to_vec()).collect()
    }
}

impl<A: AsRef<[u8]>> IntoArgs for Vec<A> {
    fn into_args(self) -> Vec<Vec<u8>> {
        self.iter().map(|arg| arg.as_ref().to_vec()).collect()
    }
}

/// An instance of a transform, driven as the host drives it. See the [module](super).
#[derive(Debug)]
pub struct Harness<T> {
    config: String,
    instance: Instance<T>,
    interest: Interest,
    /// The commands that cross; `None` for all.
    commands: Option<CommandSet>,
    /// Those of which everything is shown.
    whole: CommandSet,
    last_id: u64,
}

/// Columns that own what they hold.
#[derive(Default)]
struct Batch {
    ids: Vec<u64>,
    sessions: Vec<u64>,
    commands: Vec<u16>,
    arg_counts: Vec<u32>,
    arg_offsets: Vec<u32>,
    arg_lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl Batch {
    fn push(&mut self, id: u64, session: u64, args: &Args, view: View, key_positions: bool) {
        let command = command(args);
        let mut keys = Vec::new();
        if key_positions {
            sluice_commands::key_positions(command, args, &mut keys);
        }
        self.ids.push(id);
        self.sessions.push(session);
        self.commands.push(command.index());
        self.arg_counts.push(args.len() as u32);
        for (position, arg) in args.iter().enumerate() {
            let key = keys.contains(&(position as u32));
            let shown = position == 0 || view == View::All || (view == View::Keys && key);
            self.arg_offsets.push(if shown { self.bytes.len() as u32 } else { HIDDEN });
            self.arg_lengths.push(arg.len() as u32 | if key { KEY } else { 0 });
            if shown {
                self.bytes.extend_from_slice(arg);
                // What lies between the arguments is not specified.
                self.bytes.extend_from_slice(b"\r\n");
            }
        }
    }

    fn columns(&self) -> RequestColumns<'_> {
        RequestColumns {
            ids: &self.ids,
            sessions: &self.sessions,
            commands: &self.commands,
            arg_counts: &self.arg_counts,
            arg_offsets: &self.arg_offsets,
            arg_lengths: &self.arg_lengths,
            bytes: &self.bytes,
        }
    }
}

fn command(args: &Args) -> sluice_commands::CommandId {
    sluice_commands::lookup(args.first().map_or(&[][..], Vec::as_slice), || args.get(1).map(Vec::as_slice))
}

impl<T: Transform> Harness<T> {
    /// A transform with this configuration, in a new world.
    ///
    /// # Errors
    ///
    /// What the operator would read: the transform's own sentence, or what does not fit its `Config`.
    pub fn new(config: serde_json::Value) -> Result<Self, String> {
        Self::with(config, |_| ())
    }

    /// The same, in a world where sessions are known: for transforms that use [`sessions`](crate::sessions).
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn with_sessions(
        config: serde_json::Value,
        sessions: impl IntoIterator<Item = (u64, Session)>,
    ) -> Result<Self, String> {
        Self::with(config, |world| world.sessions = sessions.into_iter().collect())
    }

    fn with(config: serde_json::Value, set_up: impl FnOnce(&mut World)) -> Result<Self, String> {
        world(|world| {
            *world = World::default();
            set_up(world);
        });
        Self::start(config.to_string())
    }

    fn start(config: String) -> Result<Self, String> {
        let (instance, interest) = Instance::configure(&config)?;
        let commands = interest.commands.as_ref().map(CommandSet::parse).transpose()?;
        let whole = CommandSet::parse(&interest.whole)?;
        Ok(Self { config, instance, interest, commands, whole, last_id: 0 })
    }

    /// Another instance of the same transform in the same world, as another worker has one: it shares the state and nothing else.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn sibling(&self) -> Result<Self, String> {
        Self::start(self.config.clone())
    }

    /// What the transform wants to be called for.
    #[must_use]
    pub fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Send a request in session 1.
    pub fn request(&mut self, line: impl IntoArgs) -> Verdict {
        self.request_in(1, line)
    }

    /// Send a request in a session.
    pub fn request_in(&mut self, session: u64, line: impl IntoArgs) -> Verdict {
        let Some(verdict) = self.requests([(session, line)]).pop() else { panic!("one request has one verdict") };
        verdict
    }

    /// Send requests of sessions in one batch.
    pub fn requests<A: IntoArgs>(&mut self, lines: impl IntoIterator<Item = (u64, A)>) -> Vec<Verdict> {
        let requests: Vec<_> = lines.into_iter().map(|(session, line)| (session, line.into_args())).collect();
        let mut batch = Batch::default();
        let mut crossed = Vec::new();
        let mut verdicts = Vec::new();
        for (session, args) in &requests {
            assert!(!args.is_empty(), "a request has at least one argument");
            self.last_id += 1;
            let command = crate::Command(command(args).index());
            if self.commands.as_ref().is_none_or(|commands| commands.contains(command)) {
                let view = if self.whole.contains(command) { View::All } else { self.interest.view };
                let key_positions = self.interest.key_positions || self.interest.view == View::Keys;
                batch.push(self.last_id, *session, args, view, key_positions);
                crossed.push((verdicts.len(), args));
            }
            verdicts.push(Verdict {
                id: self.last_id.into(),
                session: (*session).into(),
                action: judge::Action::Forward,
                watch: None,
            });
        }
        if crossed.is_empty() {
            return verdicts;
        }
        let originals: Vec<_> = crossed.iter().map(|(_, args)| *args).collect();
        match judge::verdicts(self.instance.requests(batch.columns()), &originals) {
            Ok(answer) => {
                for ((at, _), (action, watch)) in crossed.iter().zip(answer) {
                    verdicts[*at].action = action;
                    verdicts[*at].watch = watch;
                }
            }
            Err(why) => panic!("the host would refuse the answer: {why}"),
        }
        verdicts
    }

    /// Give the response to a request. `None`: it was kept, be it that the transform did not watch it.
    pub fn response(&mut self, verdict: &Verdict, reply: &Reply<'_>) -> Option<Reply<'static>> {
        let mut frame = Vec::new();
        reply.encode(&mut frame);
        self.response_frame(verdict, &frame)
    }

    /// Give the response to a request as a frame.
    pub fn response_frame(&mut self, verdict: &Verdict, frame: &[u8]) -> Option<Reply<'static>> {
        self.responses([(verdict, frame)]).pop().flatten()
    }

    /// Give the responses to several requests in one batch.
    pub fn responses<'f>(
        &mut self,
        responses: impl IntoIterator<Item = (&'f Verdict, &'f [u8])>,
    ) -> Vec<Option<Reply<'static>>> {
        let responses: Vec<_> = responses.into_iter().collect();
        let watched: Vec<_> =
            responses.iter().filter_map(|(verdict, frame)| Some((verdict, verdict.watch?, *frame))).collect();
        let mut all = vec![None; responses.len()];
        if watched.is_empty() {
            return all;
        }
        let ids: Vec<_> = watched.iter().map(|(verdict, ..)| verdict.id.get()).collect();
        let sessions: Vec<_> = watched.iter().map(|(verdict, ..)| verdict.session.get()).collect();
        let tags: Vec<_> = watched.iter().map(|(_, tag, _)| *tag).collect();
        let lengths: Vec<_> = watched.iter().map(|(.., frame)| frame.len() as u32).collect();
        let bytes = watched.iter().map(|(.., frame)| *frame).collect::<Vec<_>>().concat();
        for (.., frame) in &watched {
            if let Err(why) = judge::frame(frame) {
                panic!("the test gives a response that no server would give: {why}");
            }
        }
        let columns = ResponseColumns { ids: &ids, sessions: &sessions, tags: &tags, lengths: &lengths, bytes: &bytes };
        match judge::changes(self.instance.responses(columns), watched.len()) {
            Ok(changes) => {
                let places = all.iter_mut().zip(&responses).filter(|(_, (verdict, _))| verdict.watch.is_some());
                places.zip(changes).for_each(|((place, _), change)| *place = change);
            }
            Err(why) => panic!("the host would refuse the answer: {why}"),
        }
        all
    }

    /// The lines that were logged since this was last asked.
    pub fn log(&mut self) -> Vec<(Level, String)> {
        world(|world| std::mem::take(&mut world.log))
    }

    /// Keep lines up to this level only. All are kept at first.
    pub fn log_level(&mut self, level: Level) {
        world(|world| world.log_level = level);
    }

    /// The value of a counter or gauge.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.series(name, labels, |kind, values| {
            (kind != Kind::Histogram).then(|| values.last().copied().unwrap_or(0.0))
        })
    }

    /// The values that a histogram was given.
    #[must_use]
    pub fn observations(&self, name: &str, labels: &[(&str, &str)]) -> Option<Vec<f64>> {
        self.series(name, labels, |kind, values| (kind == Kind::Histogram).then(|| values.to_vec()))
    }

    /// What was [said](crate::metrics::explain) of the series of a name.
    #[must_use]
    pub fn help(&self, name: &str) -> Option<String> {
        world(|world| world.help.get(name).cloned())
    }

    fn series<R>(&self, name: &str, labels: &[(&str, &str)], of: impl Fn(Kind, &[f64]) -> Option<R>) -> Option<R> {
        let mut labels: Vec<_> = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        labels.sort();
        world(|world| {
            let series = world.series.iter().find(|series| series.name == name && series.labels == labels)?;
            of(series.kind, &series.values)
        })
    }

    /// Move the clock on.
    pub fn advance(&mut self, by: Duration) {
        world(|world| world.now += by);
    }

    /// A session ends: [`sessions`](crate::sessions) does not know it any more.
    pub fn end_session(&mut self, session: SessionId) {
        world(|world| drop(world.sessions.remove(&session.get())));
    }

    /// Bound the state, in bytes of keys and values. 1 MiB at first.
    pub fn state_limit(&mut self, bytes: usize) {
        world(|world| world.state_limit = bytes);
    }
}
