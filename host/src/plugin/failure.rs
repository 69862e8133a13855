//! Why a call into a component gave no answer, and which fault that is.

use wasmtime::{Trap, WasmBacktrace};

use super::fault::Fault;
use super::host::Data;
use super::one_line::one_line;
use super::spec::Spec;

/// Why a call into a component gave no answer.
pub(super) enum Failure {
    /// The call failed.
    Call(wasmtime::Error),
    /// What it returned cannot be put into the host's form.
    Answer(String),
    /// The batch would need more memory than the instance may have.
    TooLarge,
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Self::Call(error)
    }
}

impl Failure {
    /// The fault of the plugin that this is, given the data of the store that was called.
    pub(super) fn into_fault(self, data: &Data, spec: &Spec) -> Fault {
        let error = match self {
            Self::Call(error) => error,
            Self::Answer(reason) => return Fault::InvalidAnswer(reason),
            Self::TooLarge => return Fault::Memory(data.memory.limit()),
        };
        tracing::debug!(plugin = spec.name, error = ?error, "a call into a plugin failed");
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Fault::Deadline(data.deadline.budget()),
            Some(Trap::StackOverflow) => Fault::Stack,
            _ if data.memory.refused => Fault::Memory(data.memory.limit()),
            Some(trap) => {
                let text = trap.to_string();
                let reason = text.strip_prefix("wasm trap: ").unwrap_or(&text);
                Fault::Trap(reason.to_owned())
            }
            None => {
                let reason = one_line(&error.root_cause().to_string());
                // The only sign of an answer that was too large: its type is private to wasmtime.
                if reason.contains("fuel allocated for hostcalls has been exhausted") {
                    Fault::Output(spec.limits.output)
                } else if error.is::<WasmBacktrace>() {
                    // Wasm code was running: a function of the host refused what it was called for.
                    Fault::Trap(reason)
                } else {
                    Fault::InvalidAnswer(reason)
                }
            }
        }
    }
}
