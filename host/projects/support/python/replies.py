"""Verdicts and replies in Python's own values.

The contract carries a reply as a flat list of nodes. This module makes such lists of Python's values, reads them back,
and builds the verdicts and changes that a transform returns:

    return [reply(0, None), rewrite(1, [b"SET", key, value]), watch(2, 1)]

| a reply's        | is read as                 | is made of                                          |
| ---------------- | -------------------------- | --------------------------------------------------- |
| bulk string      | `bytes`                    | `bytes`, `bytearray`, `memoryview`, `str` (UTF-8)   |
| integer          | `int`                      | `int` (beyond 64 bits: a big number)                |
| null, null array | `None`, `NULL_ARRAY`       | the same                                            |
| boolean          | `bool`                     | `bool`                                              |
| double           | `float`                    | `float`                                             |
| array            | `list`                     | `list`, `tuple`, any other iterable                 |
| map              | `dict`, rarely `Pairs`     | `dict`, `Pairs`                                     |
| set              | `Set` (a `list`)           | `set`, `frozenset`, `Set`                           |
| push             | `Push` (a `list`)          | `Push`, in the place of another                     |
| simple string, error, bulk error, big number, verbatim string: `Simple`, `Error`, `BulkError`, `BigNumber`, `Verbatim`,
| which are `bytes` that know their kind.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from wit_world.exports import requests_rows
from wit_world.exports.requests_rows import Verdict
from wit_world.imports import replies as node
from wit_world.imports.replies import Node

try:  # Only in a world that exports it.
    from wit_world.exports.responses_rows import Change
except ImportError:
    Change = None

# === Verdicts: what becomes of the request at a position of the batch


def rewrite(index: int, args: Iterable[bytes | str], tag: int | None = None) -> Verdict:
    """It goes on with these arguments, the command's name first. With a tag, its response is watched."""
    return Verdict(index, requests_rows.Action_Rewrite([_bytes(arg) for arg in args]), tag)


def reply(index: int, value: Any) -> Verdict:
    """It goes no further: this is its reply."""
    return Verdict(index, requests_rows.Action_Reply(to_nodes(value)), None)


def watch(index: int, tag: int) -> Verdict:
    """It goes on unchanged, and its response comes to `ResponsesRows.handle` with this tag (0 to 2**64 - 1)."""
    return Verdict(index, requests_rows.Action_Forward(), tag)


def fan_out(index: int, requests: Iterable[Iterable[bytes | str]], tag: int | None = None) -> Verdict:
    """These requests go on in its place; their replies come back as one array. With a tag, that is watched."""
    lists = [[_bytes(arg) for arg in request] for request in requests]
    return Verdict(index, requests_rows.Action_FanOut(lists), tag)


def close(index: int, *last: Any) -> Verdict:
    """Its session is closed, after one last reply where a value is given."""
    return Verdict(index, requests_rows.Action_Close(to_nodes(last[0]) if last else []), None)


def change(index: int, value: Any) -> "Change":
    """This takes the place of the response at a position of the batch.

    (Where you have nodes, as from `map_strings`: `Change(index, nodes)`.)
    """
    return Change(index, to_nodes(value))


# === Values that Python has no type for


class Simple(bytes):
    """A simple string: `Simple(b"OK")`."""


class Error(bytes):
    """An error: `Error(b"ERR no")`."""


class BulkError(bytes):
    """RESP3's error with any bytes."""


class BigNumber(bytes):
    """RESP3's integer beyond 64 bits, in decimal: `int(value)` is its number."""


class Verbatim(bytes):
    """RESP3's verbatim string: a text with a `format`, `txt` or `mkd`."""

    format = "txt"

    def __new__(cls, text: bytes | str, format: str = "txt") -> "Verbatim":
        self = super().__new__(cls, _bytes(text))
        self.format = format
        return self


class Set(list):
    """RESP3's set, in the order in which the server gave it."""


class Pairs(list):
    """A map that cannot be a `dict`, since a key of it is a list or a map itself: the pairs of key and value."""


class Push(list):
    """RESP3's out-of-band data. A transform may return it only in the place of another."""


class _NullArray:
    def __repr__(self) -> str:
        return "NULL_ARRAY"


NULL_ARRAY = _NullArray()
"""The null array of RESP2, as EXEC and the blocking commands give it."""

OK = Simple(b"OK")


def error(message: bytes | str) -> Error:
    """An error reply; the message begins with its code: `ERR no such thing`. Line breaks, which it cannot have, become spaces."""
    return Error(_line(_bytes(message)))


def simple(text: bytes | str) -> Simple:
    """A simple string such as `OK`. Line breaks, which it cannot have, become spaces."""
    return Simple(_line(_bytes(text)))


# === Between values and nodes


def to_nodes(value: Any) -> list[Node]:
    """The nodes of a value; see the table above."""
    nodes = []
    rest = [value]  # What is still to be written, the next one last.
    while rest:
        value = rest.pop()
        if isinstance(value, (bytes, str)):
            nodes.append(_text_node(value))
        elif value is None:
            nodes.append(node.Node_Null())
        elif isinstance(value, bool):
            nodes.append(node.Node_Boolean(value))
        elif isinstance(value, int):
            fits = -(2**63) <= value < 2**63
            nodes.append(node.Node_Integer(value) if fits else node.Node_BigNumber(b"%d" % value))
        elif isinstance(value, float):
            nodes.append(node.Node_Double(value))
        elif isinstance(value, (Mapping, Pairs)):
            pairs = list(value.items() if isinstance(value, Mapping) else value)
            nodes.append(node.Node_Map(len(pairs)))
            for key, entry in reversed(pairs):
                rest += (entry, key)
        elif isinstance(value, (bytearray, memoryview)):
            nodes.append(node.Node_Bulk(bytes(value)))
        elif value is NULL_ARRAY:
            nodes.append(node.Node_NullArray())
        elif isinstance(value, Iterable):
            elements = list(value)
            kind = node.Node_Array
            if isinstance(value, (Set, AbstractSet)):
                kind = node.Node_Set
            elif isinstance(value, Push):
                kind = node.Node_Push
            nodes.append(kind(len(elements)))
            rest += reversed(elements)
        else:
            raise TypeError(f"a reply cannot be made of a {type(value).__name__}: {value!r:.80}")
    return nodes


def from_nodes(nodes: list[Node]) -> Any:
    """The value of a whole reply; see the table above.

    Attributes are left out, and of equal keys the last one wins: where every byte counts, look at the nodes.
    A reply that is nested thousands of levels deep is a fault: the interpreter frees such a value by recursion.
    """
    # From the last node to the first: the elements of an aggregate are then the last values that were made.
    values = []
    for at in range(len(nodes) - 1, -1, -1):
        here = nodes[at]
        read = _VALUES.get(type(here))
        if read is not None:
            values.append(read(here))
            continue
        count = here.value
        if isinstance(here, (node.Node_Map, node.Node_Attribute)):
            pairs = [(values.pop(), values.pop()) for _ in range(count)]
            if isinstance(here, node.Node_Map):
                values.append(_map(pairs))
        else:
            elements = values[len(values) - count :]
            del values[len(values) - count :]
            elements.reverse()
            values.append(_LISTS[type(here)](elements))
    return values[-1]


def map_strings(nodes: list[Node], change: Callable[[bytes], bytes]) -> list[Node] | None:
    """The nodes with `change(text)` in place of every bulk, simple and verbatim string, at any depth, keys of maps too.

    All else stays as it is, kinds included. `None` if no string became another, so that the response can be kept:

        if (nodes := map_strings(response.reply, bytes.upper)) is not None:
            changes.append(Change(index, nodes))
    """
    changed = None
    for at, here in enumerate(nodes):
        if isinstance(here, (node.Node_Bulk, node.Node_Simple)):
            text = change(here.value)
            if text == here.value:
                continue
            new = type(here)(text)
        elif isinstance(here, node.Node_Verbatim):
            text = change(here.value[1])
            if text == here.value[1]:
                continue
            new = node.Node_Verbatim((here.value[0], text))
        else:
            continue
        if changed is None:
            changed = list(nodes)
        changed[at] = new
    return changed


_TEXTS = {
    Simple: node.Node_Simple,
    Error: node.Node_Error,
    BulkError: node.Node_BulkError,
    BigNumber: node.Node_BigNumber,
}

_VALUES = {
    node.Node_Null: lambda _: None,
    node.Node_NullArray: lambda _: NULL_ARRAY,
    node.Node_Simple: lambda here: Simple(here.value),
    node.Node_Error: lambda here: Error(here.value),
    node.Node_Integer: lambda here: here.value,
    node.Node_Bulk: lambda here: here.value,
    node.Node_Boolean: lambda here: here.value,
    node.Node_Double: lambda here: here.value,
    node.Node_BigNumber: lambda here: BigNumber(here.value),
    node.Node_Verbatim: lambda here: Verbatim(here.value[1], here.value[0]),
    node.Node_BulkError: lambda here: BulkError(here.value),
}

_LISTS = {node.Node_Array: list, node.Node_Set: Set, node.Node_Push: Push}


def _map(pairs: list[tuple[Any, Any]]) -> dict | Pairs:
    try:
        return dict(pairs)
    except TypeError:  # A key cannot be hashed.
        return Pairs(pairs)


def _text_node(text: bytes | str) -> Node:
    if isinstance(text, Verbatim):
        return node.Node_Verbatim((text.format, bytes(text)))
    return _TEXTS.get(type(text), node.Node_Bulk)(_bytes(text))


def _bytes(text: bytes | str) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)


def _line(text: bytes) -> bytes:
    return text.replace(b"\r", b" ").replace(b"\n", b" ")
