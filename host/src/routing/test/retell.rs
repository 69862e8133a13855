//! Replies that name nodes name the proxies that stand for them.

use std::sync::Arc;

use super::Stage;
use crate::cluster::Rewrite;

fn stage() -> Stage {
    let mut rewrite = Rewrite::new(None);
    assert!(rewrite.add("10.0.0.2:7002", "192.0.2.2:6379"));
    Stage::single_as(|plan| plan.rewrite = Some(Arc::new(rewrite)))
}

const SLOTS: &str = "*1|*3|:0|:9|*2|$8|10.0.0.2|:7002";
const HIDDEN: &str = "*1|*3|:0|:9|*2|$9|192.0.2.2|:6379";

#[test]
fn redirections_name_proxies_and_everything_else_stays() {
    let mut stage = stage();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["GET a", "GET b", "GET c"]);
    stage.reply(&shared, &["$13|10.0.0.2:7002", "-MOVED 1 10.0.0.2:7002", "$1|c"]);
    assert_eq!(stage.told(joe), ["$13|10.0.0.2:7002", "-MOVED 1 192.0.2.2:6379", "$1|c"]);
}

#[test]
fn replies_that_list_nodes_list_proxies_inside_of_transactions_too() {
    let mut stage = stage();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["CLUSTER SLOTS"]);
    stage.reply(&shared, &[SLOTS]);
    assert_eq!(stage.told(joe), [HIDDEN]);
    stage.send(joe, &["MULTI", "GET a", "CLUSTER SLOTS", "EXEC"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK", "+QUEUED", "+QUEUED", &format!("*2|{SLOTS}|{SLOTS}")]);
    assert_eq!(stage.told(joe)[3], format!("*2|{SLOTS}|{HIDDEN}"), "what GET has found is data");
}

#[test]
fn a_client_is_told_one_id_of_its_own_on_whichever_connection_it_asks() {
    let mut stage = Stage::single();
    let [joe, ann] = [(); 2].map(|()| stage.join());
    stage.send(ann, &["HELLO 3"]);
    let own = stage.lent();
    stage.reply(&own, &["%2|$5|proto|:3|$2|id|:901"]);
    assert_eq!(stage.told(ann), ["%2|$5|proto|:3|$2|id|:2"]);
    stage.recycle(&own);
    stage.send(joe, &["MULTI", "GET a", "CLIENT ID", "EXEC"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK", "+QUEUED", "+QUEUED", "*2|:900|:900"]);
    assert_eq!(stage.told(joe)[3], "*2|:900|:1", "what GET has found is data");
}
