//! Where the host puts the arguments of a call: memory that is dead when the call returns, so it is handed out from one piece and taken
//! back at once. A crossing brings up to seven lists; through the general allocator, each would be searched for and given back by itself.

use std::mem::MaybeUninit;

use crate::buffer::KEPT;

type Piece = Vec<MaybeUninit<u64>>;

/// The greatest alignment that a list of the contract has; also the unit of a piece.
const ALIGN: usize = align_of::<u64>();

/// Memory for the arguments of one call.
#[derive(Debug)]
pub(crate) struct Arena {
    /// Its elements are not used as such: it is capacity. It never grows while anything lies in it.
    piece: Piece,
    /// In bytes.
    used: usize,
    /// What did not fit into the piece, each in a piece of its own.
    spilled: Vec<Piece>,
    /// In bytes.
    spilled_bytes: usize,
}

impl Arena {
    pub(crate) const fn new() -> Self {
        Self { piece: Vec::new(), used: 0, spilled: Vec::new(), spilled_bytes: 0 }
    }

    /// Memory for `size` bytes: aligned for a `u64`, not shared with any other that was handed out since the last reset, and valid until
    /// the next one.
    #[inline]
    pub(crate) fn alloc(&mut self, size: usize) -> *mut u8 {
        let rounded = size.div_ceil(ALIGN).saturating_mul(ALIGN);
        if rounded <= self.piece.capacity() * ALIGN - self.used {
            let at = self.used;
            self.used += rounded;
            // In bounds: `at + rounded` is at most the capacity.
            self.piece.as_mut_ptr().cast::<u8>().wrapping_add(at)
        } else {
            self.spill(rounded)
        }
    }

    #[cold]
    fn spill(&mut self, size: usize) -> *mut u8 {
        let mut piece = Piece::with_capacity(size / ALIGN);
        let start = piece.as_mut_ptr().cast();
        self.spilled.push(piece);
        self.spilled_bytes += size;
        start
    }

    /// Take everything back. The next call like this one will fit into one piece, up to a bound.
    #[inline]
    pub(crate) fn reset(&mut self) {
        if self.spilled_bytes > 0 {
            self.grow();
        }
        self.used = 0;
    }

    #[cold]
    fn grow(&mut self) {
        let wanted = (self.used + self.spilled_bytes).next_power_of_two().min(KEPT);
        self.spilled = Vec::new();
        self.spilled_bytes = 0;
        if wanted > self.piece.capacity() * ALIGN {
            self.piece = Piece::with_capacity(wanted / ALIGN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(arena: &mut Arena, sizes: &[usize]) -> Vec<(usize, usize)> {
        sizes.iter().map(|&size| (arena.alloc(size).addr(), size)).collect()
    }

    #[test]
    fn what_is_handed_out_is_aligned_and_never_shared() {
        let mut arena = Arena::new();
        for sizes in [&[1, 8, 9, 100][..], &[4096, 0, 3, 7], &[1 << 20, 5], &[16; 50]] {
            let mut ranges = ranges(&mut arena, sizes);
            assert!(ranges.iter().all(|(start, _)| start % ALIGN == 0 && *start != 0));
            ranges.retain(|(_, size)| *size > 0);
            ranges.sort_unstable();
            assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{ranges:x?}");
            arena.reset();
        }
    }

    #[test]
    fn the_second_call_of_a_size_comes_from_one_piece() {
        let mut arena = Arena::new();
        ranges(&mut arena, &[512, 64, 1000]);
        assert_eq!(arena.spilled.len(), 3);
        arena.reset();
        ranges(&mut arena, &[512, 64, 1000]);
        assert_eq!(arena.spilled.len(), 0);
    }

    #[test]
    fn a_huge_call_leaves_little_behind() {
        let mut arena = Arena::new();
        ranges(&mut arena, &[64 << 20, 100]);
        arena.reset();
        assert!(arena.piece.capacity() * ALIGN <= KEPT && arena.spilled.is_empty());
    }
}
