//! What a plugin does wrong costs itself its store, and nobody anything else.

use std::time::{Duration, Instant};

use super::guest::Guest;
use super::harness::{Requests, cross, cross_back, instance, instance_with, one_request};
use crate::plugin::{Fault, Grant, Instance, Phase, Suspended};

/// A guest that does something when the first request's session is 666, and forwards everything
/// otherwise.
fn poisoned_by(deed: &str) -> Guest {
    Guest::columns().requests(&format!(
        "(if (i64.eq (i64.load (local.get $sessions)) (i64.const 666)) (then {deed}))
         (i32.const 0x100)"
    ))
}

fn poison() -> Requests {
    let mut requests = Requests::default();
    requests.push(666, &[b"GET", b"k"]);
    requests
}

#[test]
fn an_endless_loop_is_ended_at_its_deadline_and_the_next_crossing_succeeds() {
    let budget = Duration::from_millis(20);
    let mut instance = instance_with(&poisoned_by("(loop (br 0))"), |spec| spec.limits.crossing = budget);
    cross(&mut instance, &one_request()).unwrap();
    let begun = cpu_time::ThreadTime::now();
    assert_eq!(cross(&mut instance, &poison()).unwrap_err(), Fault::Deadline(budget));
    let took = begun.elapsed();
    assert!(took >= budget, "{took:?}");
    assert!(took < budget + Duration::from_millis(15), "ended {:?} late", took - budget);
    cross(&mut instance, &one_request()).unwrap();
}

#[test]
fn a_deadline_counts_what_the_plugin_computes_not_what_the_machine_is_busy_with() {
    // Two threads for each processor share the time, so each crossing takes about twice its
    // processor time.
    let busy = Guest::columns().requests(
        "(local $left i32)
         (local.set $left (i32.const 3000000))
         (loop $again
             (local.set $left (i32.sub (local.get $left) (i32.const 1)))
             (br_if $again (local.get $left)))
         (i32.const 0x100)",
    );
    let mut alone = instance_with(&busy, |spec| spec.limits.crossing = Duration::from_secs(1));
    cross(&mut alone, &one_request()).unwrap();
    let begun = cpu_time::ThreadTime::now();
    cross(&mut alone, &one_request()).unwrap();
    let needs = begun.elapsed();
    let budget = needs * 4 + Duration::from_millis(5);
    let processors = std::thread::available_parallelism().unwrap().get();
    std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..processors * 8)
            .map(|_| {
                let busy = &busy;
                scope.spawn(move || {
                    let mut instance = instance_with(busy, |spec| spec.limits.crossing = budget);
                    (0..20).try_for_each(|_| cross(&mut instance, &one_request()).map(drop))
                })
            })
            .collect();
        for member in crowd {
            member.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_memory_bomb_stops_at_its_limit() {
    // Takes what it gets, and then touches what it did not get.
    let bomb = poisoned_by("(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable");
    let mut instance = instance_with(&bomb, |spec| spec.limits.memory = 4 << 20);
    assert_eq!(cross(&mut instance, &poison()).unwrap_err(), Fault::Memory(4 << 20));
    cross(&mut instance, &one_request()).unwrap();
}

#[test]
fn a_refused_growth_is_no_fault_for_one_that_can_live_with_it() {
    let modest = poisoned_by("(drop (memory.grow (i32.const 10000)))");
    cross(&mut instance(&modest), &poison()).unwrap();
}

#[test]
fn a_table_counts_as_memory() {
    let bomb =
        poisoned_by("(if (i32.eq (table.grow (ref.null func) (i32.const 400000)) (i32.const -1)) (then unreachable))")
            .items("(table 1 funcref)");
    let mut small = instance_with(&bomb, |spec| spec.limits.memory = 1 << 20);
    assert_eq!(cross(&mut small, &poison()).unwrap_err(), Fault::Memory(1 << 20));
    let mut large = instance_with(&bomb, |spec| spec.limits.memory = 8 << 20);
    cross(&mut large, &poison()).unwrap();
}

#[test]
fn a_batch_beyond_the_memory_limit_is_a_fault() {
    let mut instance = instance_with(&Guest::columns(), |spec| spec.limits.memory = 1 << 20);
    let large = vec![b'x'; 2 << 20];
    let requests = Requests::of(&[&[b"SET", b"k", &large]]);
    assert_eq!(cross(&mut instance, &requests).unwrap_err(), Fault::Memory(1 << 20));
    cross(&mut instance, &one_request()).unwrap();
}

#[test]
fn a_trap_says_what_it_was() {
    let reasons = [
        ("unreachable", "wasm `unreachable` instruction executed"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "integer divide by zero"),
        ("(drop (i32.load (i32.const -4)))", "out of bounds memory access"),
    ];
    for (deed, reason) in reasons {
        let fault = cross(&mut instance(&poisoned_by(deed)), &poison()).unwrap_err();
        assert_eq!(fault, Fault::Trap(reason.to_owned()));
    }
}

#[test]
fn an_endless_recursion_ends_with_its_stack() {
    let deep = poisoned_by("(call $deeper)").items("(func $deeper (call $deeper) (call $deeper))");
    for stack in [64 << 10, 1 << 20] {
        let mut instance = instance_with(&deep, |spec| spec.limits.stack = stack);
        assert_eq!(cross(&mut instance, &poison()).unwrap_err(), Fault::Stack);
        cross(&mut instance, &one_request()).unwrap();
    }
}

#[test]
fn the_stack_limit_is_each_plugins_own() {
    // Recurses some 2,000 deep and comes back: enough for the one, too much for the other.
    let deep = Guest::columns().requests("(drop (call $down (i32.const 4000))) (i32.const 0x100)").items(
        "(func $down (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 0))))",
    );
    assert_eq!(
        cross(&mut instance_with(&deep, |spec| spec.limits.stack = 64 << 10), &one_request()).unwrap_err(),
        Fault::Stack
    );
    cross(&mut instance_with(&deep, |spec| spec.limits.stack = 1 << 20), &one_request()).unwrap();
}

#[test]
fn a_fault_in_responses_is_a_fault_as_well() {
    let mut instance = instance(&Guest::columns().responses("unreachable"));
    assert_eq!(cross_back(&mut instance, &[b"+OK\r\n"]).unwrap_err().kind(), "trap");
    cross(&mut instance, &one_request()).unwrap();
}

#[test]
fn a_fault_discards_what_the_instance_remembered() {
    // Counts its crossings and faults at the third.
    let forgetful = Guest::columns().items("(global $calls (mut i32) (i32.const 0))").requests(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (if (i32.eq (global.get $calls) (i32.const 3)) (then unreachable))
             (i32.const 0x100)",
    );
    let mut instance = instance(&forgetful);
    for round in 0..5 {
        for _ in 0..2 {
            cross(&mut instance, &one_request()).unwrap_or_else(|fault| panic!("round {round}: {fault}"));
        }
        cross(&mut instance, &one_request()).unwrap_err();
    }
}

/// What a chain asks before it lets the frames of sessions 1 and 666 cross.
fn suspended(instance: &mut Instance) -> Option<Suspended> {
    instance.suspended(Phase::Requests, &[1, 666])
}

fn wait_for(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() <= until {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_session_that_keeps_faulting_is_suspended_alone_and_returns_by_itself() {
    let mut instance = instance(&poisoned_by("unreachable"));
    let mut faults = 0;
    let found = loop {
        match suspended(&mut instance) {
            Some(found) => break found,
            None => assert_eq!(cross(&mut instance, &poison()).unwrap_err().kind(), "trap"),
        }
        faults += 1;
    };
    assert!((2..10).contains(&faults), "{faults}");
    assert!(found.contains(666) && !found.contains(1));
    let Fault::Suspended { retry_in } = *found.fault() else { panic!("{:?}", found.fault()) };
    // The others go on, and their successes do not forgive.
    cross(&mut instance, &one_request()).unwrap();
    assert!(suspended(&mut instance).is_some());
    wait_for(retry_in);
    assert!(suspended(&mut instance).is_none());
    // What it does well forgives: the next fault does not suspend it.
    let mut good = poison();
    good.sessions[0] = 1;
    good.push(666, &[b"GET", b"k"]);
    cross(&mut instance, &good).unwrap();
    assert_eq!(cross(&mut instance, &poison()).unwrap_err().kind(), "trap");
    assert!(suspended(&mut instance).is_none());
}

#[test]
fn nobody_is_blamed_for_a_fault_in_company() {
    // Faults for the second of a batch.
    let guest = Guest::columns()
        .requests("(if (i32.gt_u (local.get $ids_len) (i32.const 1)) (then unreachable)) (i32.const 0x100)");
    let mut instance = instance(&guest);
    let both = Requests::of(&[&[b"GET", b"k"], &[b"GET", b"k"]]);
    for _ in 0..100 {
        assert_eq!(cross(&mut instance, &both).unwrap_err().kind(), "trap");
        assert!(instance.suspended(Phase::Requests, &[1, 2]).is_none());
    }
    cross(&mut instance, &one_request()).unwrap();
}

#[test]
fn what_a_session_does_well_with_requests_does_not_forgive_its_responses() {
    let mut instance = instance(&Guest::columns().responses("unreachable"));
    for _ in 0..10 {
        cross(&mut instance, &one_request()).unwrap();
        cross_back(&mut instance, &[b"+OK\r\n"]).unwrap_err();
    }
    assert!(instance.suspended(Phase::Responses, &[1]).is_some());
    assert!(instance.suspended(Phase::Requests, &[1]).is_none());
}

#[test]
fn a_plugin_that_fails_for_everyone_is_suspended_for_all_and_returns_by_itself() {
    // Fails for every session but 0.
    let guest = Guest::columns()
        .requests("(if (i64.ne (i64.load (local.get $sessions)) (i64.const 0)) (then unreachable)) (i32.const 0x100)");
    let mut instance = instance(&guest);
    let request_of = |session| {
        let mut request = one_request();
        request.sessions[0] = session;
        request
    };
    let (faults, retry_in) = (1..100)
        .find_map(|session| match cross(&mut instance, &request_of(session)).unwrap_err() {
            Fault::Suspended { retry_in } => Some((session - 1, retry_in)),
            fault => {
                assert_eq!(fault.kind(), "trap");
                None
            }
        })
        .unwrap();
    assert!((8..50).contains(&faults), "{faults}");
    assert_eq!(cross(&mut instance, &request_of(0)).unwrap_err().kind(), "suspended", "without a call");
    wait_for(retry_in);
    cross(&mut instance, &request_of(0)).unwrap();
}

#[test]
fn a_plugin_that_cannot_be_started_is_suspended_and_nobody_is_blamed() {
    // Is set up well once, which is when the topology is checked; then five times not at all, and
    // then well again.
    let mut guest = Guest::columns().import("state", "increment", "(param i32 i32 i64 i32 i64 i32)");
    let key = guest.put(b"n");
    let guest = guest.configure(&format!(
        "(call $increment (i32.const {key}) (i32.const 1) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 0x600))
         (if (i64.lt_u (i64.sub (i64.load (i32.const 0x608)) (i64.const 2)) (i64.const 5)) (then unreachable))
         (i32.const 0x220)"
    ));
    let mut instance = instance_with(&guest, |spec| spec.grants = [Grant::State].into_iter().collect());
    let mut kinds = Vec::new();
    while let Err(fault) = cross(&mut instance, &one_request()) {
        assert!(instance.suspended(Phase::Requests, &[1]).is_none(), "nobody is blamed");
        kinds.push(fault.kind());
        if let Fault::Suspended { retry_in } = fault {
            wait_for(retry_in);
        }
    }
    assert_eq!(kinds, ["trap", "trap", "trap", "trap", "suspended", "trap", "suspended"]);
}

#[test]
fn what_ended_a_call_is_told_even_where_memory_was_refused_before() {
    let refused = |deed: &str| poisoned_by(&format!("(drop (memory.grow (i32.const 10000))) {deed}"));
    let mut endless = instance(&refused("(loop (br 0))"));
    assert_eq!(cross(&mut endless, &poison()).unwrap_err().kind(), "deadline");
    let deep = refused("(call $deeper)").items("(func $deeper (call $deeper) (call $deeper))");
    assert_eq!(cross(&mut instance(&deep), &poison()).unwrap_err(), Fault::Stack);
}

#[test]
fn one_plugin_that_faults_does_not_touch_another() {
    let mut bad = instance(&poisoned_by("(loop (br 0))"));
    let mut good = instance(&Guest::columns());
    for _ in 0..3 {
        cross(&mut bad, &poison()).unwrap_err();
        cross(&mut good, &one_request()).unwrap();
    }
}
