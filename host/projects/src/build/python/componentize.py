"""Runs componentize-py, and shows of what goes wrong the part that is about the transform."""

import sys

import componentize_py

sys.argv[0] = "componentize-py"
try:
    sys.exit(componentize_py.script())
except AssertionError as error:
    # What the transform printed, then how the interpreter came there.
    sys.exit(str(error).split("\n\nCaused by:\n")[0].strip())
