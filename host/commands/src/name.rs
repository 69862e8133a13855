//! A command's name in two words, so that comparing names takes no loop and no regard to case.

/// A name of 1 to 16 bytes in lower case.
#[derive(Debug, Copy, Clone, Eq, PartialEq)]
pub(crate) struct Name {
    /// Its first bytes, and its last. They overlap where the name is shorter than both words, so none is lost; together
    /// with the length they are the name.
    front: u64,
    back: u64,
    length: u8,
    /// Follows from the name.
    hash: u16,
}

/// A byte in each place of a word.
const EACH: u64 = 0x0101_0101_0101_0101;

impl Name {
    /// No name.
    pub(crate) const VACANT: Self = Self { front: 0, back: 0, length: 0, hash: 0 };

    /// `None` where the name is empty or longer than 16 bytes.
    #[inline(always)]
    pub(crate) const fn pack(name: &[u8]) -> Option<Self> {
        let length = name.len();
        let (front, back) = if let (Some(front), Some(back)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            if length > 16 {
                return None;
            }
            (u64::from_le_bytes(*front), u64::from_le_bytes(*back))
        } else if let (Some(front), Some(back)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (u32::from_le_bytes(*front) as u64 | (u32::from_le_bytes(*back) as u64) << 32, 0)
        } else if length > 0 {
            (name[0] as u64 | (name[length / 2] as u64) << 8 | (name[length - 1] as u64) << 16, 0)
        } else {
            return None;
        };
        Some(Self { front: lower(front), back: lower(back), length: length as u8, hash: hash(front, back) })
    }

    /// Less than 1,024.
    #[inline(always)]
    pub(crate) const fn hash(self) -> usize {
        self.hash as usize
    }

    pub(crate) const fn is_vacant(self) -> bool {
        self.length == 0
    }
}

/// Upper case to lower case, eight bytes at a time. Other ASCII bytes stay what they are: `\r` must not become `-`.
/// Bytes beyond ASCII may change but stay beyond it, where no command's name is.
#[inline(always)]
const fn lower(word: u64) -> u64 {
    // The top bit of each byte: whether its lower seven bits are at least `A`, and beyond `Z`.
    let low = word & (0x7f * EACH);
    let from_a = low + (0x80 - b'A' as u64) * EACH;
    let beyond_z = low + (0x7f - b'Z' as u64) * EACH;
    let upper = from_a & !beyond_z & (0x80 * EACH);
    word | upper >> 2
}

/// The same for both cases. It folds more roughly than [`lower`] (a hash may confuse names), because the load that
/// depends on it is what a lookup waits for.
#[inline(always)]
const fn hash(front: u64, back: u64) -> u16 {
    const CASE: u64 = 0x20 * EACH;
    let folded = (front | CASE) ^ (back | CASE).rotate_left(29);
    // 2^64 over the golden ratio spreads the bits; the topmost are the best mixed.
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as u16
}
