//! One server: which connection a request takes, and when it waits.

use super::Stage;

#[test]
fn a_request_that_needs_a_connection_of_its_own_waits_until_everything_before_it_is_answered() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["GET a", "BLPOP b 0", "GET c"]);
    assert_eq!(stage.sent(&shared), ["GET a"]);
    assert!(stage.private_at("").is_empty());
    stage.reply(&shared, &["$1|a"]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["BLPOP b 0", "GET c"], "what follows stays in order behind it");
    stage.reply(&own, &["*2|$1|b|$1|1", "$1|c"]);
    assert_eq!(stage.told(joe), ["$1|a", "*2|$1|b|$1|1", "$1|c"]);
    assert!(stage.sent(&shared).is_empty());
}
