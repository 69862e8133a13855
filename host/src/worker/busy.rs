//! Which sources have something for the turn to do.

/// Sources, by their positions: each once, in the order in which they came to have something. A
/// turn looks at these alone, however many sources there are.
#[derive(Debug, Default)]
pub(super) struct Busy {
    list: Vec<usize>,
    /// Whether the source at a position is on the list.
    listed: Vec<bool>,
}

impl Busy {
    /// None of so many sources.
    pub(super) fn of(sources: usize) -> Self {
        Self { list: Vec::new(), listed: vec![false; sources] }
    }

    /// The source at this position has something to do.
    #[inline]
    pub(super) fn add(&mut self, source: usize) {
        if !std::mem::replace(&mut self.listed[source], true) {
            self.list.push(source);
        }
    }

    /// The sources on the list.
    pub(super) fn list(&self) -> &[usize] {
        &self.list
    }

    /// Takes the list, which goes back by [`Busy::give_back`].
    pub(super) fn take(&mut self) -> Vec<usize> {
        for &source in &self.list {
            self.listed[source] = false;
        }
        std::mem::take(&mut self.list)
    }

    /// Keeps the memory of a list that was taken, unless another one was begun.
    pub(super) fn give_back(&mut self, mut list: Vec<usize>) {
        if self.list.is_empty() {
            list.clear();
            self.list = list;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Busy;

    #[test]
    fn a_source_is_listed_once_until_the_list_is_taken() {
        let mut busy = Busy::of(3);
        busy.add(2);
        busy.add(0);
        busy.add(2);
        assert_eq!(busy.list(), [2, 0]);
        let list = busy.take();
        busy.add(2);
        assert_eq!((list.as_slice(), busy.list()), (&[2, 0][..], &[2][..]));
        busy.give_back(list);
        assert_eq!(busy.list(), [2], "a list that was begun meanwhile stays");
    }
}
