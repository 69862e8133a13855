//! Finding card numbers in bytes, and masking them.

use std::ops::RangeInclusive;

/// How many digits a card number has.
const DIGITS: RangeInclusive<usize> = 13..=19;

/// The bytes with every card number masked but for its last `keep` digits; `None` where there is no card number. `masked` rises by their
/// number.
///
/// A run of digits, in which single spaces or hyphens may stand between two of them, is a card number if it has 13 to 19 digits
/// with a valid check digit.
pub(crate) fn mask(bytes: &[u8], keep: usize, masked: &mut u64) -> Option<Vec<u8>> {
    let mut new: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit) {
        let start = at + start;
        let digits = run(bytes, start);
        at = digits.last().map_or(start, |last| last + 1);
        if DIGITS.contains(&digits.len()) && has_valid_check_digit(bytes, &digits) {
            let new = new.get_or_insert_with(|| bytes.to_vec());
            for &digit in &digits[..digits.len() - keep] {
                new[digit] = b'*';
            }
            *masked += 1;
        }
    }
    new
}

/// Where the digits of the run that begins here are.
fn run(bytes: &[u8], start: usize) -> Vec<usize> {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut digits = vec![start];
    let mut at = start;
    loop {
        at += match bytes.get(at + 1) {
            Some(b'0'..=b'9') => 1,
            Some(b' ' | b'-') if is_digit(at + 2) => 2,
            _ => return digits,
        };
        digits.push(at);
    }
}

/// The check of Luhn: from the right, every second digit is doubled, and the sum of all decimal digits is a multiple of ten.
fn has_valid_check_digit(bytes: &[u8], digits: &[usize]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &at)| {
            let digit = u32::from(bytes[at] - b'0') << (place % 2);
            digit / 10 + digit % 10
        })
        .sum();
    sum % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::mask;

    fn masked(text: &str, keep: usize) -> (String, u64) {
        let mut count = 0;
        let new = mask(text.as_bytes(), keep, &mut count);
        (new.map_or_else(|| text.to_owned(), |new| String::from_utf8(new).unwrap()), count)
    }

    #[test]
    fn card_numbers_are_masked_and_their_shape_stays() {
        assert_eq!(masked("pay 4111 1111-11111111, now", 4), ("pay **** ****-****1111, now".into(), 1));
        assert_eq!(masked("4111111111111111 4222222222222", 0), ("4111111111111111 4222222222222".into(), 0));
        assert_eq!(masked("4111111111111111;4222222222222", 0), ("****************;*************".into(), 2));
    }

    #[test]
    fn other_numbers_stay() {
        for text in ["4111111111111112", "411111111111", "41111111111111111111111", "4111  111111111111", "", "-"] {
            assert_eq!(masked(text, 4), (text.into(), 0));
        }
    }
}
