"""Checks of replies.py, in the very interpreter that transforms run in: `configure` makes them, and refuses with what failed."""

from componentize_py_types import Err
from sluice import replies
from wit_world.exports.lifecycle import Description, Interest, View
from wit_world.imports import replies as node


class Lifecycle:
    def describe(self):
        return Description("Checks", "0.1.0", "Checks the helpers.")

    def configure(self, _config):
        checks = [check for name, check in globals().items() if name.startswith("check_")]
        for check in checks:
            try:
                check()
            except Exception as error:
                raise Err(f"{check.__name__}: {type(error).__name__}: {error}")
        print(f"{len(checks)} checks", end="")  # The end of the crossing is the end of the line.
        return Interest(commands=["get"], view=View.COMMAND, whole=[], key_positions=False)


class RequestsRows:
    def handle(self, _batch):
        print("two", "words", end="", flush=True)
        print("begun,", end=" ")
        raise ValueError("and then")


class ResponsesRows:
    def handle(self, _batch):
        return []


def there_and_back(value):
    return replies.from_nodes(replies.to_nodes(value))


def check_values_come_back_as_what_they_were():
    values = [
        *(1, b"a", None, True, 1.5, 2**62, [[]], {b"k": [1]}, replies.OK, replies.NULL_ARRAY),
        *(replies.error("ERR no"), replies.BigNumber(b"12"), replies.BulkError(b"e\n"), replies.Set([1, 2])),
    ]
    back = there_and_back(values)
    assert back == values, back
    assert [type(value) for value in back] == [type(value) for value in values], back
    assert there_and_back(replies.Verbatim("x", "mkd")).format == "mkd"


def check_what_python_has_more_of_becomes_the_nearest():
    assert there_and_back("é") == "é".encode()
    assert there_and_back(("a",)) == [b"a"]
    assert there_and_back(bytearray(b"x")) == b"x"
    assert there_and_back(number for number in [1, 2]) == [1, 2]
    assert type(there_and_back({1})) is replies.Set
    assert replies.to_nodes(2**63) == [node.Node_BigNumber(b"9223372036854775808")]
    assert replies.to_nodes(-(2**63)) == [node.Node_Integer(-(2**63))]


def check_what_no_reply_can_be_made_of_is_said():
    try:
        replies.to_nodes([object()])
    except TypeError as error:
        assert "a reply cannot be made of a object" in str(error), error
    else:
        raise AssertionError("an object became a reply")


def check_line_breaks_cannot_break_a_reply():
    assert replies.error("ERR a\r\nb") == b"ERR a  b"


def check_nesting_is_no_recursion():
    value = 1
    for _ in range(1_000):
        value = [value]
    back, depth = there_and_back(value), 0
    while isinstance(back, list):
        back, depth = back[0], depth + 1
    assert depth == 1_000


def check_attributes_are_left_out_and_keys_may_be_anything():
    attribute = [node.Node_Attribute(1), node.Node_Bulk(b"ttl"), node.Node_Integer(5)]
    assert replies.from_nodes([*attribute, node.Node_Array(2), node.Node_Bulk(b"x"), *attribute, node.Node_Null()]) == [b"x", None]
    assert there_and_back(replies.Pairs([([1], 2)])) == [([1], 2)]


def check_strings_are_mapped_and_keep_their_kinds():
    assert replies.map_strings([node.Node_Bulk(b"x")], lambda text: text) is None
    nodes = [node.Node_Push(3), node.Node_Verbatim(("txt", b"x")), node.Node_Simple(b"y"), node.Node_Error(b"z")]
    upper = [node.Node_Push(3), node.Node_Verbatim(("txt", b"X")), node.Node_Simple(b"Y"), node.Node_Error(b"z")]
    assert replies.map_strings(nodes, bytes.upper) == upper
