//! Which chain of a source a request went through: chains are swapped while requests are in flight.

use std::rc::Rc;

/// A chain's own mark. ResponsePaths keep a copy for every step that its transforms wait for; when none is left but the chain's, nothing
/// will come back through it any more.
#[derive(Clone, Debug, Default)]
pub struct Generation(Rc<()>);

impl Generation {
    /// Whether anybody has a copy.
    pub fn is_remembered(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }
}

impl PartialEq for Generation {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Generation {}

/// A transform's place: in which chain, and where there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The chain.
    pub generation: Generation,
    /// The position in it, from 0.
    pub position: usize,
}
