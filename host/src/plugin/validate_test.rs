#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::verdicts::{Action, Argument, Arguments};
use super::*;

const ORIGINAL: u32 = ARGUMENT_OF_ORIGINAL;

/// A batch of requests with so many arguments each, all of 10 bytes; argument 1 is a key.
struct Columns {
    ids: Vec<u64>,
    commands: Vec<u16>,
    counts: Vec<u32>,
    offsets: Vec<u32>,
    lengths: Vec<u32>,
}

impl Columns {
    fn new(counts: &[u32]) -> Columns {
        let total: u32 = counts.iter().sum();
        Columns {
            ids: (1..=counts.len() as u64).collect(),
            commands: vec![0; counts.len()],
            counts: counts.to_vec(),
            offsets: vec![super::super::batch::NOT_SHOWN; total as usize],
            lengths: (0..total).map(|at| if at == 1 { 10 | KEY } else { 10 }).collect(),
        }
    }

    fn batch(&self) -> RequestBatch<'_> {
        RequestBatch {
            ids: &self.ids,
            sessions: &self.ids,
            commands: &self.commands,
            arg_counts: &self.counts,
            arg_offsets: &self.offsets,
            arg_lengths: &self.lengths,
            bytes: &[],
        }
    }
}

fn bounds() -> Bounds {
    Bounds { output: 10_000, responses: true }
}

fn answer(indices: &[u32], kinds: &[u8], numbers: &[u32], bytes: &[u8]) -> Verdicts {
    Verdicts {
        indices: indices.to_vec(),
        kinds: kinds.to_vec(),
        tags: vec![0; indices.len()],
        numbers: numbers.to_vec(),
        bytes: bytes.to_vec(),
    }
}

fn check(answer: &Verdicts) -> Result<(), Invalid> {
    verdicts(answer, &Columns::new(&[2, 3, 1]).batch(), &bounds())
}

fn problem(frame: &[u8]) -> Option<FrameProblem> {
    reply(frame).err()
}

#[test]
fn every_verdict_of_the_contract_is_accepted() {
    let valid = answer(&[0, 1, 2], &[0x80, 0x81, 4], &[3, ORIGINAL, 2, ORIGINAL | 2, 0], b"ab");
    assert_eq!(check(&valid), Ok(()));
    let valid = answer(&[0, 1, 2], &[2, 0x83, 4], &[5, 2, 1, ORIGINAL, 2, 0, 1, 5], b"+OK\r\nx+OK\r\n");
    assert_eq!(check(&valid), Ok(()));
}

#[test]
fn indices_rise_within_the_batch() {
    let cases = [
        (&[3u32][..], Invalid::Index { at: 0, index: 3, batch: 3 }),
        (&[1, 1], Invalid::Order { at: 1, index: 1 }),
        (&[2, 0], Invalid::Order { at: 1, index: 0 }),
        (&[u32::MAX], Invalid::Index { at: 0, index: u32::MAX, batch: 3 }),
    ];
    for (indices, invalid) in cases {
        assert_eq!(check(&answer(indices, &vec![0; indices.len()], &[], b"")), Err(invalid));
    }
}

#[test]
fn columns_of_different_lengths_are_refused() {
    let mut short = answer(&[0, 1], &[0, 0], &[], b"");
    short.tags.pop();
    assert_eq!(check(&short), Err(Invalid::Columns { indices: 2, kinds: 2, tags: 1 }));
    let short = answer(&[0], &[], &[], b"");
    assert_eq!(check(&short), Err(Invalid::Columns { indices: 1, kinds: 0, tags: 1 }));
}

#[test]
fn kinds_that_the_contract_does_not_know_are_refused() {
    for kind in [5, 0x7f, 0x85, 0xff] {
        assert_eq!(check(&answer(&[0], &[kind], &[], b"")), Err(Invalid::Kind { at: 0, kind }));
    }
}

#[test]
fn only_a_response_that_will_be_can_be_watched() {
    assert_eq!(check(&answer(&[0], &[0x82], &[5], b"+OK\r\n")), Err(Invalid::Watch { at: 0 }));
    assert_eq!(check(&answer(&[0], &[0x84], &[0], b"")), Err(Invalid::Watch { at: 0 }));
    let deaf = Bounds { responses: false, ..bounds() };
    let watching = answer(&[0], &[0x80], &[], b"");
    let batch = Columns::new(&[1]);
    assert_eq!(verdicts(&watching, &batch.batch(), &deaf), Err(Invalid::Unwatchable { at: 0 }));
}

#[test]
fn numbers_and_bytes_are_used_up_exactly() {
    assert_eq!(check(&answer(&[0], &[1], &[], b"")), Err(Invalid::Numbers { at: 0 }));
    assert_eq!(check(&answer(&[0], &[1], &[2, ORIGINAL], b"")), Err(Invalid::Numbers { at: 0 }));
    assert_eq!(check(&answer(&[0], &[1], &[1, 4], b"abc")), Err(Invalid::Bytes { at: 0 }));
    assert_eq!(check(&answer(&[0], &[2], &[6], b"+OK\r\n")), Err(Invalid::Bytes { at: 0 }));
    assert_eq!(check(&answer(&[0], &[0], &[1], b"")), Err(Invalid::Leftover { numbers: 1, bytes: 0 }));
    assert_eq!(check(&answer(&[], &[], &[], b"x")), Err(Invalid::Leftover { numbers: 0, bytes: 1 }));
    assert_eq!(check(&answer(&[0], &[3], &[2, 1, ORIGINAL], b"")), Err(Invalid::Numbers { at: 0 }));
}

#[test]
fn a_request_has_an_argument_and_no_more_than_a_server_takes() {
    assert_eq!(check(&answer(&[0], &[1], &[0], b"")), Err(Invalid::Arguments { at: 0, count: 0 }));
    let count = MAX_ARGUMENTS + 1;
    assert_eq!(check(&answer(&[0], &[1], &[count], b"")), Err(Invalid::Arguments { at: 0, count }));
    assert_eq!(check(&answer(&[0], &[3], &[0], b"")), Err(Invalid::NoRequests { at: 0 }));
    let length = MAX_ARGUMENT_BYTES + 1;
    assert_eq!(check(&answer(&[0], &[1], &[1, length], b"")), Err(Invalid::Argument { at: 0, length }));
}

#[test]
fn an_argument_is_one_of_the_request_that_the_verdict_is_on() {
    let refers = |index, argument| check(&answer(&[index], &[1], &[1, ORIGINAL | argument], b""));
    assert_eq!(refers(0, 1), Ok(()));
    assert_eq!(refers(0, 2), Err(Invalid::Original { at: 0, argument: 2, count: 2 }));
    assert_eq!(refers(1, 2), Ok(()));
    assert_eq!(refers(2, 1), Err(Invalid::Original { at: 0, argument: 1, count: 1 }));
    assert_eq!(refers(2, 0x7fff_ffff), Err(Invalid::Original { at: 0, argument: 0x7fff_ffff, count: 1 }));
}

#[test]
fn what_goes_out_is_bounded_by_what_came_in_and_the_limit() {
    // One request of two arguments, of which the second has a million bytes.
    let mut batch = Columns::new(&[2]);
    batch.lengths[1] = 1_000_000 | KEY;
    let once = answer(&[0], &[1], &[2, ORIGINAL, ORIGINAL | 1], b"");
    assert_eq!(verdicts(&once, &batch.batch(), &bounds()), Ok(()));
    let twice = answer(&[0], &[1], &[3, ORIGINAL, ORIGINAL | 1, ORIGINAL | 1], b"");
    assert_eq!(verdicts(&twice, &batch.batch(), &bounds()), Err(Invalid::Expansion(10_000)));
    // A swarm of tiny requests costs as well.
    let numbers: Vec<u32> = std::iter::once(500).chain([1, ORIGINAL].repeat(500)).collect();
    let swarm = answer(&[0], &[3], &numbers, b"");
    let small = Columns::new(&[1]);
    assert_eq!(verdicts(&swarm, &small.batch(), &bounds()), Err(Invalid::Expansion(10_000)));
}

#[test]
fn a_reply_is_exactly_one_complete_frame() {
    for frame in [
        &b"+OK\r\n"[..],
        b"-ERR no\r\n",
        b":1\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"$0\r\n\r\n",
        b"$4\r\n\r\n\r\n\r\n",
        b"*2\r\n$1\r\n>\r\n*1\r\n:1\r\n",
        b"*0\r\n",
    ] {
        assert_eq!(problem(frame), None, "{}", frame.escape_ascii());
    }
    assert_eq!(problem(b""), Some(FrameProblem::Incomplete));
    assert_eq!(problem(b"+OK"), Some(FrameProblem::Incomplete));
    assert_eq!(problem(b"$5\r\nabc\r\n"), Some(FrameProblem::Incomplete));
    assert_eq!(problem(b"*2\r\n:1\r\n"), Some(FrameProblem::Incomplete));
    assert_eq!(problem(b"+OK\r\n+OK\r\n"), Some(FrameProblem::Trailing(5)));
    assert_eq!(problem(b"$1\r\nabc\r\n"), Some(FrameProblem::NotResp));
    assert_eq!(problem(b"OK\r\n"), Some(FrameProblem::NotResp));
    assert_eq!(problem(b"*?\r\n.\r\n"), Some(FrameProblem::NotResp));
    assert_eq!(problem(b"+a\nb\r\n"), Some(FrameProblem::LineBreak));
}

#[test]
fn a_push_is_no_reply_wherever_it_hides() {
    assert_eq!(problem(b">1\r\n+x\r\n"), Some(FrameProblem::Push));
    assert_eq!(problem(b"*1\r\n>1\r\n+x\r\n"), Some(FrameProblem::Push));
}

#[test]
fn what_only_resp3_knows_is_a_reply_too() {
    for frame in [
        &b"_\r\n"[..],
        b"#t\r\n",
        b",1.5\r\n",
        b"(1\r\n",
        b"!1\r\nx\r\n",
        b"=5\r\ntxt:x\r\n",
        b"%1\r\n:1\r\n:2\r\n",
        b"~1\r\n:1\r\n",
        b"|1\r\n:1\r\n:2\r\n:3\r\n",
        b"*1\r\n*1\r\n_\r\n",
    ] {
        assert_eq!(problem(frame), None, "{}", frame.escape_ascii());
    }
}

#[test]
fn changes_are_held_to_the_same_rules() {
    let made = |indices: &[u32], lengths: &[u32], bytes: &[u8]| {
        let answer = Changes { indices: indices.to_vec(), lengths: lengths.to_vec(), bytes: bytes.to_vec() };
        changes(&answer, [false; 2].into_iter(), 2)
    };
    assert_eq!(made(&[0, 1], &[5, 3], b"+OK\r\n_\r\n"), Ok(()));
    assert_eq!(made(&[0], &[0], b""), Err(Invalid::Frame { at: 0, problem: FrameProblem::Incomplete }));
    assert_eq!(made(&[2], &[5], b"+OK\r\n"), Err(Invalid::Index { at: 0, index: 2, batch: 2 }));
    assert_eq!(made(&[1, 0], &[5, 5], b"+OK\r\n+OK\r\n"), Err(Invalid::Order { at: 1, index: 0 }));
    assert_eq!(made(&[0], &[6], b"+OK\r\n"), Err(Invalid::Bytes { at: 0 }));
    assert_eq!(made(&[0], &[5], b"+OK\r\nx"), Err(Invalid::Leftover { numbers: 0, bytes: 1 }));
    assert_eq!(made(&[0], &[], b""), Err(Invalid::ChangeColumns { indices: 1, lengths: 0 }));
}

#[test]
fn a_push_is_replaced_by_a_push_and_nothing_else_is() {
    let made = |pushes: [bool; 2], frame: &[u8]| {
        let answer = Changes { indices: vec![1], lengths: vec![frame.len() as u32], bytes: frame.to_vec() };
        changes(&answer, pushes.into_iter(), 2)
    };
    let invalid = |problem| Err(Invalid::Frame { at: 0, problem });
    assert_eq!(made([false, true], b">1\r\n+a\r\n"), Ok(()));
    assert_eq!(made([false, true], b"*1\r\n+a\r\n"), invalid(FrameProblem::NotPush));
    assert_eq!(made([true, false], b">1\r\n+a\r\n"), invalid(FrameProblem::Push));
    assert_eq!(made([false, true], b">1\r\n>1\r\n+a\r\n"), invalid(FrameProblem::Push));
}

/// A verdict as a model: what it should read back as.
#[derive(Clone, Debug, PartialEq)]
enum Model {
    Forward,
    Rewrite(Vec<ModelArgument>),
    Reply(Vec<u8>),
    FanOut(Vec<Vec<ModelArgument>>),
    Close(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq)]
enum ModelArgument {
    Original(u32),
    Literal(Vec<u8>),
}

fn argument() -> impl Strategy<Value = ModelArgument> {
    prop_oneof![(0..2u32).prop_map(ModelArgument::Original), vec(any::<u8>(), 0..8).prop_map(ModelArgument::Literal)]
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"+OK\r\n".to_vec()),
        Just(b"*2\r\n:1\r\n$2\r\n\r\n\r\n".to_vec()),
        vec(any::<u8>(), 0..20)
            .prop_map(|bytes| [format!("${}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat()),
    ]
}

fn model() -> impl Strategy<Value = Model> {
    let request = || vec(argument(), 1..5);
    prop_oneof![
        Just(Model::Forward),
        request().prop_map(Model::Rewrite),
        frame().prop_map(Model::Reply),
        vec(request(), 1..4).prop_map(Model::FanOut),
        prop_oneof![Just(Vec::new()), frame()].prop_map(Model::Close),
    ]
}

fn write_request(answer: &mut Verdicts, arguments: &[ModelArgument]) {
    answer.numbers.push(arguments.len() as u32);
    for argument in arguments {
        match argument {
            ModelArgument::Original(at) => answer.numbers.push(ORIGINAL | at),
            ModelArgument::Literal(bytes) => {
                answer.numbers.push(bytes.len() as u32);
                answer.bytes.extend_from_slice(bytes);
            }
        }
    }
}

/// An answer to a batch of as many requests as there are models; `None` gives no verdict.
fn write(models: &[Option<(Model, Option<u64>)>]) -> Verdicts {
    let mut answer = Verdicts::new();
    for (index, model) in (0..).zip(models) {
        let Some((model, watch)) = model else { continue };
        let kind = match model {
            Model::Forward => ActionKind::Forward,
            Model::Rewrite(arguments) => {
                write_request(&mut answer, arguments);
                ActionKind::Rewrite
            }
            Model::FanOut(requests) => {
                answer.numbers.push(requests.len() as u32);
                requests.iter().for_each(|arguments| write_request(&mut answer, arguments));
                ActionKind::FanOut
            }
            Model::Reply(frame) | Model::Close(frame) => {
                answer.numbers.push(frame.len() as u32);
                answer.bytes.extend_from_slice(frame);
                if matches!(model, Model::Reply(_)) { ActionKind::Reply } else { ActionKind::Close }
            }
        };
        let watched = if watch.is_some() && kind.may_watch() { WATCHED } else { 0 };
        answer.indices.push(index);
        answer.kinds.push(kind.bits() | watched);
        answer.tags.push(watch.unwrap_or(99));
    }
    answer
}

fn read_request(arguments: Arguments<'_>) -> Vec<ModelArgument> {
    let each = arguments.map(|argument| match argument {
        Argument::Original(at) => ModelArgument::Original(at),
        Argument::Literal(bytes) => ModelArgument::Literal(bytes.to_vec()),
    });
    each.collect()
}

fn read(answer: &Verdicts, batch: usize) -> Vec<Option<(Model, Option<u64>)>> {
    let mut models = vec![None; batch];
    for verdict in answer.iter() {
        let model = match verdict.action {
            Action::Forward => Model::Forward,
            Action::Rewrite(arguments) => Model::Rewrite(read_request(arguments)),
            Action::Reply(frame) => Model::Reply(frame.to_vec()),
            Action::FanOut(requests) => Model::FanOut(requests.map(read_request).collect()),
            Action::Close(frame) => Model::Close(frame.unwrap_or(&[]).to_vec()),
        };
        models[verdict.index as usize] = Some((model, verdict.watch));
    }
    models
}

fn models() -> impl Strategy<Value = Vec<Option<(Model, Option<u64>)>>> {
    vec(proptest::option::of((model(), proptest::option::of(any::<u64>()))), 1..12)
}

proptest! {
    #[test]
    fn every_valid_answer_is_accepted_and_reads_back_as_it_was_meant(models in models()) {
        let answer = write(&models);
        let batch = Columns::new(&vec![2; models.len()]);
        prop_assert_eq!(verdicts(&answer, &batch.batch(), &bounds()), Ok(()));
        let meant: Vec<_> = models
            .into_iter()
            .map(|model| model.map(|(model, watch)| {
                let watch = watch.filter(|_| !matches!(model, Model::Reply(_) | Model::Close(_)));
                (model, watch)
            }))
            .collect();
        prop_assert_eq!(read(&answer, meant.len()), meant);
    }

    #[test]
    fn a_damaged_answer_is_refused_or_read_to_its_end(
        models in models(),
        damage in vec((0..5usize, any::<prop::sample::Index>(), any::<u32>(), any::<bool>()), 1..4),
    ) {
        let mut answer = write(&models);
        for (column, at, value, grow) in damage {
            let Verdicts { indices, kinds, tags, numbers, bytes } = &mut answer;
            match column {
                0 => tamper(indices, at, value, grow),
                1 => tamper(kinds, at, value as u8, grow),
                2 => tamper(tags, at, value.into(), grow),
                3 => tamper(numbers, at, if value & 1 == 0 { value } else { value % 8 }, grow),
                _ => tamper(bytes, at, value as u8, grow),
            }
        }
        let batch = Columns::new(&vec![2; models.len()]);
        if verdicts(&answer, &batch.batch(), &bounds()).is_ok() {
            assert_sound(&answer, models.len(), 2)?;
        } else {
            // Reading it would be wrong, but must not end in a panic.
            let _ = answer.iter().count();
        }
    }

    #[test]
    fn nothing_makes_a_check_panic(
        indices in vec(0..6u32, 0..6),
        kinds in vec(prop_oneof![0..5u8, 0x80..0x85u8, any::<u8>()], 0..6),
        tags in vec(any::<u64>(), 0..6),
        numbers in vec(prop_oneof![0..6u32, (0..3u32).prop_map(|at| ORIGINAL | at), any::<u32>()], 0..12),
        bytes in vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'+'), Just(b'*'), Just(b'1'), any::<u8>()], 0..24),
    ) {
        let answer = Verdicts { indices, kinds, tags, numbers, bytes };
        let batch = Columns::new(&[1, 2, 3, 1]);
        if verdicts(&answer, &batch.batch(), &bounds()).is_ok() {
            prop_assert_eq!(answer.iter().count(), answer.len());
        }
        let _ = answer.iter().count();
        let answer = Changes { indices: answer.indices, lengths: answer.numbers, bytes: answer.bytes };
        let _ = changes(&answer, [false, true, false, true].into_iter(), 4);
        let _ = answer.iter().count();
    }

    #[test]
    fn a_frame_that_is_accepted_is_whole(bytes in vec(prop_oneof![
        Just(b'\r'), Just(b'\n'), Just(b'+'), Just(b'*'), Just(b'$'), Just(b'-'), Just(b'1'), Just(b'_'), any::<u8>()
    ], 0..24)) {
        if reply(&bytes).is_ok() {
            prop_assert_eq!(frame_length(&bytes).unwrap(), Some(bytes.len()));
        }
    }
}

fn tamper<T>(column: &mut Vec<T>, at: prop::sample::Index, value: T, grow: bool) {
    if grow || column.is_empty() {
        column.insert(at.index(column.len() + 1), value);
    } else {
        let at = at.index(column.len());
        column[at] = value;
    }
}

/// What the rest of the host relies on.
fn assert_sound(answer: &Verdicts, batch: usize, arguments: u32) -> Result<(), TestCaseError> {
    prop_assert_eq!(answer.iter().count(), answer.len());
    let mut last = None;
    let in_range = |arguments_read: Arguments<'_>| {
        arguments_read.len() > 0
            && arguments_read.clone().count() == arguments_read.len()
            && arguments_read.clone().all(|argument| !matches!(argument, Argument::Original(at) if at >= arguments))
    };
    for verdict in answer.iter() {
        prop_assert!((verdict.index as usize) < batch);
        prop_assert!(last < Some(verdict.index));
        last = Some(verdict.index);
        match verdict.action {
            Action::Forward => {}
            Action::Rewrite(request) => prop_assert!(in_range(request)),
            Action::FanOut(requests) => {
                prop_assert!(requests.len() > 0);
                prop_assert_eq!(requests.clone().count(), requests.len());
                let mut requests = requests;
                let sound = requests.all(in_range);
                prop_assert!(sound);
            }
            Action::Reply(frame) | Action::Close(Some(frame)) => {
                prop_assert!(verdict.watch.is_none());
                prop_assert_eq!(frame_length(frame).unwrap(), Some(frame.len()));
            }
            Action::Close(None) => prop_assert!(verdict.watch.is_none()),
        }
    }
    Ok(())
}
