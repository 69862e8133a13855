"""CardMask: masks the digits of card numbers in values that are written and read.

Requests of the commands in `write` are rewritten; the responses to those in `read` are watched and changed.
"""

import json
import re

from componentize_py_types import Err
from sluice.replies import Change, map_strings, rewrite, watch
from wit_world.exports.lifecycle import Description, Interest, View
from wit_world.imports import log, metrics

DEFAULTS = {
    "keep": 4,
    "write": "set setex psetex setnx getset append mset msetnx hset hsetnx hmset lpush rpush sadd".split(),
    "read": "get mget getset getdel getex hget hmget hgetall lrange smembers".split(),
}

READ = 1  # the tag of the responses that are watched


class Lifecycle:
    def describe(self):
        return Description("CardMask", "0.1.0", "Masks the digits of card numbers in values that are written and read.")

    def configure(self, config):
        # The settings live in the module: the classes here have no instances to keep them.
        global mask, write, read, written, shown
        settings = checked(json.loads(config))
        mask = Mask(settings["keep"])
        write, read = set(settings["write"]), set(settings["read"])
        written = metrics.counter("card_numbers_masked_total", [("direction", "written")])
        shown = metrics.counter("card_numbers_masked_total", [("direction", "read")])
        log.write(log.Level.INFO, f"masking card numbers, keeping the last {settings['keep']} digits")
        return Interest(commands=sorted(write | read), view=View.ALL, whole=[], key_positions=True)


class RequestsRows:
    def handle(self, batch):
        verdicts = []
        for index, request in enumerate(batch):
            tag = READ if request.command in read else None
            masked = None
            if request.command in write:
                keep = {0, *request.keys}
                masked = [arg if at in keep else mask(arg) for at, arg in enumerate(request.args)]
            if count := mask.counted():
                metrics.add(written, count)
                verdicts.append(rewrite(index, masked, tag))
            elif tag is not None:
                verdicts.append(watch(index, tag))
        return verdicts


class ResponsesRows:
    def handle(self, batch):
        changes = []
        for index, response in enumerate(batch):
            nodes = map_strings(response.reply, mask)
            if nodes is not None:
                changes.append(Change(index, nodes))
        metrics.add(shown, mask.counted())
        return changes


def checked(config):
    """The settings of a configuration. What is raised is the sentence that the operator sees."""
    for name in config:
        if name not in DEFAULTS:
            raise Err(f"unknown setting {shown_as_json(name)}: expected keep, read or write")
    settings = DEFAULTS | config
    keep = settings["keep"]
    if type(keep) is not int or not 0 <= keep <= 12:  # `bool` is an `int` to `isinstance`.
        raise Err(f"keep: found {shown_as_json(keep)}, expected a whole number from 0 to 12")
    for name in ("write", "read"):
        commands = settings[name]
        if not isinstance(commands, list) or not all(isinstance(command, str) for command in commands):
            raise Err(f"{name}: found {shown_as_json(commands)}, expected a list of command names")
    return settings


def shown_as_json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Mask:
    """Masks card numbers, and counts them. Works on bytes: a value need not be text."""

    # The longest run of digits, with single separators between them. The `++` and `*+` never try a shorter one, so that the time
    # and the memory that it takes do not depend on what a client sends.
    RUN = re.compile(rb"[0-9]++(?:[ -][0-9]++)*+")

    # By digit: what it adds to the sum of the Luhn check where it counts twice.
    TWICE = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

    def __init__(self, keep):
        self.keep = keep
        self.count = 0

    def __call__(self, value):
        """The value with the card numbers in it masked."""
        return self.RUN.sub(self.masked, value)

    def counted(self):
        """How many card numbers were masked since the last time."""
        count, self.count = self.count, 0
        return count

    def masked(self, found):
        run = found[0]
        digits = [byte - 0x30 for byte in run if byte not in b" -"]
        if not 13 <= len(digits) <= 19 or not self.passes_luhn(digits):
            return run
        self.count += 1
        hide = len(digits) - self.keep
        masked = bytearray(run)
        for at, byte in enumerate(run):
            if byte not in b" -":
                masked[at] = ord("*")
                hide -= 1
                if hide == 0:
                    break
        return bytes(masked)

    def passes_luhn(self, digits):
        """Whether the last digit is the check digit of the others: every second one counts twice, from the right."""
        once, twice = digits[-1::-2], digits[-2::-2]
        return (sum(once) + sum(self.TWICE[digit] for digit in twice)) % 10 == 0
