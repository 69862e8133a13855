/** Checks of replies.js, in the very engine that transforms run in: `configure` makes them, and refuses with what failed. */

import * as log from 'sluice:transform/log@0.2.0';
import * as replies from './sluice/replies.js';

export const lifecycle = {
  describe() {
    return { name: 'Checks', version: '0.1.0', summary: 'Checks the helpers.' };
  },

  configure() {
    for (const [name, check] of Object.entries(checks)) {
      try {
        check();
      } catch (error) {
        throw `${name}: ${error}`;
      }
    }
    log.write('info', `${Object.keys(checks).length} checks`);
    return { commands: ['get'], view: 'command', whole: [], keyPositions: false };
  },
};

/** Nodes of the host's own making, not of this file's: `[first, first]` in place of a reply. */
export const requestsRows = { handle: (batch) => batch.map((_, index) => replies.watch(index, 1n)) };
export const responsesRows = {
  handle: (batch) => batch.map(({ reply: [first] }, index) => replies.change(index, [first, first])),
};

/** Everything about a value that can be compared, as text. */
function shown(value) {
  const more = (key, entry) => {
    if (typeof entry === 'bigint') return `${entry}n`;
    if (entry instanceof Map) return { map: [...entry] };
    if (entry instanceof Set) return { set: [...entry] };
    return replies.isBytes(entry) ? `bytes ${[...entry]}` : entry;
  };
  return JSON.stringify(value, more);
}

function same(found, expected) {
  if (shown(found) !== shown(expected)) throw `found ${shown(found)}, expected ${shown(expected)}`;
}

const thereAndBack = (value) => replies.fromNodes(replies.toNodes(value));

const checks = {
  valuesComeBackAsWhatTheyWere() {
    const values = [1, null, true, 1.5, 2n ** 62n, [[]], new Set(['x']), new Map([['k', [1]]]), replies.NULL_ARRAY];
    same(thereAndBack(values), values);
    same(thereAndBack('a'), replies.bytes('a'));
    same(`${thereAndBack(replies.verbatim('x'))}`, 'x');
  },

  whatJavaScriptHasMoreOfBecomesTheNearest() {
    same(replies.toNodes(2n ** 63n), [{ tag: 'big-number', val: replies.bytes('9223372036854775808') }]);
    same(replies.toNodes(-(2n ** 63n)), [{ tag: 'integer', val: -(2n ** 63n) }]);
    same(thereAndBack({ a: 1 }), new Map([['a', 1]]));
    same(thereAndBack(undefined), null);
  },

  whatNoReplyCanBeMadeOfIsSaid() {
    for (const value of [Symbol('x'), () => 1, new Date(0)]) {
      let refused = false;
      try {
        replies.toNodes([value]);
      } catch (error) {
        refused = error instanceof TypeError;
      }
      same(refused, true);
    }
  },

  aNodeOfTheHostsIsNoMap() {
    const node = { tag: 'bulk', val: replies.bytes('x') };
    same(replies.toNodes(node), [node]);
    same(replies.toNodes([{ tag: 'null' }, node]), [{ tag: 'array', val: 2 }, { tag: 'null' }, node]);
    same(thereAndBack({ tag: 'latest', val: 1 }), new Map([['tag', replies.bytes('latest')], ['val', 1]]));
    let said = '';
    try {
      replies.toNodes({ tag: 'array', val: 2 });
    } catch (error) {
      said = `${error}`;
    }
    same(said.includes('fromNodes(nodes)'), true);
  },

  lineBreaksCannotBreakAReply() {
    same(`${thereAndBack(replies.error('ERR a\r\nb'))}`, 'ERR a  b');
  },

  nestingHasNoBound() {
    let value = 1;
    for (let level = 0; level < 100_000; level++) value = [value];
    let back = thereAndBack(value);
    let depth = 0;
    for (; Array.isArray(back); depth++) back = back[0];
    same(depth, 100_000);
  },

  attributesAreLeftOut() {
    const attribute = [{ tag: 'attribute', val: 1 }, { tag: 'bulk', val: replies.bytes('ttl') }, { tag: 'integer', val: 5n }];
    const nodes = [...attribute, { tag: 'array', val: 2 }, { tag: 'double', val: 2.5 }, ...attribute, { tag: 'null' }];
    same(replies.fromNodes(nodes), [2.5, null]);
  },

  stringsAreMappedAndKeepTheirKinds() {
    const bulk = { tag: 'bulk', val: replies.bytes('x') };
    same(replies.mapStrings([bulk], (text) => text), undefined);
    const nodes = [{ tag: 'push', val: 2 }, { tag: 'verbatim', val: ['txt', bulk.val] }, { tag: 'integer', val: 1n }];
    const mapped = [{ tag: 'push', val: 2 }, { tag: 'verbatim', val: ['txt', replies.bytes('y')] }, { tag: 'integer', val: 1n }];
    same(replies.mapStrings(nodes, () => replies.bytes('y')), mapped);
  },
};
