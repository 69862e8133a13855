//! A place in a chain.

/// A place in a chain.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Site {
    /// The name of the source whose chain it is.
    pub source: String,
    /// The position in the chain, from 0.
    pub position: usize,
}
