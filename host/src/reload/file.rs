//! A file that may change at any time, and when it has.
//!
//! It is looked at again and again. Whoever writes it may not have finished, so a change counts
//! once two looks in a row have found the same; and a build may delete it before it writes it, so
//! that it is missing, or empty, counts after [`PATIENCE`] only.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a file may be missing before it is worth a word.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A file that is looked at.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    /// What the last look found.
    last: Option<Stamp>,
    /// What was there when it was last said to have changed.
    told: Option<Stamp>,
    /// Since when it has been missing.
    missing: Option<Instant>,
    /// Whether that has been said.
    told_missing: bool,
}

/// What is known of a file without reading it. Where it is the same, so is the content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// When anything of it was changed, which nobody can set: a copy may keep the time of its
    /// original.
    changed: (i64, i64),
}

/// What a look at a file says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// Nothing new.
    Same,
    /// It has changed, and seems to be complete. Said once for each change.
    Changed,
    /// It has been missing for a while. Said once.
    Missing,
}

impl Watched {
    /// What is there now is not known: the first look that finds it complete says that it has
    /// changed.
    pub(super) fn unknown(path: &Path) -> Self {
        Self { path: path.to_owned(), last: None, told: None, missing: None, told_missing: false }
    }

    /// What is there now is known.
    pub(super) fn known(path: &Path) -> Self {
        let told = stamp(path);
        Self { told, last: told, ..Self::unknown(path) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at it.
    pub(super) fn look(&mut self, now: Instant) -> Look {
        let found = stamp(&self.path);
        self.note(found, now)
    }

    fn note(&mut self, found: Option<Stamp>, now: Instant) -> Look {
        let before = std::mem::replace(&mut self.last, found);
        if found.is_none() {
            let since = *self.missing.get_or_insert(now);
            if self.told_missing || now.saturating_duration_since(since) < PATIENCE {
                return Look::Same;
            }
            (self.told_missing, self.told) = (true, None);
            return Look::Missing;
        }
        (self.missing, self.told_missing) = (None, false);
        if found == self.told || found != before {
            return Look::Same;
        }
        self.told = found;
        Look::Changed
    }
}

/// `None`: it is not there, or empty, or out of reach.
fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok().filter(|found| found.len() > 0)?;
    Some(Stamp {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TICK: Duration = Duration::from_millis(250);

    fn content(size: u64) -> Option<Stamp> {
        Some(Stamp { device: 1, inode: 1, size, modified: (0, 0), changed: (0, 0) })
    }

    /// What looks that follow each other say.
    fn looks(watched: &mut Watched, found: &[Option<Stamp>]) -> Vec<Look> {
        let mut now = Instant::now();
        let look = |found: &Option<Stamp>| {
            now += TICK;
            watched.note(*found, now)
        };
        found.iter().map(look).collect()
    }

    fn watched() -> Watched {
        let mut watched = Watched::unknown(Path::new("/"));
        assert_eq!(looks(&mut watched, &[content(1), content(1)]), [Look::Same, Look::Changed]);
        watched
    }

    #[test]
    fn a_change_is_told_once_and_not_before_it_is_complete() {
        let found = [1, 1, 2, 3, 4, 4, 4, 4].map(content);
        let mut expected = [Look::Same; 8];
        expected[5] = Look::Changed;
        assert_eq!(looks(&mut watched(), &found), expected);
    }

    #[test]
    fn what_was_there_before_is_no_change_when_it_comes_back() {
        let found = [None, None, content(1), content(1), content(2), content(1), content(1)];
        assert_eq!(looks(&mut watched(), &found), [Look::Same; 7]);
    }

    #[test]
    fn a_file_that_is_missing_for_a_moment_is_not_missed() {
        let patience = usize::try_from(PATIENCE.as_millis() / TICK.as_millis()).unwrap();
        let mut found = vec![None; patience];
        found.extend([content(2), content(2)]);
        let told = looks(&mut watched(), &found);
        assert!(told[..=patience].iter().all(|look| *look == Look::Same));
        assert_eq!(told[patience + 1], Look::Changed);
    }

    #[test]
    fn a_file_that_stays_away_is_missed_once_and_read_when_it_is_back() {
        let patience = usize::try_from(PATIENCE.as_millis() / TICK.as_millis()).unwrap();
        let mut found = vec![None; 3 * patience];
        found.extend([content(1), content(1)]);
        let told = looks(&mut watched(), &found);
        let missing: Vec<usize> = (0..told.len()).filter(|at| told[*at] == Look::Missing).collect();
        assert_eq!(missing, [patience]);
        assert_eq!(told.last(), Some(&Look::Changed));
    }

    #[test]
    fn writing_a_file_again_changes_its_stamp_and_an_empty_one_has_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("component.wasm");
        assert_eq!(stamp(&path), None);
        fs::write(&path, "").unwrap();
        assert_eq!(stamp(&path), None);
        fs::write(&path, "one").unwrap();
        let first = stamp(&path);
        assert!(first.is_some() && Watched::known(&path).look(Instant::now()) == Look::Same);
        fs::write(path.with_extension("new"), "two").unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
        assert_ne!(stamp(&path), first);
    }
}
