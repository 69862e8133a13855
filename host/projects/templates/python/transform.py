"""{{camel}}: refuses some commands, and fills in for keys that are not there.

Each class below is an interface of Sluice's contract that world.wit exports; the modules of `wit_world` are made of the same contract
(sluice/wit says all that there is). `print()` and uncaught exceptions go to the host's log.
"""

import json

from componentize_py_types import Err
from sluice.replies import change, error, from_nodes, reply, watch
from wit_world.exports.lifecycle import Description, Interest, View
from wit_world.imports import log, metrics

MISSING = 1  # What a watched response comes back with. A transform that watches for several reasons has a tag for each.


class Lifecycle:
    def describe(self):
        return Description("{{camel}}", "0.1.0", "Refuses some commands, and fills in for keys that are not there.")

    def configure(self, config):
        """Called once, before anything else, with the transform's map in the topology. `Err` is a sentence for the operator."""
        # The classes have no instances that last: what is to be remembered lives in the module. Each worker of the proxy has an
        # instance of the whole module, and gives it the requests of many sessions.
        global deny, missing, denied_total
        settings = json.loads(config)
        for name in settings:
            if name not in ("deny", "missing"):
                raise Err(f"unknown setting {shown(name)}: expected deny or missing")
        deny, missing = settings.get("deny", []), settings.get("missing")
        if not isinstance(deny, list) or not all(isinstance(command, str) for command in deny):
            raise Err(f"deny: found {shown(deny)}, expected a list of command names")
        if "missing" in settings and not isinstance(missing, str):
            raise Err(f"missing: found {shown(missing)}, expected text")
        denied_total = metrics.counter("denied_total", [])
        # Only what it has to do with crosses into the transform; everything else goes past it, and costs nothing.
        commands = deny if missing is None else [*deny, "get"]
        return Interest(commands=commands, view=View.COMMAND, whole=[], key_positions=False)


class RequestsRows:
    def handle(self, batch):
        """A verdict for every request that is not simply to be forwarded."""
        verdicts = []
        for index, request in enumerate(batch):
            if request.command == "get" and "get" not in deny:
                verdicts.append(watch(index, MISSING))
            else:
                log.write(log.Level.INFO, f"denied {request.command}")
                metrics.add(denied_total, 1)
                verdicts.append(reply(index, error(f"ERR '{request.command}' is denied here")))
        return verdicts


class ResponsesRows:
    def handle(self, batch):
        """A change for every watched response that is not simply to be kept."""
        return [change(index, missing) for index, response in enumerate(batch) if from_nodes(response.reply) is None]


def shown(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
