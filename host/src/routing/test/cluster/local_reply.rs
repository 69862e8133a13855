//! What the proxy answers itself.

use super::Stage;

/// The answer that no node was asked for.
fn answer(line: &str) -> String {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.worker.found_at = Some("192.0.2.1:6379".parse().unwrap());
    stage.send(joe, &[line]);
    for node in ["a", "b", "c"] {
        let shared = stage.shared_at(node);
        assert!(stage.sent(&shared).is_empty(), "{line} was sent to {node}");
        assert!(stage.private_at(node).is_empty(), "{line}");
    }
    stage.told(joe).join(" ")
}

#[test]
fn what_a_hidden_cluster_does_not_show_is_answered_by_the_proxy() {
    for (line, begins) in [
        ("SHUTDOWN", "-ERR SHUTDOWN is for a single server"),
        ("CLIENT TRACKING ON", "-ERR CLIENT TRACKING is not supported in front of a cluster"),
        ("CLIENT TRACKING", "-ERR wrong number of arguments for 'client|tracking' command"),
        ("ASKING", "+OK"),
        ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ("CLUSTER INFO", "$"),
        ("CLUSTER SLOTS", "*1|*3|:0|:16383|*4|$9|192.0.2.1|:6379"),
        ("ROLE", "*3|$6|master"),
    ] {
        let answer = answer(line);
        assert!(answer.starts_with(begins), "{line}: {answer}");
    }
}

#[test]
fn what_concerns_a_slot_is_asked_of_the_node_that_serves_it() {
    let mut stage = Stage::cluster();
    let (joe, b) = (stage.join(), stage.shared_at("b"));
    stage.send(joe, &["CLUSTER COUNTKEYSINSLOT 5"]);
    assert_eq!(stage.sent(&b), ["CLUSTER COUNTKEYSINSLOT 5"]);
}

#[test]
fn what_concerns_the_whole_cluster_is_no_part_of_a_transaction() {
    for (line, name) in [("SCAN 0", "SCAN"), ("DBSIZE", "DBSIZE"), ("INFO", "INFO"), ("ROLE", "ROLE")] {
        let mut stage = Stage::cluster();
        let joe = stage.join();
        stage.send(joe, &["MULTI", line, "EXEC"]);
        let reason = "concerns a whole cluster, and a transaction only one of its nodes";
        let refused = format!("-ERR {name} cannot be part of a transaction: it {reason}");
        let aborted = "-EXECABORT Transaction discarded because of previous errors.";
        assert_eq!(stage.told(joe), ["+OK", &refused, aborted]);
    }
}
