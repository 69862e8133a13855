//! Who a session is on every connection that it comes to.

use super::Stage;

#[test]
fn every_connection_is_told_who_its_session_is() {
    let mut stage = Stage::single();
    let joe = stage.join();
    for (line, reply) in
        [("AUTH joe secret", "+OK"), ("SELECT 3", "+OK"), ("CLIENT SETNAME me", "+OK"), ("CLIENT NO-TOUCH ON", "+OK")]
    {
        stage.send(joe, &[line]);
        let own = stage.lent();
        stage.reply(&own, &[reply]);
        stage.recycle(&own);
    }
    stage.send(joe, &["BLPOP a 0"]);
    let own = stage.lent();
    let told = ["AUTH joe secret", "SELECT 3", "CLIENT NO-TOUCH ON", "CLIENT SETNAME me"];
    let introduction = own.borrow().introduction();
    assert!(told.iter().all(|line| introduction.iter().any(|said| said == line)), "{introduction:?}");
}

#[test]
fn an_introduction_is_not_told_who_the_session_was() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.send(joe, &["AUTH joe secret"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    stage.recycle(&own);
    stage.send(joe, &["AUTH ann secret"]);
    let own = stage.lent();
    assert!(own.borrow().introduction().is_empty(), "joe may be nobody by now");
    stage.reply(&own, &["-WRONGPASS no"]);
    assert_eq!(stage.route(joe).state().borrow().user(), "joe");
}

#[test]
fn reset_makes_a_session_what_it_was_when_it_came() {
    let mut stage = Stage::single();
    let (joe, first) = (stage.join(), stage.shared());
    stage.send(joe, &["SELECT 3"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    stage.recycle(&own);
    stage.send(joe, &["RESET", "GET a"]);
    let own = stage.lent();
    stage.reply(&own, &["+RESET"]);
    assert_eq!(stage.sent(&first), ["GET a"]);
}
