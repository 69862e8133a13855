//! What a process has used, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The kernel reports times in this unit to user space on every architecture (`USER_HZ`), whatever its own tick is.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process, all its threads included. In steps of 10 ms: measure over seconds.
pub(super) fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks(&stat).with_context(|| format!("/proc/{pid}/stat is not as proc(5) says"))?;
    Ok(TICK * ticks)
}

/// Fields 14 and 15 of proc(5)'s `stat`. The second field, a name in parentheses, can hold spaces and parentheses itself.
fn ticks(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(next()? + next()?)
}

/// Bytes of a process that are in memory.
pub(super) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel says no VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) R 1 7 7 0 -1 4194560 96 0 0 0 41 1 0 0 20 0 1 0 100 1000 10";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a) R 1"), None);
    }
}
