//! How long tests go on that could always try something else.

/// Times as many cases as usual.
const LONG: u32 = 16;

/// As many cases as usual, or many times as many where `SLUICE_LONG` is set (`cargo xtask test --long`).
#[must_use]
pub fn cases(usual: u32) -> u32 {
    if std::env::var_os("SLUICE_LONG").is_some() { LONG * usual } else { usual }
}
