/**
 * {{camel}}: refuses some commands, and fills in for keys that are not there.
 *
 * Each object that is exported is an interface of Sluice's contract that world.wit exports; what is imported from `sluice:transform/…`
 * are those that it imports (sluice/wit says all that there is). `console.log()` and uncaught errors go to the host's log.
 */

import * as log from 'sluice:transform/log@0.2.0';
import * as metrics from 'sluice:transform/metrics@0.2.0';
import { change, error, fromNodes, reply, watch } from './sluice/replies.js';

/** What a watched response comes back with. A transform that watches for several reasons has a tag for each. */
const MISSING = 1n;

// Each worker of the proxy has an instance of the whole module, and gives it the requests of many sessions.
let deny;
let missing;
let deniedTotal;

export const lifecycle = {
  describe() {
    return {
      name: '{{camel}}',
      version: '0.1.0',
      summary: 'Refuses some commands, and fills in for keys that are not there.',
    };
  },

  /** Called once, before anything else, with the transform's map in the topology. A string that is thrown is a sentence for the operator. */
  configure(config) {
    const settings = JSON.parse(config);
    for (const name of Object.keys(settings)) {
      if (name !== 'deny' && name !== 'missing') throw `unknown setting ${JSON.stringify(name)}: expected deny or missing`;
    }
    ({ deny = [], missing } = settings);
    if (!Array.isArray(deny) || !deny.every((command) => typeof command === 'string')) {
      throw `deny: found ${JSON.stringify(deny)}, expected a list of command names`;
    }
    if (missing !== undefined && typeof missing !== 'string') {
      throw `missing: found ${JSON.stringify(missing)}, expected text`;
    }
    deniedTotal = metrics.counter('denied_total', []);
    // Only what it has to do with crosses into the transform; everything else goes past it, and costs nothing.
    const commands = missing === undefined ? deny : [...deny, 'get'];
    return { commands, view: 'command', whole: [], keyPositions: false };
  },
};

export const requestsRows = {
  /** A verdict for every request that is not simply to be forwarded. */
  handle(batch) {
    return batch.map((request, index) => {
      if (request.command === 'get' && !deny.includes('get')) return watch(index, MISSING);
      log.write('info', `denied ${request.command}`);
      metrics.add(deniedTotal, 1n);
      return reply(index, error(`ERR '${request.command}' is denied here`));
    });
  },
};

export const responsesRows = {
  /** A change for every watched response that is not simply to be kept. */
  handle(batch) {
    const changes = [];
    batch.forEach((response, index) => {
      if (fromNodes(response.reply) === null) changes.push(change(index, missing));
    });
    return changes;
  },
};
