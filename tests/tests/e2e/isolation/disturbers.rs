//! Clients that do what makes a connection special, over and over, and check that they get what they should.

use std::sync::atomic::{AtomicUsize, Ordering};

use std::time::Duration;

use sluice_tests::{Client, inline};

use super::{CLIENTS, Stage, crowd, sit};

type Disturb = fn(&Stage<'_>, &AtomicUsize);

/// All of them. Each counts how often it has done what it does.
pub(super) const DISTURBERS: &[(&str, Disturb)] = &[
    ("transactions", transactions),
    ("failed transactions", broken_transactions),
    ("watches", watches),
    ("messages", messages),
    ("messages between replies", messages_between_replies),
    ("lines of MONITOR", monitor),
    ("waits", waits),
    ("silences", silences),
    ("databases", databases),
    ("users", users),
    ("invalidations", invalidations),
    ("protocols", protocols),
    ("names", names),
    ("departures", departures),
    ("protocol errors", protocol_errors),
];

fn one_more(done: &AtomicUsize) -> usize {
    done.fetch_add(1, Ordering::Relaxed)
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn transactions(stage: &Stage<'_>, done: &AtomicUsize) {
    let mut client = stage.client();
    let mut n = 0;
    while stage.goes_on() {
        assert_eq!(client.ask("MULTI"), "+OK\r\n");
        for request in
            [format!("SET d:multi {n}"), "INCR d:multi".to_owned(), "GET d:multi".to_owned(), format!("ECHO {n}")]
        {
            sit();
            assert_eq!(client.ask(&request), "+QUEUED\r\n");
        }
        sit();
        let expected = format!("*4\r\n+OK\r\n:{}\r\n{}{}", n + 1, bulk(&(n + 1).to_string()), bulk(&n.to_string()));
        assert_eq!(client.ask("EXEC"), expected);
        n = one_more(done) + 1;
    }
    assert!(client.silent_for(Duration::from_millis(10)));
}

fn broken_transactions(stage: &Stage<'_>, done: &AtomicUsize) {
    let mut client = stage.client();
    while stage.goes_on() {
        assert_eq!(client.ask("MULTI"), "+OK\r\n");
        assert_eq!(client.ask("SET d:broken 1"), "+QUEUED\r\n");
        sit();
        assert!(client.ask("SET d:broken").starts_with(b"-ERR wrong number"));
        assert!(client.ask("EXEC").starts_with(b"-EXECABORT "));
        assert_eq!(client.ask("MULTI"), "+OK\r\n");
        assert_eq!(client.ask("SET d:broken 1"), "+QUEUED\r\n");
        assert_eq!(client.ask("DISCARD"), "+OK\r\n");
        assert_eq!(client.ask("GET d:broken"), "$-1\r\n");
        one_more(done);
    }
}

fn watches(stage: &Stage<'_>, done: &AtomicUsize) {
    let (mut client, mut other) = (stage.client(), stage.client());
    let mut n = 0;
    while stage.goes_on() {
        for (touched, result) in [(true, "*-1\r\n".to_owned()), (false, format!("*1\r\n{}", bulk(&n.to_string())))] {
            assert_eq!(client.ask("WATCH d:watch"), "+OK\r\n");
            sit();
            if touched {
                assert_eq!(other.ask(&format!("SET d:watch {n}")), "+OK\r\n");
            }
            assert_eq!(client.ask("MULTI"), "+OK\r\n");
            assert_eq!(client.ask("GET d:watch"), "+QUEUED\r\n");
            assert_eq!(client.ask("EXEC"), result, "touched: {touched}");
        }
        n = one_more(done) + 1;
    }
}

fn messages(stage: &Stage<'_>, done: &AtomicUsize) {
    let (mut client, mut other) = (stage.client(), stage.client());
    client.send(&inline("SUBSCRIBE d:news d:more"));
    assert_eq!(client.replies(2).len(), 2);
    assert_eq!(client.ask("PSUBSCRIBE d:n*"), format!("*3\r\n{}{}:3\r\n", bulk("psubscribe"), bulk("d:n*")));
    let mut n = 0;
    while stage.goes_on() {
        let text = bulk(&n.to_string());
        for (channel, heard) in [("d:news", ":2\r\n"), ("d:more", ":1\r\n")] {
            let reply = other.ask(&format!("PUBLISH {channel} {n}"));
            // A node tells a message to all others, and counts those who have heard it from itself.
            assert!(reply == heard || (stage.clustered && reply == ":0\r\n"), "{reply:?}");
        }
        assert_eq!(client.reply(), format!("*3\r\n{}{}{text}", bulk("message"), bulk("d:news")));
        assert_eq!(client.reply(), format!("*4\r\n{}{}{}{text}", bulk("pmessage"), bulk("d:n*"), bulk("d:news")));
        assert_eq!(client.reply(), format!("*3\r\n{}{}{text}", bulk("message"), bulk("d:more")));
        assert_eq!(client.ask("PING"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
        sit();
        n = one_more(done) + 1;
    }
    assert!(client.silent_for(Duration::from_millis(10)));
}

fn messages_between_replies(stage: &Stage<'_>, done: &AtomicUsize) {
    let (mut client, mut other) = (stage.client(), stage.client());
    client.hello3();
    assert_eq!(client.ask("SSUBSCRIBE d:shard"), format!(">3\r\n{}{}:1\r\n", bulk("ssubscribe"), bulk("d:shard")));
    let mut n = 0;
    while stage.goes_on() {
        assert_eq!(client.ask(&format!("SET d:between {n}")), "+OK\r\n");
        assert_eq!(other.ask(&format!("SPUBLISH d:shard {n}")), ":1\r\n");
        let text = bulk(&n.to_string());
        assert_eq!(client.reply(), format!(">3\r\n{}{}{text}", bulk("smessage"), bulk("d:shard")));
        assert_eq!(client.ask("GET d:between"), text);
        sit();
        n = one_more(done) + 1;
    }
}

fn monitor(stage: &Stage<'_>, done: &AtomicUsize) {
    let (mut client, mut other) = (stage.client(), stage.client());
    assert_eq!(client.ask("MONITOR"), "+OK\r\n");
    let mut n = 0;
    while stage.goes_on() {
        assert_eq!(other.ask(&format!("ECHO marked-{n}")), bulk(&format!("marked-{n}")));
        let mark = format!("\"ECHO\" \"marked-{n}\"\r\n");
        loop {
            let line = client.reply();
            assert!(line.starts_with(b"+") && line[1].is_ascii_digit(), "{line:?}");
            one_more(done);
            let line = String::from_utf8_lossy(&line);
            if line.contains("\"marked-") {
                assert!(line.ends_with(&mark), "{line:?} instead of {mark:?}");
                break;
            }
        }
        n += 1;
    }
}

fn waits(stage: &Stage<'_>, done: &AtomicUsize) {
    let (mut client, mut other) = (stage.client(), stage.client());
    let mut n = 0;
    while stage.goes_on() {
        client.send(&[inline("BLPOP d:queue 0"), inline(&format!("ECHO {n}"))].concat());
        sit();
        assert_eq!(other.ask(&format!("RPUSH d:queue item-{n}")), ":1\r\n");
        assert_eq!(client.reply(), format!("*2\r\n{}{}", bulk("d:queue"), bulk(&format!("item-{n}"))));
        assert_eq!(client.reply(), bulk(&n.to_string()));
        n = one_more(done) + 1;
    }
}

fn silences(stage: &Stage<'_>, done: &AtomicUsize) {
    let mut client = stage.client();
    let mut n = 0;
    while stage.goes_on() {
        client.send(&inline("CLIENT REPLY OFF"));
        sit();
        client.send(&inline("INCR d:silent").repeat(10));
        client.send(&inline("ECHO unheard"));
        sit();
        assert_eq!(client.ask("CLIENT REPLY ON"), "+OK\r\n");
        client.send(&[inline("CLIENT REPLY SKIP"), inline("INCR d:silent"), inline("GET d:silent")].concat());
        n += 11;
        assert_eq!(client.reply(), bulk(&n.to_string()));
        one_more(done);
    }
}

fn databases(stage: &Stage<'_>, done: &AtomicUsize) {
    let mut client = stage.client();
    let mut n = 0;
    while stage.goes_on() {
        assert_eq!(client.ask("SELECT 5"), "+OK\r\n");
        // The keys of others, in another database.
        let key = crowd::key(n % CLIENTS, "K");
        assert_eq!(client.ask(&format!("SET {key} five-{n}")), "+OK\r\n");
        sit();
        assert_eq!(client.ask(&format!("GET {key}")), bulk(&format!("five-{n}")));
        assert_eq!(client.ask(&format!("DEL {key}")), ":1\r\n");
        assert!(client.ask("SELECT 99").starts_with(b"-ERR DB index"));
        if n % 3 == 0 {
            assert_eq!(client.ask("SELECT 0"), "+OK\r\n");
            assert_eq!(client.ask("EXISTS nothing"), ":0\r\n");
        }
        n = one_more(done) + 1;
    }
}

fn users(stage: &Stage<'_>, done: &AtomicUsize) {
    let mut client = stage.client();
    while stage.goes_on() {
        assert_eq!(client.ask("AUTH reader secret"), "+OK\r\n");
        assert!(client.ask("SET d:user 1").starts_with(b"-NOPERM "));
        sit();
        assert!(client.ask("AUTH reader wrong").starts_with(b"-WRONGPASS "));
        assert_eq!(client.ask("GET d:user"), "$-1\r\n");
        assert_eq!(
            client.ask("ACL WHOAMI"),
            "-NOPERM this user has no permissions to run the 'acl|whoami' command\r\n"
        );
        assert_eq!(client.ask("RESET"), "+RESET\r\n");
        assert_eq!(client.ask("ACL WHOAMI"), bulk("default"));
        one_more(done);
    }
}

fn invalidations(stage: &Stage<'_>, done: &AtomicUsize) {
    let (mut client, mut other) = (stage.client(), stage.client());
    client.hello3();
    assert_eq!(client.ask("CLIENT TRACKING ON"), "+OK\r\n");
    let mut n = 0;
    while stage.goes_on() {
        client.ask("GET d:tracked");
        sit();
        assert_eq!(other.ask(&format!("SET d:tracked {n}")), "+OK\r\n");
        assert_eq!(client.reply(), format!(">2\r\n{}*1\r\n{}", bulk("invalidate"), bulk("d:tracked")));
        assert_eq!(client.ask("GET d:tracked"), bulk(&n.to_string()));
        n = one_more(done) + 1;
    }
}

fn protocols(stage: &Stage<'_>, done: &AtomicUsize) {
    let mut other = stage.client();
    assert_eq!(other.ask("HSET d:map a 1"), ":1\r\n");
    while stage.goes_on() {
        let mut client = stage.client();
        assert_eq!(client.ask("HGETALL d:map"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
        client.hello3();
        sit();
        assert_eq!(client.ask("HGETALL d:map"), "%1\r\n$1\r\na\r\n$1\r\n1\r\n");
        assert_eq!(client.ask("GET nothing"), "_\r\n");
        assert!(client.hello2().starts_with(b"*"));
        assert_eq!(client.ask("GET nothing"), "$-1\r\n");
        one_more(done);
    }
}

fn names(stage: &Stage<'_>, done: &AtomicUsize) {
    let mut client = stage.client();
    while stage.goes_on() {
        assert_eq!(client.ask("CLIENT SETNAME somebody"), "+OK\r\n");
        assert_eq!(client.ask("CLIENT NO-EVICT ON"), "+OK\r\n");
        sit();
        assert_eq!(client.ask("CLIENT GETNAME"), bulk("somebody"));
        assert_eq!(client.ask("RESET"), "+RESET\r\n");
        assert_eq!(client.ask("CLIENT GETNAME"), "$-1\r\n");
        one_more(done);
    }
}

/// Clients that go in the middle of whatever it is.
fn departures(stage: &Stage<'_>, done: &AtomicUsize) {
    let begin = [
        "MULTI",
        "WATCH d:left",
        "SUBSCRIBE d:left",
        "BLPOP d:left 0",
        "MONITOR",
        "SELECT 7",
        "CLIENT REPLY OFF",
        "HELLO 3",
        "QUIT",
        "ECHO left-behind",
    ];
    while stage.goes_on() {
        for begin in begin {
            let mut client: Client = stage.client();
            client.send(&[inline(begin), inline("INCR d:left-behind"), inline("ECHO left-behind").repeat(20)].concat());
            if one_more(done).is_multiple_of(2) {
                client.set_reply_limit(Duration::from_millis(1));
                client.try_reply().ok();
            }
        }
        sit();
    }
}

fn protocol_errors(stage: &Stage<'_>, done: &AtomicUsize) {
    while stage.goes_on() {
        let mut client = stage.client();
        client.send(&[inline("ECHO fine"), b"*1\r\n$x\r\n".to_vec(), inline("ECHO never")].concat());
        assert_eq!(client.reply(), "$4\r\nfine\r\n");
        assert!(client.reply().starts_with(b"-ERR Protocol error"));
        one_more(done);
        sit();
    }
}
