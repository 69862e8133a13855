//! The exports of a component, by hand: `transform!` gives them their names and their type, and calls in here.
//!
//! The answers stay in buffers that the next call uses again, so there is nothing to free and no `post-return` to call. The arguments lie
//! in the [arena](crate::arena), through `cabi_export_realloc`; what imports give back comes through `cabi_realloc` and the general
//! allocator, as the generated bindings expect.

use std::cell::RefCell;

use crate::arena::Arena;
use crate::instance::Instance;
use crate::request::RequestColumns;
use crate::response::ResponseColumns;
use crate::{Interest, Transform, log};

#[path = "bindings.rs"]
pub mod bindings;

thread_local! {
    static ARENA: RefCell<Arena> = const { RefCell::new(Arena::new()) };
}

/// A list as it is passed: where it begins, and how many elements it has.
pub type List = (*const u8, usize);

/// The instance of a component, and where its answers lie.
pub struct Slot<T>(RefCell<State<T>>);

struct State<T> {
    instance: Option<Instance<T>>,
    /// What the exports return a pointer to: five lists at most.
    answer: [usize; 10],
}

/// `cabi_export_realloc`: memory for an argument.
///
/// # Safety
///
/// As the canonical ABI calls it: `old_len` bytes at `old` came from here in the same call.
#[inline]
pub unsafe fn realloc(old: *const u8, old_len: usize, align: usize, new_len: usize) -> *mut u8 {
    if new_len == 0 {
        return std::ptr::without_provenance_mut(align);
    }
    ARENA.with_borrow_mut(|arena| {
        let new = arena.alloc(new_len);
        if old_len > 0 {
            // SAFETY: the caller vouches for `old`; `new` has room for `new_len` bytes and is not shared with it.
            unsafe { std::ptr::copy_nonoverlapping(old, new, old_len.min(new_len)) };
        }
        new
    })
}

/// `lifecycle.describe`: three strings.
#[must_use]
pub fn describe(description: [&'static str; 3]) -> *const usize {
    wit_bindgen::rt::run_ctors_once();
    let words: Vec<usize> = description.iter().flat_map(|text| [text.as_ptr().addr(), text.len()]).collect();
    words.leak().as_ptr()
}

/// The elements of a list that was passed.
///
/// # Safety
///
/// The list is one that the host passed to the current call, as elements of type `T`; the result must not outlive that call.
#[inline]
unsafe fn list<'a, T>((start, len): List) -> &'a [T] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the canonical ABI writes `len` elements of this type, aligned for it, before it calls; nothing writes to them until the
    // arena is reset after the call.
    unsafe { std::slice::from_raw_parts(start.cast(), len) }
}

#[inline]
fn words<T>(list: &[T]) -> [usize; 2] {
    [list.as_ptr().addr(), list.len()]
}

impl<T: Transform> Slot<T> {
    /// An instance that is not set up.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(State { instance: None, answer: [0; 10] }))
    }

    /// `lifecycle.configure`: `result<interest, string>`.
    ///
    /// # Safety
    ///
    /// `config` is the list of bytes that the host passed, UTF-8 by the canonical ABI.
    pub unsafe fn configure(&self, config: List) -> *const usize {
        wit_bindgen::rt::run_ctors_once();
        std::panic::set_hook(Box::new(|panic| log::write(log::Level::Error, &panic.to_string())));
        // SAFETY: see above.
        let config = String::from_utf8_lossy(unsafe { list(config) }).into_owned();
        ARENA.with_borrow_mut(Arena::reset);
        let state = &mut *self.0.borrow_mut();
        match Instance::configure(&config) {
            Ok((instance, interest)) => {
                state.instance = Some(instance);
                put_interest(&mut state.answer, interest);
            }
            Err(sentence) => {
                let [start, len] = words(sentence.leak().as_bytes());
                state.answer[..3].copy_from_slice(&[1, start, len]);
            }
        }
        state.answer.as_ptr()
    }

    /// `requests-columns.handle`.
    ///
    /// # Safety
    ///
    /// The lists are those that the host passed, in the order of the contract.
    #[inline]
    pub unsafe fn requests(&self, lists: [List; 7]) -> *const usize {
        let [ids, sessions, commands, arg_counts, arg_offsets, arg_lengths, bytes] = lists;
        // SAFETY: see above.
        let columns = unsafe {
            RequestColumns {
                ids: list(ids),
                sessions: list(sessions),
                commands: list(commands),
                arg_counts: list(arg_counts),
                arg_offsets: list(arg_offsets),
                arg_lengths: list(arg_lengths),
                bytes: list(bytes),
            }
        };
        let state = &mut *self.0.borrow_mut();
        let Some(instance) = &mut state.instance else { std::process::abort() };
        let verdicts = instance.requests(columns);
        let lists = [
            words(&verdicts.indices),
            words(&verdicts.kinds),
            words(&verdicts.tags),
            words(&verdicts.numbers),
            words(&verdicts.bytes),
        ];
        state.answer.copy_from_slice(lists.as_flattened());
        ARENA.with_borrow_mut(Arena::reset);
        state.answer.as_ptr()
    }

    /// `responses-columns.handle`.
    ///
    /// # Safety
    ///
    /// The lists are those that the host passed, in the order of the contract.
    #[inline]
    pub unsafe fn responses(&self, lists: [List; 5]) -> *const usize {
        let [ids, sessions, tags, lengths, bytes] = lists;
        // SAFETY: see above.
        let columns = unsafe {
            ResponseColumns {
                ids: list(ids),
                sessions: list(sessions),
                tags: list(tags),
                lengths: list(lengths),
                bytes: list(bytes),
            }
        };
        let state = &mut *self.0.borrow_mut();
        let Some(instance) = &mut state.instance else { std::process::abort() };
        let changes = instance.responses(columns);
        let lists = [words(&changes.indices), words(&changes.lengths), words(&changes.bytes)];
        state.answer[..6].copy_from_slice(lists.as_flattened());
        ARENA.with_borrow_mut(Arena::reset);
        state.answer.as_ptr()
    }
}

/// Lay out `ok(interest)`: the discriminant; the option of a list of names; the view; the list of names to be shown whole; key positions.
fn put_interest(answer: &mut [usize; 10], interest: Interest) {
    let listed = interest.commands.is_some();
    let commands = put_names(interest.commands.unwrap_or_default());
    let whole = put_names(interest.whole);
    let view = usize::from(interest.view as u8);
    answer[..8].copy_from_slice(&[
        0,
        usize::from(listed),
        commands[0],
        commands[1],
        view,
        whole[0],
        whole[1],
        usize::from(interest.key_positions),
    ]);
}

/// Lay out a list of strings. It is asked for once in the life of an instance, so there is nobody to give it back to.
fn put_names(names: Vec<String>) -> [usize; 2] {
    let names: Vec<_> = names.into_iter().map(|name| words(name.leak().as_bytes())).collect();
    words(names.leak())
}
