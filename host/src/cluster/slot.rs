//! The slots of a cluster: which one a key belongs to, as the cluster specification says.

use std::fmt;

/// How many slots a cluster has.
pub const SLOTS: usize = 16_384;

/// One of the [`SLOTS`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Slot(u16);

impl Slot {
    /// The slot of a key: of its hash tag, where it has one, so that keys with the same tag lie together.
    #[inline]
    pub fn of(key: &[u8]) -> Self {
        Self(crc16(tag(key)) % SLOTS as u16)
    }

    /// The slot of this number; `None` where there is none.
    pub fn new(number: usize) -> Option<Self> {
        (number < SLOTS).then_some(Self(number as u16))
    }

    /// Its number, from 0.
    #[inline]
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What of a key is hashed: what stands between the first `{` and the first `}` behind it, unless that is nothing.
fn tag(key: &[u8]) -> &[u8] {
    let tag = || {
        let open = key.iter().position(|&byte| byte == b'{')?;
        let rest = key.get(open + 1..)?;
        rest.get(..rest.iter().position(|&byte| byte == b'}')?).filter(|tag| !tag.is_empty())
    };
    tag().unwrap_or(key)
}

/// CRC-16/XMODEM: the polynomial 0x1021, the highest bit first, beginning with 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

/// What each byte makes of an empty CRC.
const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn keys_lie_where_the_servers_say() {
        // As CLUSTER KEYSLOT answers.
        for (key, slot) in [
            ("", 0),
            ("foo", 12_182),
            ("somekey", 11_058),
            ("foo{hash_tag}", 2_515),
            ("bar{hash_tag}", 2_515),
            ("123456789", 0x31c3),
            ("{}", 15_257),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
            ("foo{bar}{zap}", 5_061),
            ("bar", 5_061),
            ("{unended", 6_795),
        ] {
            assert_eq!(Slot::of(key.as_bytes()).number(), slot, "{key}");
        }
    }

    #[test]
    fn there_are_no_more_slots_than_there_are() {
        assert_eq!(Slot::new(SLOTS - 1).map(Slot::number), Some(SLOTS - 1));
        assert_eq!(Slot::new(SLOTS), None);
    }
}
