//! Which arguments of a request are keys.

use crate::command::{Begin, ByName, Find, KeySpec, Plan};
use crate::effect::READ_STREAMS;
use crate::{CommandId, KeyFlags};

/// The arguments of a request, the command's name first.
pub trait Args {
    /// How many there are.
    fn count(&self) -> usize;

    /// One of them; `index` is less than [`Self::count`].
    fn arg(&self, index: usize) -> &[u8];
}

impl<A: AsRef<[u8]>> Args for [A] {
    fn count(&self) -> usize {
        self.len()
    }

    fn arg(&self, index: usize) -> &[u8] {
        self[index].as_ref()
    }
}

impl<A: AsRef<[u8]>> Args for Vec<A> {
    fn count(&self) -> usize {
        self.len()
    }

    fn arg(&self, index: usize) -> &[u8] {
        self[index].as_ref()
    }
}

/// Puts the positions of the arguments that are keys into `out`, rising; what was in it before is dropped.
///
/// The answer is that of the server's `COMMAND GETKEYS`, with these differences, all for the good of a transform that
/// must not miss a key:
///
/// - A request with the wrong number of arguments is searched all the same. One whose keys cannot be told (a number of
///   keys that is none, or more than there are arguments) has none; the server refuses it.
/// - Of several `STORE` options, `GEORADIUS`, `GEORADIUSBYMEMBER` and `SORT` use the last, where `COMMAND GETKEYS` may
///   name another: both are given.
/// - A last argument `KEYS` of `MIGRATE` says nothing: the key in its usual place is given, where `COMMAND GETKEYS` may
///   give none.
/// - `PFMERGE` of a destination alone has a key, though `COMMAND GETKEYS` refuses to name it.
/// - `XREAD` and `XREADGROUP` are read as the commands themselves do it, so that a consumer may be called `STREAMS`.
///
/// The patterns of `SORT … BY … GET …` are not keys, nor are channels.
#[inline]
pub fn key_positions<A: Args + ?Sized>(command: CommandId, args: &A, out: &mut Vec<u32>) {
    out.clear();
    let Some(command) = command.get() else { return };
    match command.plan {
        Plan::NoKeys => {}
        Plan::Range(range) => range.each(args.count(), |position| out.push(position as u32)),
        Plan::Specs => search(command.key_specs(), command.by_name, args, out),
    }
}

/// The keys of a command that needs a look at its arguments.
fn search<A: Args + ?Sized>(specs: &[KeySpec], by_name: ByName, args: &A, out: &mut Vec<u32>) {
    match by_name {
        ByName::No => by_specs(specs, args, out),
        ByName::Streams => streams(args, out),
        ByName::Migrate => migrate(args, out),
        ByName::Sort | ByName::GeoRadius => {
            by_specs(specs, args, out);
            if args.count() > 1 {
                out.push(1);
            }
            if by_name == ByName::Sort {
                sort_destinations(args, out);
            } else {
                georadius_destination(args, out);
            }
        }
    }
    out.sort_unstable();
    out.dedup();
}

/// All keys that the specs describe, or none where the request does not fit one of them.
fn by_specs<A: Args + ?Sized>(specs: &[KeySpec], args: &A, out: &mut Vec<u32>) {
    for spec in specs {
        let described = !matches!(spec.begin, Begin::Unknown) && !matches!(spec.find, Find::Unknown);
        if spec.flags.contains(KeyFlags::NOT_KEY) || !described {
            continue;
        }
        let Some(begin) = begin(spec.begin, args) else {
            continue;
        };
        let Some((first, last, step)) = find(spec.find, begin, args) else {
            out.clear();
            return;
        };
        out.extend((first..=last).step_by(step).map(|position| position as u32));
    }
}

/// Where the search begins; `None` where the keyword is not there.
fn begin<A: Args + ?Sized>(begin: Begin, args: &A) -> Option<usize> {
    let count = args.count();
    let is = |at: &usize, keyword: &str| args.arg(*at).eq_ignore_ascii_case(keyword.as_bytes());
    match begin {
        Begin::Index(index) => usize::try_from(index).ok(),
        Begin::Keyword { keyword, start_from } if start_from > 0 => {
            let start = usize::from(start_from.unsigned_abs());
            // The last argument cannot be followed by a key.
            (start..count.saturating_sub(1)).find(|at| is(at, keyword)).map(|at| at + 1)
        }
        Begin::Keyword { keyword, start_from } => {
            let start = count.checked_sub(usize::from(start_from.unsigned_abs()))?;
            (2..=start).rev().find(|at| is(at, keyword)).map(|at| at + 1)
        }
        Begin::Unknown => None,
    }
}

/// The first key, the last and the step, within the request; `None` where it does not fit.
fn find<A: Args + ?Sized>(find: Find, begin: usize, args: &A) -> Option<(usize, usize, usize)> {
    let count = args.count();
    let offset = |by: i16| begin.checked_add_signed(isize::from(by));
    let (first, last, step) = match find {
        Find::Range { last, step, .. } if last >= 0 => (begin, offset(last)?, step),
        Find::Range { last, step, limit } if limit > 1 => {
            let rest = count.checked_sub(begin)? / usize::from(limit.unsigned_abs());
            (begin, (begin + rest).checked_add_signed(isize::from(last))?, step)
        }
        Find::Range { last, step, .. } => (begin, count.checked_add_signed(isize::from(last))?, step),
        Find::KeyNum { index, first, step } => {
            let at = offset(index).filter(|at| *at < count)?;
            let keys = decimal(args.arg(at))?;
            let first = offset(first)?;
            let rest = (keys - 1).checked_mul(usize::from(step.unsigned_abs()).max(1))?;
            (first, first.checked_add(rest)?, step)
        }
        Find::Unknown => return None,
    };
    (first <= last && last < count).then_some((first, last, usize::from(step.unsigned_abs()).max(1)))
}

/// A positive number as the server reads it: digits alone, no leading zero.
fn decimal(text: &[u8]) -> Option<usize> {
    let digits = matches!(text, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
    if digits { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

// === Commands whose own parsing decides ===

/// How many arguments an option takes, by its name.
type Options = &'static [(&'static str, usize)];

fn operands(options: Options, option: &[u8]) -> Option<usize> {
    options.iter().find(|(name, _)| option.eq_ignore_ascii_case(name.as_bytes())).map(|&(_, operands)| operands)
}

/// `XREAD [BLOCK ms] [COUNT n] [CLAIM ms] [NOACK] [GROUP group consumer] STREAMS key … id …`
fn streams<A: Args + ?Sized>(args: &A, out: &mut Vec<u32>) {
    let count = args.count();
    let mut at = 1;
    while at < count {
        if args.arg(at).eq_ignore_ascii_case(READ_STREAMS.end.as_bytes()) {
            let rest = count - at - 1;
            if rest.is_multiple_of(2) {
                out.extend((at + 1..at + 1 + rest / 2).map(|position| position as u32));
            }
            return;
        }
        let Some(operands) = READ_STREAMS.operands(args.arg(at)) else {
            return;
        };
        at += 1 + operands;
    }
}

/// `MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key …]`
fn migrate<A: Args + ?Sized>(args: &A, out: &mut Vec<u32>) {
    const OPTIONS: Options = &[("auth", 1), ("auth2", 2)];
    let count = args.count();
    if count <= 3 {
        return;
    }
    let mut at = 6;
    // A last argument `KEYS` has nothing to say.
    while at + 1 < count {
        let option = args.arg(at);
        if option.eq_ignore_ascii_case(b"keys") {
            // With a key of its own as well, it is refused.
            if args.arg(3).is_empty() {
                out.extend((at + 1..count).map(|position| position as u32));
            }
            return;
        }
        at += 1 + operands(OPTIONS, option).unwrap_or(0);
    }
    out.push(3);
}

/// `SORT key … [STORE destination]`: the last one, both as the command reads it and as `COMMAND GETKEYS` does, which
/// takes the destination for an option.
fn sort_destinations<A: Args + ?Sized>(args: &A, out: &mut Vec<u32>) {
    const OPTIONS: Options = &[("limit", 2), ("get", 1), ("by", 1)];
    let count = args.count();
    for operands_of_store in [0, 1] {
        let mut destination = None;
        let mut at = 2;
        while at < count {
            let option = args.arg(at);
            if option.eq_ignore_ascii_case(b"store") && at + 1 < count {
                destination = Some(at + 1);
                at += operands_of_store;
            } else {
                at += operands(OPTIONS, option).unwrap_or(0);
            }
            at += 1;
        }
        out.extend(destination.map(|position| position as u32));
    }
}

/// `GEORADIUS key … [STORE destination | STOREDIST destination]`: the last one.
fn georadius_destination<A: Args + ?Sized>(args: &A, out: &mut Vec<u32>) {
    let count = args.count();
    let mut destination = None;
    let mut at = 5;
    while at + 1 < count {
        let option = args.arg(at);
        if option.eq_ignore_ascii_case(b"store") || option.eq_ignore_ascii_case(b"storedist") {
            at += 1;
            destination = Some(at);
        }
        at += 1;
    }
    out.extend(destination.map(|position| position as u32));
}

#[cfg(test)]
mod tests;
