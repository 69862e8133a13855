#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Ranges of slots and who serves them.
fn map(ranges: &[(usize, usize, char)]) -> SlotMap {
    let mut answer = Vec::new();
    encode::header(&mut answer, b'*', ranges.len());
    for (first, last, id) in ranges {
        let node = format!("*3\r\n$1\r\nh\r\n:1\r\n$1\r\n{id}\r\n");
        answer.extend_from_slice(format!("*3\r\n:{first}\r\n:{last}\r\n{node}").as_bytes());
    }
    SlotMap::read(&answer, "h").unwrap()
}

/// Which server has each slot. In every hundredth there is an element; its number is its name.
struct Cluster {
    owners: Vec<Option<char>>,
}

/// The first step that is taken when the visit of the last shard of [`ABC`] has begun: two others have taken six each.
const LAST: usize = 13;

const ABC: [(usize, usize, char); 3] = [(0, 5_460, 'A'), (5_461, 10_922, 'B'), (10_923, 16_383, 'C')];

impl Cluster {
    fn new(slots: &[(usize, usize, char)]) -> Self {
        let mut cluster = Self { owners: vec![None; SLOTS] };
        slots.iter().for_each(|&(first, last, id)| cluster.migrate(first, last, id));
        cluster
    }

    fn map(&self) -> SlotMap {
        let mut first = 0;
        let mut ranges = Vec::new();
        for range in self.owners.chunk_by(|one, next| one == next) {
            ranges.extend(range[0].map(|id| (first, first + range.len() - 1, id)));
            first += range.len();
        }
        map(&ranges)
    }

    fn migrate(&mut self, first: usize, last: usize, to: char) {
        self.owners[first..=last].fill(Some(to));
    }

    fn fail_over(&mut self, from: char, to: char) {
        self.owners.iter_mut().filter(|id| **id == Some(from)).for_each(|id| *id = Some(to));
    }

    /// Where a server's table has an element, never 0: elsewhere than other servers, and the same whatever else it has.
    fn place(server: char, element: usize) -> usize {
        (element + 1) * (server as usize * 571) % 65_537
    }

    fn scan(&self, arguments: &[&[u8]], id: &str) -> Vec<u8> {
        let at: usize = std::str::from_utf8(arguments[1]).unwrap().parse().unwrap();
        let server = id.chars().next().unwrap();
        let elements = (0..SLOTS).step_by(100).filter(|&slot| self.owners[slot] == Some(server));
        let mut places: Vec<_> = elements.map(|element| (Self::place(server, element), element)).collect();
        places.retain(|(place, _)| *place >= at);
        places.sort_unstable();
        let (page, rest) = places.split_at(places.len().min(10));
        let mut out = b"*2\r\n".to_vec();
        encode::bulk(&mut out, rest.first().map_or(0, |(place, _)| *place).to_string().as_bytes());
        encode::header(&mut out, b'*', page.len());
        page.iter().for_each(|(_, element)| encode::bulk(&mut out, element.to_string().as_bytes()));
        out
    }
}

/// A client that scans, and lets `change` have its way before each step. Returns what it has seen, in order.
fn scan(cluster: &mut Cluster, mut change: impl FnMut(usize, &mut Cluster)) -> Vec<usize> {
    let mut cursor = b"0".to_vec();
    let mut seen = Vec::new();
    for step in 0..10_000 {
        change(step, cluster);
        let map = cluster.map();
        let arguments: Vec<&[u8]> = vec![b"SCAN", &cursor, b"COUNT", b"10"];
        let reply = match Cursor::parse(&cursor).unwrap().leg(&map) {
            None => Cursor::END.to_vec(),
            Some(leg) => {
                let mut request = Vec::new();
                leg.encode(&arguments, &mut request);
                let sent: Vec<&[u8]> = reply::elements(&request).map(bulk).collect();
                assert_eq!([sent[0], sent[2], sent[3]], [&b"SCAN"[..], b"COUNT", b"10"]);
                let id = map.nodes()[leg.node].id.clone().unwrap();
                leg.reply(&cluster.scan(&sent, &id), &map)
            }
        };
        let (next, keys) = cursor_and_keys(&reply).unwrap();
        seen.extend(reply::elements(keys).map(|key| std::str::from_utf8(bulk(key)).unwrap().parse::<usize>().unwrap()));
        if next == 0 {
            return seen;
        }
        cursor = next.to_string().into_bytes();
    }
    panic!("the scan does not end");
}

fn bulk(frame: &[u8]) -> &[u8] {
    let start = frame.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    &frame[start..frame.len() - 2]
}

const NONE: Vec<usize> = Vec::new();

fn missed(seen: Vec<usize>) -> Vec<usize> {
    let seen: BTreeSet<usize> = seen.into_iter().collect();
    (0..SLOTS).step_by(100).filter(|element| !seen.contains(element)).collect()
}

#[test]
fn a_scan_of_a_cluster_at_peace_returns_each_element_once() {
    let in_pieces = [(0, 99, 'A'), (100, 199, 'B'), (200, 299, 'A'), (300, 9_999, 'C'), (10_000, 16_383, 'B')];
    for slots in [&ABC[..], &in_pieces, &[(0, 16_383, 'A')], &[(0, 0, 'A'), (1, 16_383, 'B')]] {
        let mut seen = scan(&mut Cluster::new(slots), |_, _| {});
        seen.sort_unstable();
        assert_eq!(seen, (0..SLOTS).step_by(100).collect::<Vec<_>>(), "{slots:?}");
    }
}

#[test]
fn slots_that_nobody_serves_are_no_end() {
    let mut seen = scan(&mut Cluster::new(&[(100, 199, 'A'), (300, 399, 'B')]), |_, _| {});
    seen.sort_unstable();
    assert_eq!(seen, [100, 300]);
    // The shard that was to be visited is gone, and so is all that would follow.
    let gone = Cursor { slot: Slot::new(299).unwrap(), server: BETWEEN, at: 0 };
    assert_eq!(gone.leg(&map(&[(100, 199, 'A')])), None);
}

#[test]
fn the_new_primary_of_a_shard_is_visited_from_its_beginning() {
    for step in 0..15 {
        for shard in ['A', 'B', 'C'] {
            let seen = scan(&mut Cluster::new(&ABC), |now, cluster| {
                if now == step {
                    cluster.fail_over(shard, 'P');
                }
            });
            assert_eq!(missed(seen), NONE, "{shard} at step {step}");
        }
    }
}

#[test]
fn what_moves_to_a_new_shard_is_still_found_unless_it_is_its_own_shards_turn() {
    let pieces = [(0, 1_364), (5_461, 6_826), (10_923, 12_287)];
    for step in 0..15 {
        let mut last_turn = false;
        let seen = scan(&mut Cluster::new(&ABC), |now, cluster| {
            if now == step {
                last_turn = now >= LAST;
                pieces.iter().for_each(|&(first, last)| cluster.migrate(first, last, 'D'));
            }
        });
        assert!(last_turn || missed(seen).is_empty(), "at step {step}");
    }
}

#[test]
fn what_moves_to_a_shard_that_has_been_visited_is_still_found_unless_it_is_its_own_shards_turn() {
    for step in 0..15 {
        let mut last_turn = false;
        let seen = scan(&mut Cluster::new(&ABC), |now, cluster| {
            if now == step {
                last_turn = now >= LAST;
                cluster.migrate(13_000, 13_999, 'A');
            }
        });
        assert!(last_turn || missed(seen).is_empty(), "at step {step}");
    }
}

#[test]
fn a_shard_that_gets_low_slots_is_not_taken_for_one_that_has_been_visited() {
    for step in 0..15 {
        let seen = scan(&mut Cluster::new(&ABC), |now, cluster| {
            if now == step {
                cluster.migrate(0, 1_000, 'C');
            }
        });
        assert_eq!(missed(seen), NONE, "at step {step}");
    }
}

#[test]
fn a_shard_that_loses_its_highest_slots_is_still_visited_to_its_end() {
    for step in 0..15 {
        for heir in ['A', 'C'] {
            let seen = scan(&mut Cluster::new(&ABC), |now, cluster| {
                if now == step {
                    cluster.migrate(10_922, 10_922, heir);
                    cluster.migrate(5_460, 5_460, 'B');
                }
            });
            assert_eq!(missed(seen), NONE, "to {heir} at step {step}");
        }
    }
}

#[test]
fn the_highest_slots_of_the_shard_that_is_being_visited_are_found_where_they_go() {
    for step in 0..15 {
        for heir in ['A', 'C'] {
            let seen = scan(&mut Cluster::new(&ABC), |now, cluster| {
                if now == step {
                    cluster.migrate(10_000, 10_922, heir);
                }
            });
            assert_eq!(missed(seen), NONE, "to {heir} at step {step}");
        }
    }
}

#[test]
fn a_shard_that_vanishes_leaves_its_elements_to_be_found_where_they_went() {
    for step in 0..15 {
        for heir in ['B', 'C'] {
            let seen = scan(&mut Cluster::new(&ABC), |now, cluster| {
                if now == step {
                    cluster.migrate(0, 5_460, heir);
                }
            });
            assert_eq!(missed(seen), NONE, "to {heir} at step {step}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_scan_ends_whatever_moves(moves in prop::collection::vec((0..40usize, 0..SLOTS, 0..SLOTS, 0..6usize), 0..20)) {
        let mut names = 'D'..;
        scan(&mut Cluster::new(&ABC), |now, cluster| {
            for &(step, one, other, to) in moves.iter().filter(|(step, ..)| *step == now) {
                let mut owners: Vec<char> = cluster.owners.iter().flatten().copied().collect();
                owners.dedup();
                match owners.get(to) {
                    Some(&to) => cluster.migrate(one.min(other), one.max(other), to),
                    None => cluster.fail_over(owners[step % owners.len()], names.next().unwrap()),
                }
            }
        });
    }

    #[test]
    fn whatever_a_client_sends_leads_somewhere_or_nowhere(number in any::<u64>()) {
        let text = number.to_string();
        let cursor = Cursor::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(cursor.encode(), Some(number));
        if let Some(leg) = cursor.leg(&map(&ABC)) {
            prop_assert!(leg.node < 3);
        }
    }
}

#[test]
fn servers_are_told_apart_even_where_they_have_no_ids() {
    let node = |port| Node { address: format!("127.0.0.1:{port}").into(), id: None };
    let different: BTreeSet<u8> = (7_000..7_020).map(|port| fingerprint(&node(port))).collect();
    assert!(different.len() > 12, "{different:?}");
}

#[test]
fn cursors_are_read_as_the_server_reads_them() {
    for (text, number) in [
        (&b"0"[..], Some(0)),
        (b"", Some(0)),
        (b"00", Some(0)),
        (b"+0", Some(0)),
        (b"18446744073709551615", Some(u64::MAX)),
        (b"18446744073709551616", None),
        (b"0x1", None),
        (b"1 ", None),
        (b" 1", None),
        (b"a", None),
        (b"\xff", None),
    ] {
        assert_eq!(Cursor::parse(text).and_then(Cursor::encode), number, "{}", text.escape_ascii());
    }
}

#[test]
fn a_reply_is_passed_on_but_for_its_cursor() {
    let map = map(&ABC);
    let reply = |cursor: Cursor, frame: &str| {
        let reply = cursor.leg(&map).unwrap().reply(frame.as_bytes(), &map);
        String::from_utf8(reply).unwrap()
    };
    let begin = Cursor::parse(b"0").unwrap();
    let keys = "*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n";
    let number = Cursor { slot: Slot::new(5_460).unwrap(), server: fingerprint(&map.nodes()[0]), at: 17 };
    let number = number.encode().unwrap().to_string();
    assert_eq!(
        reply(begin, &format!("*2\r\n$2\r\n17\r\n{keys}")),
        format!("*2\r\n${}\r\n{number}\r\n{keys}", number.len())
    );
    assert_eq!(reply(begin, "*2\r\n$1\r\n0\r\n*0\r\n"), "*2\r\n$5\r\n21844\r\n*0\r\n");
    let last = Cursor { slot: Slot::new(10_922).unwrap(), server: BETWEEN, at: 0 };
    assert_eq!(reply(last, &format!("*2\r\n$1\r\n0\r\n{keys}")), format!("*2\r\n$1\r\n0\r\n{keys}"));
    assert_eq!(reply(begin, "-NOAUTH no\r\n"), "-NOAUTH no\r\n");
    for odd in ["+OK\r\n", "*1\r\n$1\r\n0\r\n", "*2\r\n$1\r\na\r\n*0\r\n", "*2\r\n:1\r\n*0\r\n", "*2\r\n$-1\r\n*0\r\n"]
    {
        assert!(reply(begin, odd).starts_with("-ERR the node's reply to SCAN"), "{odd}");
    }
}

#[test]
fn cursors_of_the_servers_of_today_fit_and_others_are_refused() {
    let fits = |at| Cursor { slot: Slot::new(16_383).unwrap(), server: 63, at }.encode();
    // 2^30 buckets in one of the tables that a server keeps for each slot.
    assert_eq!(fits((1 << 44) - 1), Some(u64::MAX));
    assert_eq!(fits(1 << 44), None);
    // 2^33 buckets, exactly, in a client that calculates with floating-point numbers.
    assert!(fits((1 << 33) - 1).is_some_and(|number| number < 1 << 53));
    let map = map(&ABC);
    let leg = Cursor::parse(b"0").unwrap().leg(&map).unwrap();
    assert!(
        leg.reply(format!("*2\r\n$14\r\n{}\r\n*0\r\n", 1u64 << 44).as_bytes(), &map).starts_with(b"-ERR the cursor")
    );
}
