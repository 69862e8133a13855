//! Sets of named bits: what a command is flagged with, the ACL categories that it is in, how it uses its keys.

/// Declares a set type: its constants, its names, and a module of the bare bits, which rows of the table combine with
/// `|`.
macro_rules! bits {
    ($(#[$doc:meta])* $set:ident, $module:ident {
        $($(#[$bit_doc:meta])* $bit:ident = $position:literal $name:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Copy, Clone, Eq, PartialEq, Hash, Default)]
        pub struct $set(u32);

        impl $set {
            $($(#[$bit_doc])* pub const $bit: Self = Self(1 << $position);)*

            const NAMES: &[(u32, &str)] = &[$((1 << $position, $name)),*];

            pub(crate) const fn from_bits(bits: u32) -> Self {
                Self(bits)
            }

            /// Whether every bit of `other` is in this set; true for an empty `other`.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any bit of `other` is in this set; false for an empty `other`.
            #[must_use]
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Whether nothing is in this set.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Everything that is in this set or in `other`.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The names of what is in this set, as the server's `COMMAND` writes them but for the case.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().filter(move |(bit, _)| self.0 & bit != 0).map(|&(_, name)| name)
            }

            /// The member of this name, as [`Self::names`] gives it.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::NAMES.iter().find(|(_, known)| *known == name).map(|&(bit, _)| Self(bit))
            }

            /// The names that there are.
            pub fn all_names() -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().map(|&(_, name)| name)
            }
        }

        impl std::fmt::Debug for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_set().entries(self.names()).finish()
            }
        }

        #[allow(dead_code)]
        pub(crate) mod $module {
            $(pub(crate) const $bit: u32 = 1 << $position;)*
        }
    };
}

bits! {
    /// What the server says of a command: `redis.io/docs/latest/commands/command` describes each.
    Flags, flag {
        /// May change data.
        WRITE = 0 "write",
        /// Reads data and never changes it.
        READONLY = 1 "readonly",
        /// Refused while the server is out of memory.
        DENYOOM = 2 "denyoom",
        /// Administers the server.
        ADMIN = 3 "admin",
        /// Belongs to publish/subscribe.
        PUBSUB = 4 "pubsub",
        /// Not allowed in scripts.
        NOSCRIPT = 5 "noscript",
        /// May wait before it replies.
        BLOCKING = 6 "blocking",
        /// Allowed while the server loads its data.
        LOADING = 7 "loading",
        /// Allowed on a replica that has lost its primary.
        STALE = 8 "stale",
        /// Not shown by `MONITOR`.
        SKIP_MONITOR = 9 "skip_monitor",
        /// Not written to the slow log.
        SKIP_SLOWLOG = 10 "skip_slowlog",
        /// Allowed on a slot that is being imported, as if `ASKING` had gone before it.
        ASKING = 11 "asking",
        /// Takes constant or logarithmic time.
        FAST = 12 "fast",
        /// Needs no authentication.
        NO_AUTH = 13 "no_auth",
        /// Changes no data but may be replicated.
        MAY_REPLICATE = 14 "may_replicate",
        /// Has key positions but may come without keys.
        NO_MANDATORY_KEYS = 15 "no_mandatory_keys",
        /// Refused while the server loads data in the background.
        NO_ASYNC_LOADING = 16 "no_async_loading",
        /// Not allowed in a transaction.
        NO_MULTI = 17 "no_multi",
        /// Allowed while a script that runs too long blocks the server.
        ALLOW_BUSY = 18 "allow_busy",
    }
}

bits! {
    /// ACL categories, as in the server's `ACL CAT`.
    Categories, category {
        /// Touches keys of any type, or the key space as a whole.
        KEYSPACE = 0 "keyspace",
        /// Reads values or their metadata.
        READ = 1 "read",
        /// Changes values or their metadata.
        WRITE = 2 "write",
        /// Sets.
        SET = 3 "set",
        /// Sorted sets.
        SORTEDSET = 4 "sortedset",
        /// Lists.
        LIST = 5 "list",
        /// Hashes.
        HASH = 6 "hash",
        /// Strings.
        STRING = 7 "string",
        /// Bitmaps.
        BITMAP = 8 "bitmap",
        /// HyperLogLogs.
        HYPERLOGLOG = 9 "hyperloglog",
        /// Geospatial indices.
        GEO = 10 "geo",
        /// Streams.
        STREAM = 11 "stream",
        /// Publish/subscribe.
        PUBSUB = 12 "pubsub",
        /// Administration.
        ADMIN = 13 "admin",
        /// Constant or logarithmic time.
        FAST = 14 "fast",
        /// Everything that is not fast.
        SLOW = 15 "slow",
        /// May wait before it replies.
        BLOCKING = 16 "blocking",
        /// To be used with care, for what it does or how long it takes.
        DANGEROUS = 17 "dangerous",
        /// The connection itself, or other connections.
        CONNECTION = 18 "connection",
        /// Transactions.
        TRANSACTION = 19 "transaction",
        /// Scripts and functions.
        SCRIPTING = 20 "scripting",
        /// Arrays.
        ARRAY = 21 "array",
    }
}

bits! {
    /// How a command uses the keys of one [`KeySpec`](crate::KeySpec).
    KeyFlags, key_flag {
        /// Only reads the value.
        RO = 0 "ro",
        /// Reads and changes the value.
        RW = 1 "rw",
        /// Overwrites the value without regard to what it was.
        OW = 2 "ow",
        /// Removes the key.
        RM = 3 "rm",
        /// The value, or part of it, influences the reply.
        ACCESS = 4 "access",
        /// Changes the value.
        UPDATE = 5 "update",
        /// Adds to the value.
        INSERT = 6 "insert",
        /// Removes from the value, or the whole.
        DELETE = 7 "delete",
        /// Not a key, but routed like one: a shard channel.
        NOT_KEY = 8 "not_key",
        /// May miss some keys.
        INCOMPLETE = 9 "incomplete",
        /// The other flags depend on the request's arguments.
        VARIABLE_FLAGS = 10 "variable_flags",
    }
}
