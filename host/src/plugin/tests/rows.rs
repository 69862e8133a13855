//! The rows lane with real components.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use super::guest::Guest;
use super::harness::{Requests, Speaks, cross, cross_back, instance, instance_with, load, one_request, shown, site};
use crate::plugin::{Fault, KEY, Verdicts};

/// Gives one verdict on request 0: `action` writes it to `$action`, with `$at` and `$args` to its
/// use.
fn verdict(action: &str) -> Guest {
    let mut guest = Guest::rows();
    let list = guest.put(&[0; 8]);
    // index, then the action (its case and a list), then the watch: an option of a u64, aligned to
    // 8.
    let verdict = guest.put(&[0; 40]);
    guest.requests(&format!(
        "(local $action i32) (local $at i32) (local $args i32)
         (local.set $action (i32.const {}))
         {action}
         (i32.store (i32.const {list}) (i32.const {verdict}))
         (i32.store (i32.const {}) (i32.const 1))
         (i32.const {list})",
        verdict + 4,
        list + 4,
    ))
}

#[test]
fn an_empty_answer_forwards_everything() {
    assert_eq!(cross(&mut instance(&Guest::rows()), &one_request()).unwrap(), [""; 0]);
}

#[test]
fn arguments_go_in_and_come_back() {
    // A request is: id, session, command (2 words), args (2 words), keys (2 words). Its args become
    // those of a rewrite.
    let guest = verdict(
        "(i32.store8 (local.get $action) (i32.const 1))
         (i32.store offset=4 (local.get $action) (i32.load offset=24 (local.get $batch)))
         (i32.store offset=8 (local.get $action) (i32.load offset=28 (local.get $batch)))
         ;; Watched, with the request's own session as the tag.
         (i32.store8 offset=12 (local.get $action) (i32.const 1))
         (i64.store offset=20 (local.get $action) (i64.load offset=8 (local.get $batch)))",
    );
    let requests = Requests::of(&[&[b"SET", b"", b"\x00\xff\r\n"]]);
    assert_eq!(
        cross(&mut instance(&guest), &requests).unwrap(),
        [r#"0: rewrite "SET" "" "\\x00\\xff\\r\\n" watched 1"#]
    );
}

#[test]
fn the_command_has_its_name_and_the_keys_their_positions() {
    // Rewrites to one argument: the command's name. Traps unless the only key is argument 1.
    let guest = verdict(
        "(if (i32.ne (i32.load offset=36 (local.get $batch)) (i32.const 1)) (then unreachable))
         (if (i32.ne (i32.load (i32.load offset=32 (local.get $batch))) (i32.const 1)) (then unreachable))
         (i32.store8 (local.get $action) (i32.const 1))
         (i32.store offset=4 (local.get $action) (i32.add (local.get $batch) (i32.const 16)))
         (i32.store offset=8 (local.get $action) (i32.const 1))",
    );
    let mut requests = one_request();
    requests.commands = vec![sluice_commands::table().by_name("get").unwrap().index()];
    requests.arg_lengths[1] |= KEY;
    assert_eq!(cross(&mut instance(&guest), &requests).unwrap(), [r#"0: rewrite "get""#]);
}

#[test]
fn arguments_outside_the_view_are_empty() {
    let guest = verdict(
        "(i32.store8 (local.get $action) (i32.const 1))
         (i32.store offset=4 (local.get $action) (i32.load offset=24 (local.get $batch)))
         (i32.store offset=8 (local.get $action) (i32.load offset=28 (local.get $batch)))",
    );
    let mut requests = one_request();
    requests.arg_offsets[1] = crate::plugin::NOT_SHOWN;
    assert_eq!(cross(&mut instance(&guest), &requests).unwrap(), [r#"0: rewrite "GET" """#]);
}

#[test]
fn an_action_without_content_comes_across() {
    let close = verdict("(i32.store8 (local.get $action) (i32.const 4))");
    assert_eq!(cross(&mut instance(&close), &one_request()).unwrap(), ["0: close"]);
    let rewrite = verdict("(i32.store8 (local.get $action) (i32.const 1))");
    let fault = cross(&mut instance(&rewrite), &one_request()).unwrap_err();
    assert!(fault.to_string().contains("a request of 0 arguments"), "{fault}");
    let reply = verdict("(i32.store8 (local.get $action) (i32.const 2))");
    let fault = cross(&mut instance(&reply), &one_request()).unwrap_err();
    assert!(fault.to_string().contains("has a reply that ends before its aggregates are complete"), "{fault}");
}

#[test]
fn a_reply_is_written_in_the_protocol_of_its_session() {
    // A node is 24 bytes: its case and, from byte 8, its content. `[map(1), boolean(true), null]`
    let mut nodes = [0u8; 72];
    (nodes[0], nodes[8], nodes[24], nodes[32]) = (12, 1, 6, 1);
    let mut guest = verdict(
        "(i32.store8 (local.get $action) (i32.const 2))
         (i32.store offset=4 (local.get $action) (global.get $nodes))
         (i32.store offset=8 (local.get $action) (i32.const 3))",
    );
    let address = guest.put(&nodes);
    let guest = guest.items(&format!("(global $nodes i32 (i32.const {address}))"));
    let transform = load(&guest, |_| ()).unwrap().configure(&json!({}), site()).unwrap();
    let requests = one_request();
    for (protocol, reply) in [(3, r"0: reply %1\r\n#t\r\n_\r\n"), (2, r"0: reply *2\r\n:1\r\n$-1\r\n")] {
        let mut verdicts = Verdicts::new();
        let mut instance = transform.instantiate(Rc::new(Speaks(protocol)));
        instance.requests(&requests.batch(), &mut verdicts).unwrap();
        assert_eq!(shown(&verdicts), [reply]);
    }
}

/// A guest that changes every response to itself: what it was shown is read back and written again.
fn echo() -> Guest {
    // A response is: id, session, tag, reply (2 words): 32 bytes. A change is: index, reply (2
    // words): 12 bytes.
    Guest::rows().responses(
        "(local $at i32) (local $changes i32)
         (local.set $changes (call $cabi_realloc (i32.const 0) (i32.const 0) (i32.const 4)
             (i32.mul (local.get $batch_len) (i32.const 12))))
         (block $done (loop $next
             (br_if $done (i32.eq (local.get $at) (local.get $batch_len)))
             (i32.store (i32.add (local.get $changes) (i32.mul (local.get $at) (i32.const 12))) (local.get $at))
             (i64.store offset=4 align=4 (i32.add (local.get $changes) (i32.mul (local.get $at) (i32.const 12)))
                 (i64.load offset=24 (i32.add (local.get $batch) (i32.mul (local.get $at) (i32.const 32)))))
             (local.set $at (i32.add (local.get $at) (i32.const 1)))
             (br $next)))
         (i32.store (i32.const 0x600) (local.get $changes))
         (i32.store (i32.const 0x604) (local.get $batch_len))
         (i32.const 0x600)",
    )
}

#[test]
fn every_kind_of_reply_goes_in_and_comes_back() {
    let frames: [&[u8]; 16] = [
        b"_\r\n",
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":-9223372036854775808\r\n",
        b"$0\r\n\r\n",
        b"$4\r\n\0\r\n\xff\r\n",
        b"#t\r\n",
        b",1.5\r\n",
        b",-inf\r\n",
        b"(-123456789012345678901234567890\r\n",
        b"=8\r\ntxt:text\r\n",
        b"!6\r\nERR \r\n\r\n",
        b"*0\r\n",
        b"*2\r\n*1\r\n:1\r\n%1\r\n+k\r\n~2\r\n:1\r\n:2\r\n",
        b"|1\r\n+ttl\r\n:10\r\n$1\r\nv\r\n",
        b"*3\r\n|1\r\n+a\r\n+b\r\n:1\r\n_\r\n:2\r\n",
    ];
    let changes = cross_back(&mut instance(&echo()), &frames).unwrap();
    assert_eq!(changes.len(), frames.len());
    for ((at, changed), frame) in changes.iter().zip(frames) {
        assert_eq!(changed.escape_ascii().to_string(), frame.escape_ascii().to_string(), "response {at}");
    }
}

#[test]
fn a_push_takes_the_place_of_a_push_and_of_nothing_else() {
    let push: &[u8] = b">2\r\n+message\r\n+x\r\n";
    assert!(cross_back(&mut instance(&Guest::rows()), &[push]).unwrap().is_empty());
    assert_eq!(cross_back(&mut instance(&echo()), &[push]).unwrap(), [(0, push.to_vec())]);
    let inside: &[u8] = b"*1\r\n>1\r\n+x\r\n";
    let fault = cross_back(&mut instance(&echo()), &[inside]).unwrap_err();
    assert!(fault.to_string().contains("change 0 has a reply that contains out-of-band data"), "{fault}");
}

#[test]
fn a_reply_of_more_nodes_than_the_memory_holds_is_a_fault_before_it_is_a_cost() {
    let elements = 200_000;
    let frame = [format!("*{elements}\r\n").into_bytes(), b":1\r\n".repeat(elements)].concat();
    let mut small = instance_with(&Guest::rows(), |spec| spec.limits.memory = 1 << 20);
    assert_eq!(cross_back(&mut small, &[&frame]).unwrap_err(), Fault::Memory(1 << 20));
    let mut large = instance_with(&Guest::rows(), |spec| {
        spec.limits.memory = 32 << 20;
        spec.limits.crossing = Duration::from_secs(1);
    });
    assert!(cross_back(&mut large, &[&frame]).unwrap().is_empty());
}

#[test]
fn a_list_that_refers_to_the_same_bytes_a_thousand_times_is_bounded() {
    // A rewrite of 10,000 arguments, each the same 60,000 bytes: 600 MB out of 64 KiB.
    let guest = verdict(
        "(local.set $args (call $cabi_realloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 80000)))
         (loop $next
             (i32.store offset=4 (i32.add (local.get $args) (i32.mul (local.get $at) (i32.const 8))) (i32.const 60000))
             (local.set $at (i32.add (local.get $at) (i32.const 1)))
             (br_if $next (i32.lt_u (local.get $at) (i32.const 10000))))
         (i32.store8 (local.get $action) (i32.const 1))
         (i32.store offset=4 (local.get $action) (local.get $args))
         (i32.store offset=8 (local.get $action) (i32.const 10000))",
    );
    let limit = 64 << 20;
    let mut instance = instance_with(&guest, |spec| spec.limits.output = limit);
    assert_eq!(cross(&mut instance, &one_request()).unwrap_err(), Fault::Output(limit));
}
