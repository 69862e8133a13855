//! What can go wrong in a crossing.

use std::time::Duration;

/// A crossing that failed. The store is gone; the next crossing begins with a new one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The code trapped: a panic, an out-of-bounds access, a division by zero.
    #[error("trapped: {0}")]
    Trap(String),
    /// The code ran for longer than the limit `crossing` (or `setup`, while it was set up).
    #[error("ran for longer than {0:?}")]
    Deadline(Duration),
    /// The batch or the code needed more than the limit `memory`.
    #[error("needed more than its {0} bytes of memory")]
    Memory(usize),
    /// The code used up the limit `stack`.
    #[error("used up its stack")]
    Stack,
    /// The answer was larger than the limit `output`.
    #[error("returned more than {0} bytes")]
    Output(usize),
    /// The answer broke the contract; what was wrong with it.
    #[error("returned an invalid answer: {0}")]
    InvalidAnswer(String),
    /// A new instance could not be made.
    #[error("could not be instantiated: {0}")]
    Instantiate(String),
    /// A new instance refused the configuration that an earlier one had accepted.
    #[error("refused its configuration: {0}")]
    Configure(String),
    /// It faulted repeatedly and is not called until the time has passed.
    #[error("is suspended after repeated faults, for another {retry_in:?}")]
    Suspended {
        /// How long it will not be called.
        retry_in: Duration,
    },
}

impl Fault {
    /// Every [`Fault::kind`].
    pub const KINDS: [&'static str; 9] =
        ["trap", "deadline", "memory", "stack", "output", "invalid-answer", "instantiate", "configure", "suspended"];

    /// A short constant name for the kind of fault: the label of a metric.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Deadline(_) => "deadline",
            Self::Memory(_) => "memory",
            Self::Stack => "stack",
            Self::Output(_) => "output",
            Self::InvalidAnswer(_) => "invalid-answer",
            Self::Instantiate(_) => "instantiate",
            Self::Configure(_) => "configure",
            Self::Suspended { .. } => "suspended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_in_the_list() {
        let text = String::new;
        let all = [
            Fault::Trap(text()),
            Fault::Deadline(Duration::ZERO),
            Fault::Memory(0),
            Fault::Stack,
            Fault::Output(0),
            Fault::InvalidAnswer(text()),
            Fault::Instantiate(text()),
            Fault::Configure(text()),
            Fault::Suspended { retry_in: Duration::ZERO },
        ];
        assert_eq!(all.map(|fault| fault.kind()), Fault::KINDS);
    }
}
