//! Who a connection is to its server: what a session has said of itself, and how that is said again on another connection.
//!
//! A server keeps the user, the database and the protocol with the connection. Sessions that agree in all of it can share connections;
//! the rest ([`Profile`]) matters on a session's private connection only.

use std::fmt;
use std::rc::Rc;

use super::reply_matching::{Expect, Subscriptions};
use crate::resp::{Protocol, encode};

/// The state of a connection that decides what its commands do. Sessions of the same identity share connections.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Identity {
    /// The user, once authenticated; `None`: whoever the server takes a new connection for.
    pub credentials: Option<Rc<Credentials>>,
    /// The database.
    pub database: u32,
    /// The protocol.
    pub protocol: Protocol,
    /// READONLY.
    pub readonly: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// How often the server's users had changed, as far as the proxy knows, when the session was last nobody in particular: the server goes
    /// on taking a connection for what it took it for when it was established.
    pub epoch: u64,
}

/// A user and the password that the server accepted. Shown nowhere.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Credentials {
    /// The user's name; `None`: only a password was given, which is the default user's.
    pub user: Option<Box<[u8]>>,
    /// The password.
    pub password: Box<[u8]>,
}

impl Credentials {
    fn user(&self) -> &[u8] {
        self.user.as_deref().unwrap_or(b"default")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, …)", self.user().escape_ascii())
    }
}

/// What a session has said of itself that changes nothing but how the server lists it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Profile {
    /// CLIENT SETNAME.
    pub name: Option<Box<[u8]>>,
    /// CLIENT SETINFO LIB-NAME.
    pub library: Option<Box<[u8]>>,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: Option<Box<[u8]>>,
}

/// What a private connection of a cluster's node begins with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Opening {
    /// The session's own request.
    #[default]
    Request,
    /// ASKING: the request that follows is for a slot that the node is about to get.
    Asking,
    /// MULTI: the requests that follow are those of a transaction.
    Multi,
    /// ASKING and MULTI.
    AskingMulti,
}

/// What to make of the reply to a command of the proxy's own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Own {
    /// An error means that the connection is not what it was to be.
    Must,
    /// Any reply will do.
    May,
    /// As [`Own::May`]; but if it is an error, another command is to do the same: the [`Own::Again`] behind it, as brackets go.
    Try,
    /// As [`Own::Must`], unless its [`Own::Try`] has succeeded.
    Again,
    /// The reply is the ID that the server gives the connection; any other reply will do.
    Id,
    /// The server must not be a replica: another one of its list is the primary.
    Role,
    /// One of the confirmations of a subscription; messages may come before it.
    Confirmation,
}

/// Commands that make a new connection what it is to be, and what to make of their replies.
#[derive(Clone, Debug, Default)]
pub(super) struct Greeting {
    pub(super) bytes: Vec<u8>,
    pub(super) replies: Vec<Own>,
}

impl Greeting {
    /// What a connection that sessions of an identity share begins with. Nothing where the server takes it for that anyway.
    ///
    /// A session may have selected its database as one user and gone on as another, who must not select any. So what needs rights is said
    /// before the user, and behind it again.
    pub(super) fn shared(identity: &Identity) -> Self {
        let mut greeting = Self::default();
        let database = identity.database.to_string();
        let rights = [
            (identity.database != 0, [Own::Try, Own::Again], &[&b"SELECT"[..], database.as_bytes()][..]),
            (identity.readonly, [Own::May; 2], &[b"READONLY"]),
            (identity.no_evict, [Own::May; 2], &[b"CLIENT", b"NO-EVICT", b"ON"]),
            (identity.no_touch, [Own::May; 2], &[b"CLIENT", b"NO-TOUCH", b"ON"]),
        ];
        let wanted = || rights.iter().filter(|(wanted, ..)| *wanted);
        if identity.credentials.is_some() {
            wanted().for_each(|(_, [before, _], words)| greeting.add(*before, words));
        }
        match (identity.protocol, identity.credentials.as_deref()) {
            (Protocol::Resp3, Some(credentials)) => {
                greeting.add(Own::Must, &[b"HELLO", b"3", b"AUTH", credentials.user(), &credentials.password]);
            }
            (Protocol::Resp3, None) => greeting.add(Own::Must, &[b"HELLO", b"3"]),
            // Servers older than users do not know the one, servers without a password (any more) refuse the other.
            (Protocol::Resp2, Some(Credentials { user: None, password })) => {
                greeting.add(Own::Try, &[b"AUTH", b"default", password]);
                greeting.add(Own::Again, &[b"AUTH", password]);
            }
            (Protocol::Resp2, Some(Credentials { user: Some(user), password })) => {
                greeting.add(Own::Must, &[b"AUTH", user, password]);
            }
            (Protocol::Resp2, None) => {}
        }
        wanted().for_each(|(_, [_, behind], words)| greeting.add(*behind, words));
        greeting
    }

    /// What a connection for one session begins with. Never nothing: behind its reply, everything that was answered before on other
    /// connections is in the connection's past, which is what WAIT goes by.
    ///
    /// `labelled`: whether the server may take the connection for that of somebody's library.
    /// `known`: whether the ID is known that the server gives the connection.
    pub(super) fn private(identity: &Identity, profile: &Profile, labelled: bool, known: bool) -> Self {
        let mut greeting = Self::shared(identity);
        for (value, words, otherwise) in [
            (&profile.name, &[&b"CLIENT"[..], b"SETNAME"][..], false),
            (&profile.library, &[b"CLIENT", b"SETINFO", b"LIB-NAME"], labelled),
            (&profile.library_version, &[b"CLIENT", b"SETINFO", b"LIB-VER"], labelled),
        ] {
            if let Some(value) = value.as_deref().or(otherwise.then_some(b"")) {
                let words: Vec<&[u8]> = words.iter().copied().chain([value]).collect();
                greeting.add(Own::May, &words);
            }
        }
        if !known {
            greeting.add(Own::Id, &[b"CLIENT", b"ID"]);
        } else if greeting.replies.is_empty() {
            greeting.add(Own::May, &[b"PING"]);
        }
        greeting
    }

    /// Have the connection used whatever the server makes of it so far.
    pub(super) fn forgive(&mut self) {
        self.replies.iter_mut().filter(|own| **own != Own::Id).for_each(|own| *own = Own::May);
    }

    /// Add a command with one reply.
    pub(super) fn add(&mut self, own: Own, words: &[&[u8]]) {
        encode::request(&mut self.bytes, words.iter().copied());
        self.replies.push(own);
    }

    /// Say what the session's own requests need to follow.
    pub(super) fn open(&mut self, opening: Opening) {
        if matches!(opening, Opening::Asking | Opening::AskingMulti) {
            self.add(Own::Must, &[b"ASKING"]);
        }
        if matches!(opening, Opening::Multi | Opening::AskingMulti) {
            self.add(Own::Must, &[b"MULTI"]);
        }
    }

    /// Subscribe again.
    pub(super) fn subscribe(&mut self, subscriptions: &Subscriptions) {
        for (request, expect) in subscriptions.requests() {
            self.bytes.extend_from_slice(&request);
            if let Expect::Confirmations { channels, .. } = expect {
                self.replies.extend(std::iter::repeat_n(Own::Confirmation, channels as usize));
            }
        }
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn words(greeting: &Greeting) -> String {
        let text = String::from_utf8_lossy(&greeting.bytes);
        text.split("\r\n").filter(|word| !word.starts_with(['*', '$'])).collect::<Vec<_>>().join(" ").trim().to_owned()
    }

    fn credentials(user: &str) -> Option<Rc<Credentials>> {
        Some(Rc::new(Credentials {
            user: (!user.is_empty()).then(|| user.as_bytes().into()),
            password: b"secret"[..].into(),
        }))
    }

    #[test]
    fn a_new_connection_says_what_its_sessions_have_said() {
        let plain = Identity::default();
        assert_eq!(words(&Greeting::shared(&plain)), "");
        assert_eq!(words(&Greeting::private(&plain, &Profile::default(), false, true)), "PING");
        let clean = Greeting::private(&plain, &Profile::default(), true, true);
        assert_eq!(words(&clean), "CLIENT SETINFO LIB-NAME  CLIENT SETINFO LIB-VER");
        let old = Identity { credentials: credentials(""), database: 2, ..Identity::default() };
        let greeting = Greeting::shared(&old);
        assert_eq!(words(&greeting), "SELECT 2 AUTH default secret AUTH secret SELECT 2");
        assert_eq!(greeting.replies, [Own::Try, Own::Try, Own::Again, Own::Again]);
        let two = Identity { credentials: credentials("default"), ..Identity::default() };
        assert_eq!(words(&Greeting::shared(&two)), "AUTH default secret");
        let new = Identity { credentials: credentials("joe"), protocol: Protocol::Resp3, no_evict: true, ..plain };
        let profile = Profile { name: Some(b"me"[..].into()), ..Profile::default() };
        let greeting = Greeting::private(&new, &profile, false, false);
        let told = "CLIENT NO-EVICT ON HELLO 3 AUTH joe secret CLIENT NO-EVICT ON CLIENT SETNAME me CLIENT ID";
        assert_eq!(words(&greeting), told);
        assert_eq!(greeting.replies, [Own::May, Own::Must, Own::May, Own::May, Own::Id]);
    }

    #[test]
    fn passwords_are_not_shown() {
        let identity = Identity { credentials: credentials("joe"), ..Identity::default() };
        assert!(!format!("{identity:?}").contains("secret"));
    }
}
