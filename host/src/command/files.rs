//! The number of files (and so of connections) that the operating system lets this process open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that the process opens for other than clients: standard streams, event loops, listeners,
/// upstream connections.
const OVERHEAD: u64 = 256;

/// Raises the limit as far as it goes, and warns where `clients` at once would still exceed it.
///
/// The soft limit is 1,024 on most systems, for the sake of programs that use `select`; this one
/// does not.
pub(super) fn raise_limit(clients: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            current
        }
    };
    let wanted = u64::try_from(clients).unwrap_or(u64::MAX).saturating_add(OVERHEAD);
    // No limit is given as none.
    if limit.is_some_and(|limit| limit < wanted) {
        tracing::warn!(
            limit,
            wanted,
            "the limit of open files (ulimit -n) does not suffice for as many clients as the connection limits of all sources allow"
        );
    }
}
