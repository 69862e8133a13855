//! Sums of decimal numbers, as the float counters need them: 0.1 and 0.2 make 0.3.
//!
//! The server adds in 80-bit floats and prints 17 decimals. Here, what fits is added exactly in decimal, and what does not in 64-bit floats.

use crate::failure::Failure;

/// How many decimals the server prints.
const DECIMALS: usize = 17;

/// The sum of two numbers as the server prints it: without an exponent, without zeros at the end.
///
/// # Errors
///
/// [`Failure::NOT_FINITE`].
pub(crate) fn sum(left: &Number, right: &Number) -> Result<String, Failure> {
    let exact = left.scaled.zip(right.scaled).and_then(|(left, right)| left.checked_add(right));
    let text = match exact {
        Some(scaled) => {
            let (sign, digits) = (if scaled < 0 { "-" } else { "" }, format!("{:018}", scaled.unsigned_abs()));
            let (whole, decimals) = digits.split_at(digits.len() - DECIMALS);
            format!("{sign}{whole}.{decimals}")
        }
        None => {
            let sum = left.float + right.float;
            if !sum.is_finite() {
                return Err(Failure::NOT_FINITE);
            }
            format!("{sum:.DECIMALS$}")
        }
    };
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Ok(if text == "-0" { "0".to_owned() } else { text.to_owned() })
}

/// A number, in both forms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    float: f64,
    /// Times 10^17, where that is exact.
    scaled: Option<i128>,
}

impl Number {
    pub(crate) const ZERO: Number = Number { float: 0.0, scaled: Some(0) };

    /// Read a number as the server does, but for the hexadecimal ones.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let float: f64 = text.parse().ok()?;
        (!float.is_nan()).then(|| Self { float, scaled: scaled(text) })
    }

    /// Whether it is neither infinite nor not a number.
    pub(crate) fn is_finite(&self) -> bool {
        self.float.is_finite()
    }
}

/// A decimal number, perhaps with an exponent, times 10^17.
fn scaled(text: &str) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = i32::try_from(DECIMALS).ok()? + exponent - i32::try_from(decimals.len()).ok()?;
    let digits: i128 = format!("{whole}{decimals}").parse().ok()?;
    digits.checked_mul(10i128.checked_pow(u32::try_from(zeros).ok()?)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn sums_are_what_one_expects_of_decimal_numbers() {
        for (left, right, expected) in [
            ("0.1", "0.2", "0.3"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("1", "-1", "0"),
            ("-0.5", "0.25", "-0.25"),
            ("3", "1.5", "4.5"),
            ("1e30", "1", "1000000000000000019884624838656"),
            ("0", "1e-17", "0.00000000000000001"),
            ("+1", ".5", "1.5"),
            ("-0", "-0", "0"),
        ] {
            let [left, right] = [left, right].map(|text| Number::parse(text.as_bytes()).unwrap());
            assert_eq!(sum(&left, &right).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_number_is_none_and_the_infinite_has_no_sum() {
        for text in ["", "a", "1a", " 1", "1 ", "nan", "1e", "--1"] {
            assert!(Number::parse(text.as_bytes()).is_none(), "{text}");
        }
        let [large, infinite] = ["1.7e308", "inf"].map(|text| Number::parse(text.as_bytes()).unwrap());
        assert!(sum(&large, &large).is_err(), "beyond 64-bit floats");
        assert!(sum(&large, &infinite).is_err() && !infinite.is_finite());
    }
}
