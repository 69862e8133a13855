//! Human units: `16MiB`, `5ms`.

use std::time::Duration;

/// Units of size, in bytes.
const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Units of time, in nanoseconds.
const TIMES: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("min", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// What a size looks like, for messages.
pub(crate) const A_SIZE: &str = "a size such as `64KiB`, `16MiB`, `1GiB`, or a number of bytes";

/// What a duration looks like, for messages.
pub(crate) const A_DURATION: &str = "a duration with its unit, such as `250us`, `5ms`, `30s` or `2min`";

/// A size in bytes. Without a unit it is bytes. `None` where it is no size or exceeds 64 bits.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    if unit.is_empty() {
        return Some(number);
    }
    number.checked_mul(factor(SIZES, unit)?)
}

/// A duration. Needs a unit, except for 0. `None` where it is no duration or exceeds 584 years.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    if unit.is_empty() {
        return (number == 0).then_some(Duration::ZERO);
    }
    let nanoseconds = number.checked_mul(factor(TIMES, unit)?)?;
    Some(Duration::from_nanos(nanoseconds))
}

/// A whole number and the word behind it. Underscores between digits are for the eye.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number = digits.replace('_', "").parse().ok()?;
    Some((number, unit.trim_start()))
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    let found = units.iter().find(|(name, _)| *name == unit)?;
    Some(found.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_binary_units() {
        assert_eq!(size("16MiB"), Some(16 * 1024 * 1024));
        assert_eq!(size("64 KiB"), Some(65_536));
        assert_eq!(size("1GiB"), Some(1 << 30));
        assert_eq!(size("1_000"), Some(1_000));
        assert_eq!(size("7B"), Some(7));
    }

    #[test]
    fn what_is_not_exactly_a_size_is_refused() {
        for text in ["", "MiB", "16MB", "1.5MiB", "-1", "16 mib", "99999999999GiB"] {
            assert_eq!(size(text), None, "{text:?}");
        }
    }

    #[test]
    fn durations_name_their_unit() {
        assert_eq!(duration("5ms"), Some(Duration::from_millis(5)));
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("2min"), Some(Duration::from_secs(120)));
        assert_eq!(duration("250us"), Some(Duration::from_micros(250)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        for text in ["", "5", "5 seconds", "-1s", "1.5s", "s"] {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }
}
