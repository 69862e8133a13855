//! What a command changes of its session, once the server has agreed: kept by the proxy, so that it can be said again on any connection.
//!
//! A change is noted when its request is sent and applied when the server's reply says so. In a transaction that is the reply to EXEC.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sluice_commands::{ClientIdForm, CommandId, ConnectionNeed, NodesForm, Sets, Tells};

use super::clients::Client;
use crate::chain::vector::Arguments;
use crate::resp::{Protocol, encode, reply};
use crate::upstream::{Credentials, Identity, Profile};

/// One change.
#[derive(Clone, Debug)]
pub(super) enum StateChange {
    /// HELLO, with what it was given.
    Hello { protocol: Option<Protocol>, credentials: Option<Rc<Credentials>>, name: Option<Box<[u8]>> },
    /// AUTH.
    Auth(Rc<Credentials>),
    /// SELECT.
    Select(u32),
    /// READONLY, READWRITE.
    Readonly(bool),
    /// CLIENT NO-EVICT.
    NoEvict(bool),
    /// CLIENT NO-TOUCH.
    NoTouch(bool),
    /// CLIENT SETNAME.
    Name(Box<[u8]>),
    /// CLIENT SETINFO LIB-NAME.
    Library(Box<[u8]>),
    /// CLIENT SETINFO LIB-VER.
    LibraryVersion(Box<[u8]>),
    /// CLIENT TRACKING.
    Tracking(bool),
    /// ACL SETUSER and the like: a new connection may be taken for less than the old ones are.
    Users,
    /// RESET.
    Reset,
    /// MULTI.
    Multi,
    /// WATCH.
    Watch,
    /// It changes nothing, but its reply names nodes of a cluster in this form.
    Nodes(NodesForm),
    /// It changes nothing, but its reply gives the ID of its connection in this form.
    ClientId(ClientIdForm),
    /// CLIENT KILL by IDs: these clients are disconnected; where the server judges, only if it has
    /// disconnected one.
    Kill { victims: Rc<[Arc<Client>]>, judged: bool },
    /// CLIENT LIST by IDs: the servers' ID of each client, and the one that it was told.
    Listed(Rc<[(i64, u64)]>),
    /// It was refused before it was sent, with this reply: what was sent in its place makes the
    /// server fail the transaction.
    Refused(Bytes),
    /// What it changes is not known: the connection is not what another session could be lent.
    Unknown,
    /// EXEC, with the changes of its transaction, each with its place among the replies.
    Exec(Vec<(usize, StateChange)>),
}

/// Who a session is to the server, as the proxy keeps it.
#[derive(Clone, Debug)]
pub(crate) struct SessionState {
    pub(crate) identity: Rc<Identity>,
    pub(super) profile: Profile,
    /// Who executes what is queued in a transaction, where a change of that waits for EXEC.
    foreseen: Option<Foreseen>,
}

/// Who will execute what is queued behind a change in a transaction.
#[derive(Clone, Debug)]
struct Foreseen {
    /// With the databases and protocols that were asked for. They fail only where no such database
    /// or protocol exists.
    identity: Rc<Identity>,
    /// Whether a user has been named whose password only the server can judge.
    in_doubt: bool,
}

/// Who a session is: routing writes it, and everything that asks who a session is reads it.
pub(crate) type SharedState = Rc<RefCell<SessionState>>;

impl StateChange {
    /// The change that a request asks for, if it asks for one: by what its command sets, or tells.
    pub(super) fn of(command: CommandId, need: ConnectionNeed, arguments: &Arguments<'_>) -> Option<Self> {
        let word = |at: usize| arguments.get(at);
        let boxed = |at: usize| word(at).map(Box::<[u8]>::from);
        let is = |at: usize, wanted: &[u8]| word(at).is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        let effect = command.effect();
        Some(match effect.sets {
            Sets::Nothing => match effect.tells {
                _ if need == ConnectionNeed::Unknown => Self::Unknown,
                Tells::Nodes(form) => Self::Nodes(form),
                Tells::ClientId(form) => Self::ClientId(form),
                Tells::Nothing => return None,
            },
            Sets::User => Self::Auth(Rc::new(match (boxed(1)?, boxed(2)) {
                (user, Some(password)) => Credentials { user: Some(user), password },
                (password, None) => Credentials { user: None, password },
            })),
            Sets::Greeting => hello(arguments),
            Sets::Database => Self::Select(std::str::from_utf8(word(1)?).ok()?.parse().ok()?),
            // With arguments it is refused.
            Sets::Reset if word(1).is_some() => return None,
            Sets::Reset => Self::Reset,
            Sets::Readonly(readonly) => Self::Readonly(readonly),
            Sets::NoEvict => Self::NoEvict(is(2, b"ON")),
            Sets::NoTouch => Self::NoTouch(is(2, b"ON")),
            Sets::Name => Self::Name(boxed(2)?),
            Sets::Library if is(2, b"LIB-NAME") => Self::Library(boxed(3)?),
            Sets::Library if is(2, b"LIB-VER") => Self::LibraryVersion(boxed(3)?),
            Sets::Library => return None,
            Sets::Tracking => Self::Tracking(is(2, b"ON")),
            Sets::Users => Self::Users,
            Sets::UsersByParameter => {
                // Parameters stand before their values.
                let mut parameters = (2..).step_by(2).map_while(word);
                parameters.any(|name| name.eq_ignore_ascii_case(b"requirepass")).then_some(Self::Users)?
            }
            Sets::Transaction | Sets::Watch if need == ConnectionNeed::Shared => return None,
            Sets::Transaction => Self::Multi,
            Sets::Watch => Self::Watch,
        })
    }

    /// Whether the server's reply says that it was done.
    pub(super) fn is_confirmed_by(&self, reply: &[u8]) -> bool {
        match self {
            Self::Users => !reply::is_error(reply),
            // A server that does not know the command has done nothing.
            Self::Kill { judged, .. } => reply::integer(reply).is_some_and(|killed| killed > 0 || !judged),
            Self::Refused(_) => false,
            Self::Unknown => !reply.starts_with(b"-ERR unknown ") && reply != encode::QUEUED,
            Self::Hello { .. } => !reply::is_error(reply) && reply != encode::QUEUED,
            Self::Reset => reply.starts_with(b"+RESET"),
            Self::Exec(_) => reply.starts_with(b"*") && !reply.starts_with(b"*-1"),
            _ => reply == encode::OK,
        }
    }
}

fn hello(arguments: &Arguments<'_>) -> StateChange {
    let protocol = arguments.get(1).and_then(Protocol::of_version);
    let (mut credentials, mut name) = (None, None);
    let mut at = 2;
    while let Some(option) = arguments.get(at) {
        if option.eq_ignore_ascii_case(b"AUTH") {
            if let (Some(user), Some(password)) = (arguments.get(at + 1), arguments.get(at + 2)) {
                credentials = Some(Rc::new(Credentials { user: Some(user.into()), password: password.into() }));
            }
            at += 3;
        } else {
            name = arguments.get(at + 1).map(Box::from);
            at += 2;
        }
    }
    StateChange::Hello { protocol, credentials, name }
}

impl StateChange {
    /// Whether what follows may mean something else without it: the session is not what its client takes it for when it is not known
    /// whether this has happened.
    pub(super) fn is_decisive(&self) -> bool {
        match self {
            Self::Hello { .. } | Self::Auth(_) | Self::Select(_) | Self::Readonly(_) | Self::Reset => true,
            Self::Exec(changes) => changes.iter().any(|(_, change)| change.is_decisive()),
            _ => false,
        }
    }

    /// Whether it says who the session is, so that it must not matter who it was before.
    pub(super) fn introduces(&self) -> bool {
        matches!(self, Self::Auth(_) | Self::Hello { credentials: Some(_), .. } | Self::Reset)
    }
}

impl SessionState {
    pub(super) fn new(beginning: Rc<Identity>) -> Self {
        Self { identity: beginning, profile: Profile::default(), foreseen: None }
    }

    /// Who executes the session's next request: in a transaction, behind the changes that it holds.
    pub(crate) fn next(&self) -> &Identity {
        self.foreseen.as_ref().map_or(&self.identity, |foreseen| &foreseen.identity)
    }

    /// Whether a change of who the session is waits for EXEC.
    pub(crate) fn is_changing(&self) -> bool {
        self.foreseen.is_some()
    }

    /// Whether only the server can tell who executes the session's next request: it has named
    /// another user in a transaction.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.foreseen.as_ref().is_some_and(|foreseen| foreseen.in_doubt)
    }

    /// These changes wait for EXEC.
    pub(super) fn foresee<'a>(&mut self, changes: impl Iterator<Item = &'a StateChange>) {
        self.foreseen = None;
        for change in changes.filter(|change| change.is_decisive()) {
            let begun = Foreseen { identity: self.identity.clone(), in_doubt: false };
            let foreseen = self.foreseen.get_or_insert(begun);
            foreseen.in_doubt |= change.introduces();
            let identity = Rc::make_mut(&mut foreseen.identity);
            match change {
                StateChange::Select(database) => identity.database = *database,
                StateChange::Hello { protocol: Some(protocol), .. } => identity.protocol = *protocol,
                _ => {}
            }
        }
    }

    /// The name of its user: UTF-8 as it is, anything else with escapes. A backslash is escaped
    /// too, so that no two users look alike.
    pub(crate) fn user(&self) -> String {
        let credentials = self.next().credentials.as_deref();
        let name = credentials.and_then(|credentials| credentials.user.as_deref()).unwrap_or(b"default");
        match std::str::from_utf8(name) {
            Ok(name) if !name.contains('\\') => name.to_owned(),
            _ => name.escape_ascii().to_string(),
        }
    }

    /// The server has confirmed a change of this. `beginning`: what a new session is.
    pub(super) fn apply(&mut self, change: StateChange, beginning: &Rc<Identity>) {
        let identity = || Rc::unwrap_or_clone(self.identity.clone());
        let name = |name: Box<[u8]>| (!name.is_empty()).then_some(name);
        match change {
            StateChange::Hello { protocol, credentials, name: given } => {
                let mut identity = identity();
                identity.protocol = protocol.unwrap_or(identity.protocol);
                if credentials.is_some() {
                    (identity.credentials, identity.epoch) = (credentials, 0);
                }
                if let Some(given) = given {
                    self.profile.name = name(given);
                }
                self.identity = Rc::new(identity);
            }
            StateChange::Auth(credentials) => {
                self.identity = Rc::new(Identity { credentials: Some(credentials), epoch: 0, ..identity() });
            }
            StateChange::Select(database) => self.identity = Rc::new(Identity { database, ..identity() }),
            StateChange::Readonly(readonly) => self.identity = Rc::new(Identity { readonly, ..identity() }),
            StateChange::NoEvict(no_evict) => self.identity = Rc::new(Identity { no_evict, ..identity() }),
            StateChange::NoTouch(no_touch) => self.identity = Rc::new(Identity { no_touch, ..identity() }),
            StateChange::Name(given) => self.profile.name = name(given),
            StateChange::Library(given) => self.profile.library = name(given),
            StateChange::LibraryVersion(given) => self.profile.library_version = name(given),
            StateChange::Reset => *self = Self::new(beginning.clone()),
            // What these change is not the session's, but its connection's or the server's.
            StateChange::Tracking(_)
            | StateChange::Users
            | StateChange::Multi
            | StateChange::Watch
            | StateChange::Nodes(_)
            | StateChange::ClientId(_)
            | StateChange::Kill { .. }
            | StateChange::Listed(_)
            | StateChange::Refused(_)
            | StateChange::Unknown
            | StateChange::Exec(_) => {}
        }
    }
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::resp::{Span, request::RequestScanner};

    fn change(line: &str) -> Option<StateChange> {
        let mut frame = Vec::new();
        encode::request(&mut frame, line.split(' ').map(str::as_bytes));
        let mut spans: Vec<Span> = Vec::new();
        RequestScanner::default().scan(&frame, &mut spans).unwrap();
        let arguments = Arguments::new(&frame, &spans);
        let command = crate::chain::vector::lookup(&arguments);
        StateChange::of(command, command.need_with(&arguments), &arguments)
    }

    fn after(lines: &[&str]) -> SessionState {
        let mut state = SessionState::new(Rc::default());
        lines.iter().for_each(|line| state.apply(change(line).unwrap(), &Rc::default()));
        state
    }

    #[test]
    fn what_a_session_says_of_itself_is_kept() {
        let state = after(&["HELLO 3 AUTH joe secret SETNAME me", "SELECT 5", "CLIENT NO-EVICT ON"]);
        let identity = &*state.identity;
        assert_eq!((identity.protocol, identity.database, identity.no_evict), (Protocol::Resp3, 5, true));
        assert_eq!(identity.credentials.as_ref().unwrap().user.as_deref(), Some(&b"joe"[..]));
        assert_eq!(state.profile.name.as_deref(), Some(&b"me"[..]));
        let state = after(&["AUTH secret", "HELLO", "CLIENT SETNAME a"]);
        assert_eq!(state.identity.credentials.as_ref().unwrap().user, None);
        assert_eq!(state.identity.protocol, Protocol::Resp2);
    }

    #[test]
    fn reset_and_an_empty_name_forget() {
        let state = after(&["SELECT 5", "CLIENT SETNAME a", "RESET"]);
        assert_eq!(*state.identity, Identity::default());
        assert_eq!(state.profile, Profile::default());
    }

    #[test]
    fn only_what_the_server_confirms_has_happened() {
        for (line, reply, expected) in [
            ("SELECT 1", &b"+OK\r\n"[..], true),
            ("SELECT 1", b"-ERR DB index is out of range\r\n", false),
            ("SELECT 1", b"+QUEUED\r\n", false),
            ("HELLO 3", b"%7\r\n", true),
            ("HELLO 3", b"-NOPROTO sorry\r\n", false),
            ("RESET", b"+RESET\r\n", true),
        ] {
            assert_eq!(change(line).unwrap().is_confirmed_by(reply), expected, "{line}");
        }
        assert!(change("GET a").is_none() && change("AUTH").is_none() && change("SELECT x").is_none());
    }
}
