#![allow(clippy::unwrap_used)]

use super::Command;
use crate::{Categories, Flags, KeyRange, RequestPolicy, ResponsePolicy, table};

fn command(name: &str) -> &'static Command {
    table().by_name(name).and_then(|id| id.get()).unwrap()
}

fn categories(name: &str) -> String {
    command(name).categories().collect::<Vec<_>>().join(" ")
}

#[test]
fn categories_follow_from_the_flags() {
    assert_eq!(categories("get"), "read string fast");
    assert_eq!(categories("set"), "write string slow");
    assert_eq!(categories("config|set"), "admin slow dangerous");
    assert_eq!(categories("blpop"), "write list slow blocking");
    assert_eq!(categories("publish"), "pubsub fast");
    // A script that only reads may still do what @read does not allow: it is in @scripting alone.
    assert_eq!(categories("eval_ro"), "slow scripting");
}

#[test]
fn categories_that_the_server_names_by_hand_are_kept() {
    assert_eq!(categories("lastsave"), "admin fast dangerous");
    assert_eq!(categories("keys"), "keyspace read slow dangerous");
}

#[test]
fn the_arity_counts_the_name_and_may_be_a_minimum() {
    assert!(command("get").accepts(2));
    assert!(!command("get").accepts(1) && !command("get").accepts(3));
    assert!(command("set").accepts(3) && command("set").accepts(30));
    assert!(!command("set").accepts(2));
}

#[test]
fn adjacent_specs_are_one_range() {
    assert_eq!(command("get").key_range(), Some(KeyRange { first: 1, last: 1, step: 1 }));
    assert_eq!(command("mset").key_range(), Some(KeyRange { first: 1, last: -1, step: 2 }));
    assert_eq!(command("rename").key_range(), Some(KeyRange { first: 1, last: 2, step: 1 }));
    assert_eq!(command("bitop").key_range(), Some(KeyRange { first: 2, last: -1, step: 1 }));
    assert_eq!(command("blpop").key_range(), Some(KeyRange { first: 1, last: -2, step: 1 }));
    assert_eq!(command("sort").key_range(), None);
    assert_eq!(command("ping").key_range(), None);
}

#[test]
fn a_shard_channel_is_no_key() {
    assert!(!command("spublish").is_keyed());
    assert!(!command("ping").is_keyed() && !command("config").is_keyed());
    assert!(command("get").is_keyed() && command("eval").is_keyed() && command("xinfo|stream").is_keyed());
}

#[test]
fn sets_are_read_by_name_and_compared() {
    let flags = command("set").flags();
    assert_eq!(flags.names().collect::<Vec<_>>(), ["write", "denyoom"]);
    assert!(flags.contains(Flags::WRITE) && !flags.contains(Flags::WRITE.union(Flags::FAST)));
    assert!(flags.intersects(Flags::WRITE.union(Flags::FAST)) && !flags.intersects(Flags::FAST));
    assert!(flags.contains(Flags::default()) && !flags.intersects(Flags::default()));
    assert_eq!(Categories::from_name("dangerous"), Some(Categories::DANGEROUS));
    assert_eq!(Categories::from_name("@dangerous"), None);
    assert!(Categories::all_names().all(|name| Categories::from_name(name).is_some()));
}

#[test]
fn tips_say_how_a_cluster_answers() {
    assert_eq!(command("dbsize").request_policy(), RequestPolicy::AllShards);
    assert_eq!(command("dbsize").response_policy(), ResponsePolicy::AggSum);
    assert_eq!(command("mget").request_policy(), RequestPolicy::MultiShard);
    assert_eq!(command("get").request_policy(), RequestPolicy::Default);
}

/// These came with Redis 7.4; no older server can vouch for them.
#[test]
fn the_expiry_of_hash_fields_is_known() {
    for name in ["hexpire", "hpexpire", "hexpireat", "hpexpireat"] {
        assert_eq!((command(name).arity(), categories(name)), (-6, "write hash fast".into()), "{name}");
    }
    for name in ["httl", "hpttl", "hexpiretime", "hpexpiretime"] {
        assert_eq!((command(name).arity(), categories(name)), (-5, "read hash fast".into()), "{name}");
    }
    assert_eq!((command("hpersist").arity(), categories("hpersist")), (-5, "write hash fast".into()));
}
