//! Verdicts arrive as they were meant, and cannot be put together wrongly.

use std::cell::RefCell;

use proptest::prelude::*;
use serde_json::json;
use sluice_plugin::testing::{Action, Harness};
use sluice_plugin::{Command, CommandSet, Interest, NoConfig, Reply, Request, Requests, Transform, Verdict, View};

type Judge = Box<dyn FnMut(&Request<'_>, &mut Verdict<'_>)>;

thread_local! {
    static JUDGE: RefCell<Option<Judge>> = const { RefCell::new(None) };
    static INTEREST: RefCell<Option<Interest>> = const { RefCell::new(None) };
}

/// A transform that does what the test says.
struct Told;

impl Transform for Told {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Told)
    }

    fn interest(&self) -> Interest {
        INTEREST.with_borrow(|interest| interest.clone().unwrap_or_else(Interest::everything))
    }

    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        JUDGE.with_borrow_mut(|judge| judge.as_mut().unwrap()(request, verdict));
    }
}

fn told(judge: impl FnMut(&Request<'_>, &mut Verdict<'_>) + 'static) -> Harness<Told> {
    JUDGE.with_borrow_mut(|place| *place = Some(Box::new(judge)));
    Harness::new(json!({})).unwrap()
}

fn action(judge: impl FnMut(&Request<'_>, &mut Verdict<'_>) + 'static) -> Action {
    told(judge).request("SET k v").action
}

#[test]
fn every_verdict_arrives_as_it_was_meant() {
    assert_eq!(action(|_, _| ()), Action::Forward);
    assert_eq!(
        action(|_, verdict| _ = verdict.rewrite().push("GET").push_parts(&[b"a:", b"k"])),
        Action::rewrite("GET a:k")
    );
    assert_eq!(action(|_, verdict| verdict.reply(&Reply::OK)), Action::Reply(Reply::OK));
    assert_eq!(action(|_, verdict| verdict.reply_frame(b":7\r\n")), Action::Reply(Reply::Integer(7)));
    assert_eq!(action(|_, verdict| verdict.close()), Action::Close(None));
    assert_eq!(action(|_, verdict| verdict.close_with(&Reply::error("ERR"))), Action::Close(Some(Reply::error("ERR"))));
    let fan_out = action(|_, verdict| {
        let mut fan_out = verdict.fan_out();
        fan_out.request().push("DEL").keep_from(1);
        fan_out.request().push("PING");
    });
    assert_eq!(fan_out, Action::fan_out(["DEL k v", "PING"]));
}

#[test]
fn arguments_outside_the_view_can_be_kept_without_being_seen() {
    INTEREST.with_borrow_mut(|interest| *interest = Some(Interest::everything().view(View::Command)));
    let kept = action(|request, verdict| {
        assert_eq!((request.bytes(0), request.bytes(1), request.bytes(3)), (Some(&b"SET"[..]), None, None));
        assert_eq!(request.args().map(|arg| arg.len()).collect::<Vec<_>>(), [3, 1, 1]);
        let value = request.arg(2).unwrap();
        verdict.rewrite().push("LPUSH").push("other").keep(&value);
    });
    assert_eq!(kept, Action::rewrite("LPUSH other v"));
}

#[test]
fn the_last_word_counts_and_leaves_nothing_of_those_before() {
    let changed = action(|_, verdict| {
        verdict.reply(&Reply::bulk("a long reply that is taken back"));
        verdict.rewrite().push("GET").push("k");
        verdict.fan_out().request().push("PING");
        verdict.rewrite().push("DEL").push("k");
    });
    assert_eq!(changed, Action::rewrite("DEL k"));
    let taken_back = action(|_, verdict| {
        verdict.rewrite().push("GET");
        verdict.forward();
    });
    assert_eq!(taken_back, Action::Forward);
}

#[test]
fn what_says_nothing_forwards() {
    assert_eq!(action(|_, verdict| _ = verdict.rewrite()), Action::Forward);
    assert_eq!(action(|_, verdict| _ = verdict.fan_out()), Action::Forward);
    let empty = action(|_, verdict| {
        let mut fan_out = verdict.fan_out();
        fan_out.request();
        fan_out.request().push("PING");
        fan_out.request();
    });
    assert_eq!(empty, Action::fan_out(["PING"]));
}

#[test]
fn a_watch_stays_with_what_goes_on_and_leaves_what_does_not() {
    let watch = |judge: fn(&mut Verdict<'_>)| told(move |_, verdict| judge(verdict)).request("GET k").watch;
    assert_eq!(watch(|verdict| verdict.watch(7)), Some(7));
    assert_eq!(
        watch(|verdict| {
            verdict.watch(u64::MAX);
            verdict.rewrite().push("PING");
        }),
        Some(u64::MAX)
    );
    assert_eq!(
        watch(|verdict| {
            verdict.rewrite().push("PING");
            verdict.watch(0);
        }),
        Some(0)
    );
    assert_eq!(
        watch(|verdict| {
            verdict.rewrite();
            verdict.watch(3);
        }),
        Some(3)
    );
    assert_eq!(
        watch(|verdict| {
            verdict.watch(1);
            verdict.reply(&Reply::OK);
        }),
        None
    );
    assert_eq!(
        watch(|verdict| {
            verdict.close();
            verdict.watch(1);
        }),
        None
    );
}

#[test]
fn keys_are_told_only_where_they_were_asked_for() {
    let keys = |interest: Interest| {
        INTEREST.with_borrow_mut(|place| *place = Some(interest));
        let mut harness = told(|request, verdict| {
            let keys = request.keys().map(|key| key.position() as u64).sum();
            verdict.watch(keys);
        });
        harness.request("MSET a 1 b 2").watch
    };
    assert_eq!(keys(Interest::everything()), Some(0));
    assert_eq!(keys(Interest::everything().key_positions()), Some(4));
    assert_eq!(keys(Interest::everything().view(View::Keys)), Some(4));
}

#[test]
fn only_the_commands_of_the_interest_cross_and_a_container_stands_for_its_subcommands() {
    INTEREST.with_borrow_mut(|interest| *interest = Some(Interest::in_commands(["config", "get"])));
    let mut harness = told(|_, verdict| verdict.watch(1));
    let watched = |request| harness.request(request).watch.is_some();
    let requests = ["CONFIG GET x", "config set a b", "GET k", "SET k v", "NOSUCH"];
    assert_eq!(requests.map(watched), [true, true, true, false, false]);
}

#[test]
fn a_batch_can_be_judged_as_a_whole_and_what_is_not_taken_is_forwarded() {
    struct FirstOnly;
    impl Transform for FirstOnly {
        type Config = NoConfig;
        fn new(_: NoConfig) -> Result<Self, String> {
            Ok(FirstOnly)
        }
        fn requests(&mut self, batch: &mut Requests<'_>) {
            let left = batch.len();
            if let Some((_, mut verdict)) = batch.next_request() {
                verdict.reply(&Reply::Integer(left as i64));
            }
        }
    }
    let mut harness = Harness::<FirstOnly>::new(json!({})).unwrap();
    let verdicts = harness.requests([(1, "GET a"), (2, "GET b"), (1, "GET c")]);
    let actions: Vec<_> = verdicts.into_iter().map(|verdict| verdict.action).collect();
    assert_eq!(actions, [Action::Reply(Reply::Integer(3)), Action::Forward, Action::Forward]);
}

#[test]
fn commands_are_known_by_the_names_of_the_table() {
    let mut harness = told(|request, verdict| verdict.reply(&Reply::bulk(request.command().name())));
    let mut name = |line: &str| harness.request(line).reply().unwrap().as_bytes().unwrap().to_vec();
    assert_eq!(name("gEt k"), b"get");
    assert_eq!(name("CONFIG set a b"), b"config|set");
    assert_eq!(name("NOSUCH"), b"");
    assert!(Command::named("set").unwrap().is_in("write") && Command::named("set").unwrap().is_keyed());
}

#[test]
fn a_set_and_its_complement_share_nothing_and_miss_nothing() {
    let set = CommandSet::parse(["@write", "config", "GET"]).unwrap();
    let complement = set.complement();
    assert!(
        Command::all().chain([Command::UNKNOWN]).all(|command| set.contains(command) != complement.contains(command))
    );
    assert!(set.contains(Command::named("config|set").unwrap()) && !set.contains(Command::UNKNOWN));
    assert!(CommandSet::parse(["config|nosuch"]).is_err() && CommandSet::parse(["@"]).is_err());
}

#[test]
#[should_panic(expected = "is not exactly one frame")]
fn a_reply_of_two_frames_is_refused() {
    action(|_, verdict| verdict.reply_frame(b"+OK\r\n+OK\r\n"));
}

#[test]
#[should_panic(expected = "is not exactly one frame")]
fn a_truncated_reply_is_refused() {
    action(|_, verdict| verdict.reply_frame(b"*2\r\n+OK\r\n"));
}

/// Something that a transform could do to a verdict.
#[derive(Clone, Debug)]
enum Step {
    Forward,
    Rewrite(Vec<Vec<u8>>),
    Reply(Vec<u8>),
    FanOut(Vec<Vec<Vec<u8>>>),
    Close,
    Watch(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..5);
    let args = move || prop::collection::vec(bytes(), 0..4);
    prop_oneof![
        Just(Step::Forward),
        args().prop_map(Step::Rewrite),
        bytes().prop_map(Step::Reply),
        prop::collection::vec(args(), 0..4).prop_map(Step::FanOut),
        Just(Step::Close),
        any::<u64>().prop_map(Step::Watch),
    ]
}

proptest! {
    /// Whatever is done in whatever order, the answer is one that the host takes, and means the last thing that was said.
    #[test]
    fn no_sequence_of_calls_makes_an_invalid_answer(batch in prop::collection::vec(prop::collection::vec(step(), 0..5), 1..6)) {
        let expected: Vec<_> = batch.iter().map(|steps| expect(steps)).collect();
        let mut steps = batch.into_iter();
        let mut harness = told(move |_, verdict| steps.next().unwrap().into_iter().for_each(|step| take(step, verdict)));
        let requests: Vec<_> = expected.iter().map(|_| (1, "SET k v")).collect();
        let verdicts = harness.requests(requests);
        let got: Vec<_> = verdicts.into_iter().map(|verdict| (verdict.action, verdict.watch)).collect();
        prop_assert_eq!(got, expected);
    }
}

fn take(step: Step, verdict: &mut Verdict<'_>) {
    match step {
        Step::Forward => verdict.forward(),
        Step::Rewrite(args) => {
            let mut rewrite = verdict.rewrite();
            for arg in &args {
                rewrite.push(arg);
            }
        }
        Step::Reply(bytes) => verdict.reply(&Reply::bulk(bytes)),
        Step::FanOut(requests) => {
            let mut fan_out = verdict.fan_out();
            for args in requests {
                let mut request = fan_out.request();
                for arg in &args {
                    request.push(arg);
                }
            }
        }
        Step::Close => verdict.close(),
        Step::Watch(tag) => verdict.watch(tag),
    }
}

fn expect(steps: &[Step]) -> (Action, Option<u64>) {
    let mut action = Action::Forward;
    let mut watch = None;
    for step in steps.iter().cloned() {
        action = match step {
            Step::Forward => Action::Forward,
            Step::Rewrite(args) if args.is_empty() => Action::Forward,
            Step::Rewrite(args) => Action::Rewrite(args),
            Step::Reply(bytes) => Action::Reply(Reply::bulk(bytes)),
            Step::FanOut(mut requests) => {
                requests.retain(|args| !args.is_empty());
                if requests.is_empty() { Action::Forward } else { Action::FanOut(requests) }
            }
            Step::Close => Action::Close(None),
            Step::Watch(tag) => {
                watch = Some(tag);
                continue;
            }
        };
    }
    let goes_on = !matches!(action, Action::Reply(_) | Action::Close(_));
    (action, watch.filter(|_| goes_on))
}
