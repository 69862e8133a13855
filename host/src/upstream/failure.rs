//! Why a request has no reply, and what follows from it: written once, here.

/// Why a request has no reply. The texts are what its client is told: where the server is and what exactly went wrong is for the
/// operator's log.
///
/// | failure | was it executed? | repeated by the proxy |
/// | --- | --- | --- |
/// | [`Failure::NotSent`] | no | yes, while its connection is being established again; not where its session's state was lost with it |
/// | [`Failure::Refused`], [`Failure::NoConnection`] | no | no: it would fail again |
/// | [`Failure::InDoubt`], [`Failure::TimedOut`] | perhaps | never: a write could be executed twice |
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Failure {
    /// It was never written: nothing has happened, and it may be sent again.
    #[error("ERR the upstream is unreachable; this request was not sent")]
    NotSent,
    /// The server did not accept what the session had said of itself when the proxy said it again on another connection.
    #[error(
        "ERR the upstream does not accept this session's user, database or protocol any more; this request was not sent"
    )]
    Refused,
    /// It needs a connection of its own, and none became free in time.
    #[error("ERR no private upstream connection became free in time; this request was not sent")]
    NoConnection,
    /// It was written, at least in part, before the connection was lost: it may have been executed or not.
    #[error("ERR the upstream was lost before it answered; whether this request was executed is unknown")]
    InDoubt,
    /// It was written, and no reply came in time: it may have been executed, or still be.
    #[error("ERR the upstream did not answer in time; whether this request was executed is unknown")]
    TimedOut,
}

impl Failure {
    /// What became of a request when its connection was lost, given whether any of it had been written.
    pub(super) fn of_lost(written: bool) -> Self {
        if written { Self::InDoubt } else { Self::NotSent }
    }

    /// Whether it is the server that has failed, and not what the request or its session asked for.
    pub fn is_of_server(self) -> bool {
        matches!(self, Self::NotSent | Self::InDoubt | Self::TimedOut)
    }

    /// Whether sending the request again cannot execute it twice, and may well succeed.
    pub fn is_safe_to_repeat(self) -> bool {
        self == Self::NotSent
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn what_was_written_is_never_repeated() {
        assert!(Failure::of_lost(false).is_safe_to_repeat());
        assert!(!Failure::of_lost(true).is_safe_to_repeat());
        for failure in [Failure::InDoubt, Failure::TimedOut] {
            assert!(failure.to_string().contains("unknown"), "{failure}");
        }
        for failure in [Failure::NotSent, Failure::Refused, Failure::NoConnection] {
            assert!(failure.to_string().ends_with("this request was not sent"), "{failure}");
        }
    }
}
