#![allow(clippy::unwrap_used)]
use super::*;

/// `CLUSTER SLOTS` as text: `-` a null, words in quotation marks bulk strings, numbers integers, brackets arrays.
fn answer(text: &str) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    fn encode(value: &serde_json::Value, out: &mut Vec<u8>) {
        match value {
            serde_json::Value::Array(elements) => {
                out.extend(format!("*{}\r\n", elements.len()).bytes());
                elements.iter().for_each(|element| encode(element, out));
            }
            serde_json::Value::String(text) => out.extend(format!("${}\r\n{text}\r\n", text.len()).bytes()),
            serde_json::Value::Null => out.extend(b"$-1\r\n"),
            number => out.extend(format!(":{number}\r\n").bytes()),
        }
    }
    let mut out = Vec::new();
    encode(&json, &mut out);
    out
}

fn read(text: &str) -> Result<SlotMap, MapError> {
    SlotMap::read(&answer(text), "asked")
}

fn addresses(map: &SlotMap) -> Vec<&str> {
    map.nodes().iter().map(|node| &*node.address).collect()
}

#[test]
fn every_slot_finds_its_shard() {
    let map = read(
        r#"[[0, 5460, ["10.0.0.1", 7000, "a", []], ["10.0.0.4", 7003, "d", []]],
            [5461, 10922, ["10.0.0.2", 7001, "b", []]],
            [10923, 16382, ["10.0.0.1", 7000, "a", []], ["10.0.0.4", 7003, "d", []]]]"#,
    )
    .unwrap();
    assert_eq!(addresses(&map), ["10.0.0.1:7000", "10.0.0.2:7001", "10.0.0.4:7003"]);
    assert_eq!(map.shards().len(), 2);
    let primary = |number| Some(&*map.nodes()[map.owner(Slot::new(number).unwrap())?.primary].address);
    assert_eq!((primary(0), primary(5460), primary(16_382)), (primary(0), primary(0), primary(0)));
    assert_eq!((primary(5461), primary(16_383)), (Some("10.0.0.2:7001"), None));
    assert_eq!(map.shards()[0].replicas, [2]);
    assert_eq!((map.unserved(), map.nodes()[1].id.as_deref()), (1, Some("b")));
}

#[test]
fn the_order_in_which_a_node_lists_others_is_of_no_account() {
    let one = r#"[[0, 9, ["b", 1, "B", []], ["d", 1, "D", []], ["c", 1, "C", []]], [10, 16383, ["a", 1, "A", []]]]"#;
    let other = r#"[[10, 16383, ["a", 1, "A", []]], [0, 9, ["b", 1, "B", []], ["c", 1, "C", []], ["d", 1, "D", []]]]"#;
    assert_eq!(read(one).unwrap(), read(other).unwrap());
}

#[test]
fn nodes_without_slots_are_known_too() {
    let mut map = read(r#"[[0, 16383, ["10.0.0.1", 7000, "a", []]]]"#).unwrap();
    let lines = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383\nb 10.0.0.2:7001@17001,name master - 0 0 2 connected\n\
                 c :0@0 master,noaddr - 0 0 3 disconnected\nd 10.0.0.3:7002@17002 master,fail - 0 0 4 disconnected\nodd\n";
    map.add_nodes(format!("${}\r\n{lines}\r\n", lines.len()).as_bytes(), "asked");
    assert_eq!(addresses(&map), ["10.0.0.1:7000", "10.0.0.2:7001"]);
    assert_eq!(map.shards().len(), 1);
    map.add_nodes(b"-NOPERM no\r\n", "asked");
    assert_eq!(map.nodes().len(), 2);
}

#[test]
fn nodes_are_called_as_they_can_be_reached() {
    for (node, expected) in [
        (r#"["", 1, "a"]"#, "asked:1"),
        (r#"[null, 1, "a"]"#, "asked:1"),
        (r#"["fe80::1", 1, "a"]"#, "[fe80::1]:1"),
        (r#"["node.example", 1, "a", ["ip", "10.0.0.1"]]"#, "node.example:1"),
        (r#"["?", 1, "a", ["ip", "10.0.0.1"]]"#, "10.0.0.1:1"),
        (r#"["?", 1, "a", []]"#, "asked:1"),
        // As servers before 4.0 say it.
        (r#"["10.0.0.1", 1]"#, "10.0.0.1:1"),
    ] {
        assert_eq!(addresses(&read(&format!("[[0, 16383, {node}]]")).unwrap()), [expected], "{node}");
    }
    assert_eq!(addresses(&SlotMap::read(&answer(r#"[[0, 1, ["", 1, "a"]]]"#), "::1").unwrap()), ["[::1]:1"]);
}

#[test]
fn what_is_no_map_is_refused_with_what_was_found() {
    for (text, expected) in [
        ("[]", "serves no slots"),
        ("7", "found 7, expected an array"),
        ("[7]", "found 7, expected an array for each range"),
        ("[[0, 1]]", "found 2 elements, expected the first slot, the last one, and nodes"),
        (r#"[[0, 16384, ["h", 1]]]"#, "found 16384, expected the number of a slot"),
        (r#"[[-1, 5, ["h", 1]]]"#, "found -1, expected the number of a slot"),
        (r#"[["x", 5, ["h", 1]]]"#, "found \"x\", expected the number of a slot"),
        (r#"[[5, 4, ["h", 1]]]"#, "found slots 5 to 4, expected the lower one first"),
        (r#"[[0, 4, "h"]]"#, "found \"h\", expected an array for each node"),
        (r#"[[0, 4, ["h"]]]"#, "found 1 elements, expected a host and a port"),
        (r#"[[0, 4, ["h", 65536]]]"#, "found 65536, expected the number of a port"),
        (r#"[[0, 4, ["h", 0]]]"#, "found 0, expected the number of a port"),
        (r#"[[0, 4, ["h", 1]], [3, 9, ["i", 1]]]"#, "contradicts itself: slot 3 belongs to h:1, and again to i:1"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\nis:             {error}\nshould contain: {expected}");
    }
    let error = SlotMap::read(b"-ERR This instance has cluster support disabled\r\n", "asked").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server answered CLUSTER SLOTS with: ERR This instance has cluster support disabled"
    );
    let deep = b"*1\r\n".repeat(1_000_000);
    let endless = answer(r#"[[0, 16383, ["h", 1]]]"#);
    let endless = [&b"*20000\r\n"[..], &endless[b"*1\r\n".len()..].repeat(20_000)].concat();
    for garbage in [&b"*1\r\n"[..], b"!", b"", &[&deep[..], b":1\r\n"].concat(), &deep, b"*0\r\n*0\r\n"] {
        assert!(matches!(SlotMap::read(garbage, "asked"), Err(MapError::Unexpected { .. })));
    }
    assert!(matches!(SlotMap::read(&endless, "asked"), Err(MapError::Twice { .. })));
    let nodes: String = (0..40_000).map(|at| format!("*2\r\n$1\r\nh\r\n:{}\r\n", at + 1)).collect();
    let crowd = SlotMap::read(format!("*1\r\n*40002\r\n:0\r\n:1\r\n{nodes}").as_bytes(), "asked");
    assert!(crowd.unwrap_err().to_string().contains("found more than 32768 nodes"));
}
