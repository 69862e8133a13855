//! What an author writes: one type that implements [`Transform`].

use serde::de::DeserializeOwned;

use crate::{Change, CommandSet, Request, Requests, Response, Responses, Verdict};

/// A transform. Every method but [`new`](Self::new) has a default, which does nothing: requests are
/// forwarded, responses are kept.
///
/// The host makes an instance for each worker and place in a chain, and a new one after a fault: what an
/// instance remembers is its own. What instances must share belongs in [`state`](crate::state).
pub trait Transform: Sized + 'static {
    /// The transform's map in the topology. Derive `serde::Deserialize` with `deny_unknown_fields`, so that a misspelt key is an error
    /// and not a silent default. [`NoConfig`] is for transforms that have nothing to set.
    type Config: DeserializeOwned;

    /// Make an instance.
    ///
    /// # Errors
    ///
    /// A sentence for the operator: what was found and what was expected. The host shows it with the file and the path of the map. The
    /// answer must depend on the configuration alone.
    fn new(config: Self::Config) -> Result<Self, String>;

    /// Which requests the transform wants to see, and how much of each. By default everything; the less, the cheaper.
    fn interest(&self) -> Interest {
        Interest::everything()
    }

    /// Judge a request. A verdict that is left alone forwards it.
    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        let _ = (request, verdict);
    }

    /// Look at the response to a request that was [watched](Verdict::watch). A change that is left alone keeps it.
    fn response(&mut self, response: &Response<'_>, change: &mut Change<'_>) {
        let _ = (response, change);
    }

    /// Judge a whole batch. By default, [`request`](Self::request) for each; override it for what is to be done once a batch.
    #[inline]
    fn requests(&mut self, batch: &mut Requests<'_>) {
        while let Some((request, mut verdict)) = batch.next_request() {
            self.request(&request, &mut verdict);
        }
    }

    /// Look at a whole batch of responses. By default, [`response`](Self::response) for each.
    #[inline]
    fn responses(&mut self, batch: &mut Responses<'_>) {
        while let Some((response, mut change)) = batch.next_response() {
            self.response(&response, &mut change);
        }
    }
}

/// The configuration of a transform that has nothing to set: an empty map.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// How much of each request crosses into the transform. What it does not see is not copied, so large values cost nothing.
///
/// The number of the arguments and their lengths are known in every view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum View {
    /// Argument 0: the command's name as the client wrote it.
    Command = 0,
    /// Argument 0 and every argument that is a key.
    Keys = 1,
    /// Every argument.
    All = 2,
}

/// What a transform wants to be called for.
///
/// ```
/// use sluice_plugin::{Interest, View};
///
/// let interest = Interest::in_commands(["get", "config|set"]).view(View::Keys);
/// # let _ = interest;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    pub(crate) commands: Option<Vec<String>>,
    pub(crate) view: View,
    pub(crate) whole: Vec<String>,
    pub(crate) key_positions: bool,
}

impl Interest {
    /// Every request, those of unknown commands included, with all its arguments.
    #[must_use]
    pub fn everything() -> Self {
        Self { commands: None, view: View::All, whole: Vec::new(), key_positions: false }
    }

    /// Only the requests of these commands: names as the host's table has them, such as `get` or `config|set`. The name of a container
    /// (`config`) stands for all its subcommands. All other requests are forwarded without a call.
    #[must_use]
    pub fn in_commands<I>(names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self { commands: Some(names.into_iter().map(Into::into).collect()), ..Self::everything() }
    }

    /// Only the requests of these commands; everything where the set holds the unknown ones too, since those cannot be named.
    #[must_use]
    pub fn in_set(set: &CommandSet) -> Self {
        if set.contains(crate::Command::UNKNOWN) { Self::everything() } else { Self::in_commands(set.names()) }
    }

    /// How much of each request.
    #[must_use]
    pub fn view(self, view: View) -> Self {
        Self { view, ..self }
    }

    /// The requests of these commands with every argument, whatever the view: for the few that carry what is needed outside their keys.
    #[must_use]
    pub fn whole<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self { whole: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Let the host say which arguments are keys. The view [`Keys`](View::Keys) implies it.
    #[must_use]
    pub fn key_positions(self) -> Self {
        Self { key_positions: true, ..self }
    }
}
