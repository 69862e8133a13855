//! The names that the host gives to messages and sessions.

use std::fmt;

/// A message ID: unique within the process. A response carries the ID of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u64);

/// A session: one client connection. Never given twice within a process; the order of two says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

macro_rules! id {
    ($name:ident) => {
        impl $name {
            /// The ID as the host wrote it.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(MessageId);
id!(SessionId);
