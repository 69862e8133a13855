//! What is planned is done, in an order that no client can tell from that of one server.

use super::Stage;

#[test]
fn a_retry_holds_back_what_came_after_it() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["GET a"]);
}
