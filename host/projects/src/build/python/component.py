"""The component's module: the transform, whose print() and uncaught exceptions become lines of the host's log.

`sluice plugin build` has the component made of this module, with the transform's name in it.
"""

import os
import sys
import time
import types

sys.dont_write_bytecode = True

import wit_world.exports
from TRANSFORM import *

try:
    from wit_world.imports import log
except ImportError:  # The world does not import it: print() has nowhere to go, and is a fault.
    log = None

DEPTH = 20
"""Calls of a traceback that are shown, the innermost ones."""


class LogLines:
    """A file for text, whose lines go to the host's log: what has no line break yet when it is flushed or a crossing ends is a line, too."""

    encoding = "utf-8"

    def __init__(self, level):
        self.level = level
        self.begun = ""

    def write(self, text):
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            log.write(self.level, line)
        return len(text)

    def flush(self):
        begun, self.begun = self.begun, ""
        if begun:
            log.write(self.level, begun)


def log_exception(_kind, exception, _traceback):
    """Log a traceback, the innermost call first. Python's own would look for the sources, and there are no files."""
    while exception is not None:
        log.write(log.Level.ERROR, f"{type(exception).__name__}: {exception}")
        calls = []
        traceback = exception.__traceback__
        while traceback is not None:
            code = traceback.tb_frame.f_code
            if code.co_filename != __file__:  # A call of the transform's, not one from here.
                calls.append(f"  {code.co_filename.lstrip('/0123456789')}:{traceback.tb_lineno}, in {code.co_qualname}")
            traceback = traceback.tb_next
        for call in reversed(calls[-DEPTH:]):
            log.write(log.Level.ERROR, call)
        exception = exception.__cause__ or (None if exception.__suppress_context__ else exception.__context__)


def ending_lines(method):
    """The method, with the end of its crossing also the end of the lines that were begun."""

    def call(*args):
        try:
            return method(*args)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    return call


def none(what, instead):
    """What is called in the place of a function that would need WASI, and trap without a word."""

    def call(*_, **__):
        raise RuntimeError(f"there is no {what} here: import sluice:transform/{instead} in world.wit, grant it, and use that")

    return call


def check_exports():
    """Every interface that the world exports is a class here, and has its functions."""
    for name, protocol in vars(wit_world.exports).items():
        functions = getattr(protocol, "__abstractmethods__", None)
        if not functions:
            continue
        found = globals().get(name)
        if not isinstance(found, type):
            raise ImportError(f"world.wit exports an interface whose class, `{name}`, is missing in TRANSFORM.py")
        for function in sorted(functions):
            if not callable(getattr(found, function, None)):
                raise ImportError(f"class `{name}` in TRANSFORM.py has no method `{function}`")
            method = vars(found).get(function)
            if log is not None and isinstance(method, types.FunctionType):
                setattr(found, function, ending_lines(method))


# Last, so that what goes wrong while the component is built is shown there.
check_exports()
os.urandom = none("os.urandom()", "random")
for clock in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"):
    setattr(time, clock, none(f"time.{clock}()", "clock"))
if log is not None:
    sys.stdout = LogLines(log.Level.INFO)
    sys.stderr = LogLines(log.Level.ERROR)
    sys.excepthook = log_exception
