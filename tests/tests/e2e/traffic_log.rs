//! The traffic log says what clients asked and were told, nothing that it must not say, and disturbs nobody.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_tests::ports::free_addr;
use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Sluice, Topology, inline, wait_until};
use tempfile::TempDir;

use crate::WORKERS;

/// A directory with a log, and the line of a source that has it written.
pub(crate) struct Logged {
    _directory: TempDir,
    file: PathBuf,
}

impl Logged {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("traffic.log");
        Self { _directory: directory, file }
    }

    /// `more` are further entries of `traffic_log`.
    pub(crate) fn source(&self, more: &str) -> String {
        let comma = if more.is_empty() { "" } else { ", " };
        format!("traffic_log: {{ file: \"{}\"{comma}{more} }}", self.file.display())
    }

    fn start(&self, server: &RedisServer, more: &str) -> Sluice {
        Topology::new().source(&self.source(more)).sink(server).start()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    /// The lines, once there are so many.
    #[track_caller]
    pub(crate) fn lines(&self, count: usize) -> Vec<Value> {
        wait_until(&format!("there are {count} lines"), SOON, || {
            let lines = lines(&self.text());
            (lines.len() >= count).then_some(lines)
        })
    }
}

/// Every line is an object.
fn lines(text: &str) -> Vec<Value> {
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Some fields of each line.
pub(crate) fn fields(lines: &[Value], names: &[&str]) -> Vec<Vec<Value>> {
    lines.iter().map(|line| names.iter().map(|name| line[*name].clone()).collect()).collect()
}

#[test]
fn a_line_says_what_was_asked_and_what_was_answered() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let log = Logged::new();
        let proxy = Topology::new()
            .workers(workers)
            .source(&log.source(""))
            .transform("KeyPrefix: { prefix: 'e2e:' }")
            .transform("CommandFilter: { deny: [flushall] }")
            .sink(&server)
            .start();
        let mut client = proxy.client();
        server.client().ask("FLUSHALL");
        for (request, reply) in [
            ("SET greeting hello", "+OK"),
            ("GET missing", "$-1"),
            ("LRANGE greeting 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("FLUSHALL", "-NOPERM this proxy does not allow the command 'flushall'"),
            ("STRLEN greeting", ":5"),
            ("CLIENT REPLY ON", "+OK"),
        ] {
            assert_eq!(client.ask(request), format!("{reply}\r\n"));
        }
        let lines = log.lines(6);
        assert_eq!(
            fields(&lines, &["command", "argument_count", "reply", "by", "error"]),
            [
                [json!("set"), json!(2), json!("ok"), json!("server"), Value::Null],
                [json!("get"), json!(1), json!("null"), json!("server"), Value::Null],
                [
                    json!("lrange"),
                    json!(3),
                    json!("error"),
                    json!("server"),
                    json!("WRONGTYPE Operation against a key holding the wrong kind of value")
                ],
                [
                    json!("flushall"),
                    json!(0),
                    json!("error"),
                    json!("transform"),
                    json!("NOPERM this proxy does not allow the command 'flushall'")
                ],
                [json!("strlen"), json!(1), json!("integer"), json!("server"), Value::Null],
                [json!("client|reply"), json!(1), json!("ok"), json!("proxy"), Value::Null],
            ]
        );
        let first = &lines[0];
        assert_eq!(first["arguments"], json!([{"bytes": 8}, {"bytes": 5}]), "values are not shown by default");
        assert_eq!(first["request_bytes"], inline("SET greeting hello").len());
        assert_eq!(first["response_bytes"], "+OK\r\n".len());
        assert_eq!((&first["source"], &first["user"]), (&json!("valkey"), &json!("default")));
        assert!(first["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
        assert!(first["latency_us"].as_u64().unwrap() < 10_000_000);
        assert!(first["time"].as_str().unwrap().starts_with("20"));
        let messages: Vec<u64> = lines.iter().map(|line| line["message"].as_str().unwrap().parse().unwrap()).collect();
        assert!(messages.is_sorted_by(|a, b| a < b), "{messages:?}");
        assert!(lines.iter().all(|line| line["session"] == first["session"]));
    }
}

#[test]
fn a_line_says_who_gave_the_response() {
    let server = RedisServer::start();
    let log = Logged::new();
    let proxy = Topology::new()
        .source(&log.source(""))
        .plugin("Hostile", "hostile.wasm", "grants: [clock]")
        .transform("KeyPrefix: { prefix: 'e2e:' }")
        .transform("Hostile: {}")
        .sink(&server)
        .start();
    let mut client = proxy.client();
    let cases = [
        ("SET key value", "server", "ok"),
        // The transform strips its prefix.
        ("KEYS *", "transform", "array"),
        ("ECHO fan,PING,PING", "transform", "array"),
        ("ECHO two-frames", "proxy", "error"),
        ("ECHO response,two-frames", "proxy", "error"),
        ("QUIT", "proxy", "ok"),
    ];
    for (request, _, _) in cases {
        client.ask(request);
    }
    let lines = log.lines(cases.len());
    let expected: Vec<_> = cases.iter().map(|(_, by, reply)| vec![json!(by), json!(reply)]).collect();
    assert_eq!(fields(&lines, &["by", "reply"]), expected);
}

#[test]
fn a_session_is_logged_as_the_user_that_it_is() {
    let server = RedisServer::start();
    server.client().ask("ACL SETUSER alice on >secret ~* +@all");
    let log = Logged::new();
    let proxy = log.start(&server, "");
    let mut client = proxy.client();
    assert_eq!(client.ask("AUTH alice secret"), "+OK\r\n");
    assert_eq!(client.ask("PING"), "+PONG\r\n");
    let lines = log.lines(2);
    assert_eq!(fields(&lines, &["command", "user"]), [["auth", "default"], ["ping", "alice"]]);
}

#[test]
fn what_is_shown_of_arguments_is_what_was_asked_for() {
    let server = RedisServer::start();
    let long = "v".repeat(100);
    for (values, key, value) in [
        ("redacted", json!({"bytes": 3}), json!({"bytes": 100})),
        ("keys", json!({"bytes": 3, "text": "k\n\\xff"}), json!({"bytes": 100})),
        ("shown", json!({"bytes": 3, "text": "k\n\\xff"}), json!({"bytes": 100, "text": "v".repeat(10)})),
    ] {
        let log = Logged::new();
        let proxy = log.start(&server, &format!("values: {values}, max_argument: 10"));
        let mut client = proxy.client();
        assert_eq!(client.call(&[b"MSET".as_slice(), b"k\n\xff", long.as_bytes()]), "+OK\r\n");
        let lines = log.lines(1);
        assert_eq!(lines[0]["arguments"], json!([key, value]), "{values}");
        // Many and large arguments.
        let mut many: Vec<Vec<u8>> = vec![b"RPUSH".to_vec(), b"list".to_vec()];
        many.extend((0..2000).map(|_| vec![b'x'; 500]));
        assert_eq!(client.call(&many), ":2000\r\n");
        let line = &log.lines(2)[1];
        assert_eq!(line["argument_count"], 2001);
        assert!(line["request_bytes"].as_u64().unwrap() > 1_000_000);
        assert!(line.to_string().len() < 10_000, "a line is bounded");
        server.client().ask("DEL list");
    }
}

#[test]
fn passwords_are_never_written() {
    const SECRET: &str = "Tr0ub4dor&3";
    let server = RedisServer::start();
    let log = Logged::new();
    let proxy = log.start(&server, "values: shown, max_argument: 4096");
    let with = |line: &str| line.replace("SECRET", SECRET);
    let asked = [
        "AUTH SECRET",
        "AUTH default SECRET",
        "auth someone SECRET",
        "AUTH SECRET SECRET SECRET",
        "HELLO 2 AUTH default SECRET",
        "ACL SETUSER bob on >SECRET ~* +@all",
        "ACL SETUSER bob on SECRET",
        "CONFIG SET requirepass SECRET",
        "AUTH SECRET",
        "CONFIG SET masterauth SECRET maxmemory SECRET",
        "MIGRATE 127.0.0.1 1 key 0 10 AUTH SECRET",
        "MIGRATE 127.0.0.1 1 key 0 10 AUTH2 user SECRET",
        "MIGRATE 127.0.0.1 1 SECRET 0 10 SECRET",
        // Typing errors.
        "AUHT SECRET",
        "CONFIG SETT requirepass SECRET",
    ];
    let mut admin = server.client();
    for line in asked {
        // Also as people type it.
        for bytes in [inline(&with(line)), format!("{}\r\n", with(line)).into_bytes()] {
            let mut client = proxy.client();
            client.send(&bytes);
            client.reply();
            // Those that come next need no password.
            assert_eq!(admin.call(&["CONFIG", "SET", "requirepass", ""]), "+OK\r\n");
        }
    }
    // One that is too large for the common memory.
    let large = SECRET.repeat(10_000);
    proxy.client().call(&["AUTH", &large]);
    assert!(proxy.client().ask("SET seen yes").starts_with(b"+OK"));
    let count = 2 * asked.len() + 2;
    let lines = log.lines(count);
    assert_eq!(lines.len(), count);
    assert!(lines.last().unwrap().to_string().contains("yes"), "other values are shown: {lines:?}");
    let text = log.text();
    assert!(!text.contains(&SECRET[..6]), "{text}");
}

#[test]
fn commands_are_chosen_by_name_and_category() {
    let server = RedisServer::start();
    let log = Logged::new();
    let proxy = log.start(&server, "commands: [get, \"client|setname\", \"@set\"]");
    let mut client = proxy.client();
    for line in ["SET a 1", "GET a", "CLIENT SETNAME me", "CLIENT GETNAME", "SADD s 1", "NOSUCH", "PING", "GET b"] {
        client.ask(line);
    }
    let lines = log.lines(4);
    assert_eq!(fields(&lines, &["command"]).concat(), ["get", "client|setname", "sadd", "get"]);
}

#[test]
fn a_sample_is_about_its_share_and_leaves_replies_in_order() {
    const REQUESTS: usize = 20_000;
    let server = RedisServer::start();
    for workers in WORKERS {
        let log = Logged::new();
        let proxy = Topology::new()
            .workers(workers)
            .source(&log.source("sample: 0.1"))
            .transform("KeyPrefix: { prefix: 'e2e:' }")
            .sink(&server)
            .start();
        let mut client = proxy.client();
        for part in 0..REQUESTS / 500 {
            let tokens: Vec<String> = (0..500).map(|n| format!("t{part:05}-{n:05}")).collect();
            client.send(&tokens.iter().flat_map(|token| inline(&format!("ECHO {token}"))).collect::<Vec<_>>());
            for token in &tokens {
                assert_eq!(client.reply(), format!("$12\r\n{token}\r\n"));
            }
        }
        drop(client);
        drop(proxy);
        let logged = lines(&log.text()).len();
        assert!((REQUESTS / 12..REQUESTS / 8).contains(&logged), "{logged} of {REQUESTS} were logged");
    }
}

#[test]
fn everything_that_a_session_can_do_is_logged_and_goes_on() {
    let server = RedisServer::start();
    let log = Logged::new();
    let proxy = log.start(&server, "");
    let mut client = proxy.client();
    for (request, reply) in [
        ("MULTI", "+OK\r\n"),
        ("SET a 1", "+QUEUED\r\n"),
        ("EXEC", "*1\r\n+OK\r\n"),
        ("SELECT 3", "+OK\r\n"),
        ("BLPOP nothing 0.01", "*-1\r\n"),
    ] {
        assert_eq!(client.ask(request), reply);
    }
    client
        .send(&[inline("CLIENT REPLY SKIP"), inline("SET unseen 1"), inline("SUBSCRIBE x y"), inline("PING")].concat());
    let subscribed = client.replies(3);
    assert_eq!(subscribed[0], "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
    assert_eq!(subscribed[2], "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    client.send(&inline("QUIT"));
    client.rest();
    let names = fields(&log.lines(10), &["command"]).concat();
    let expected = ["multi", "set", "exec", "select", "blpop", "client|reply", "set", "subscribe", "ping", "quit"]
        .map(Value::from);
    assert_eq!(names, expected);
}

#[test]
fn a_request_that_nobody_waits_for_any_more_is_logged_as_abandoned() {
    let server = RedisServer::start();
    let log = Logged::new();
    let proxy = log.start(&server, "");
    let mut client = proxy.client();
    client.send(&inline("BLPOP nothing 0"));
    wait_until("it is waited for", SOON, || {
        server.client().ask("CLIENT LIST").windows(5).any(|w| w == b"blpop").then_some(())
    });
    drop(client);
    let lines = log.lines(1);
    assert_eq!(fields(&lines, &["command", "reply", "by"]), [[json!("blpop"), json!("abandoned"), Value::Null]]);
}

#[test]
fn a_log_that_was_moved_away_is_begun_anew_on_a_hangup() {
    let server = RedisServer::start();
    let log = Logged::new();
    fs::write(&log.file, "").unwrap();
    fs::set_permissions(&log.file, fs::Permissions::from_mode(0o644)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut proxy = log.start(&server, "values: shown");
    assert_eq!(mode(&log.file), 0o600, "one that was there is closed to others");
    let mut client = proxy.client();
    client.ask("ECHO before");
    log.lines(1);
    let old = log.file.with_extension("old");
    fs::rename(&log.file, &old).unwrap();
    client.ask("ECHO between");
    proxy.hang_up();
    wait_until("there is a new file", SOON, || log.file.exists().then_some(()));
    client.ask("ECHO after");
    log.lines(1);
    assert_eq!(mode(&log.file), 0o600);
    let text = |lines: Vec<Value>| fields(&lines, &["arguments"]).concat();
    let echo = |word: &str| json!([{"bytes": word.len(), "text": word}]);
    assert_eq!(text(lines(&fs::read_to_string(&old).unwrap())), [echo("before"), echo("between")]);
    assert_eq!(text(lines(&log.text())), [echo("after")]);
}

fn dropped(proxy: &Sluice) -> f64 {
    proxy.metrics().sum("sluice_traffic_log_dropped_total", &[("source", "valkey")]).unwrap_or_default()
}

/// Pipelines requests and takes their replies, which must come in time.
fn pipeline(client: &mut Client, rounds: usize) {
    for _ in 0..rounds {
        client.send(&inline("PING").repeat(1000));
        assert!(client.replies(1000).iter().all(|reply| reply == "+PONG\r\n"));
    }
}

#[test]
fn a_full_disk_costs_lines_which_are_counted_and_nothing_else() {
    let server = RedisServer::start();
    let proxy = Topology::new().source("traffic_log: { file: /dev/full }").sink(&server).start();
    pipeline(&mut proxy.client(), 3);
    wait_until("every line is counted", SOON, || (dropped(&proxy) == 3000.0).then_some(()));
}

#[test]
fn a_writer_that_is_stuck_holds_nobody_up_and_lets_the_proxy_end() {
    let server = RedisServer::start();
    let log = Logged::new();
    assert!(Command::new("mkfifo").arg(&log.file).status().unwrap().success());
    let reader = std::thread::spawn({
        let file = log.file.clone();
        move || File::open(file).unwrap()
    });
    let mut proxy = log.start(&server, "");
    let mut reader = reader.join().unwrap();
    // Nobody reads it meanwhile.
    pipeline(&mut proxy.client(), 20);
    let lost = wait_until("lines are dropped", SOON, || Some(dropped(&proxy)).filter(|dropped| *dropped > 0.0));
    let mut some = [0; 1000];
    reader.read_exact(&mut some).unwrap();
    assert!(some.starts_with(b"{\"time\""), "{}", some.escape_ascii());
    assert!(lost < 20_000.0, "{lost}");
    proxy.hang_up();
    proxy.terminate();
    assert!(proxy.wait_for_end(Duration::from_secs(10)).success());
}

#[test]
fn a_log_that_cannot_be_written_is_found_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let server = RedisServer::start();
    let file = Topology::new().source("traffic_log: { file: no/such/place }").sink(&server).write(directory.path());
    let finished = sluice_tests::sluice::finish(&["run"], &file);
    assert!(!finished.status.success());
    assert!(
        finished.output.contains("source 'valkey': cannot write the traffic log")
            && finished.output.contains("no/such/place: No such file or directory"),
        "{}",
        finished.output
    );
}

#[test]
fn sources_may_share_a_file_and_have_whole_lines_in_it() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let log = Logged::new();
        let source = log.source("values: shown");
        let topology = Topology::new().workers(workers).source(&source).sink(&server);
        let other = free_addr();
        let sink = format!("ValkeySinkSingle: {{ remote_address: \"{}\" }}", server.addr());
        let yaml = format!(
            "{}  - Valkey:\n      name: other\n      listen_addr: \"{other}\"\n      {source}\n      chain: [{{ {sink} }}]\n",
            topology.yaml()
        );
        let proxy = Sluice::start(&yaml, topology.addr(), Some(topology.admin()));
        std::thread::scope(|scope| {
            for name in 0..4 {
                let mut client = if name % 2 == 0 { proxy.client() } else { Client::connect(&other) };
                scope.spawn(move || {
                    for round in 0..100 {
                        client.call(&["SET", &format!("{name}-{round}"), &"v".repeat(60)]);
                    }
                });
            }
        });
        let lines = log.lines(400);
        assert_eq!(lines.len(), 400);
        assert!(lines.iter().all(|line| line["arguments"][1]["text"] == "v".repeat(60)));
        assert_eq!(lines.iter().filter(|line| line["source"] == "other").count(), 200);
    }
}
