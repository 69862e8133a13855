/**
 * Verdicts and replies in JavaScript's own values.
 *
 * The contract carries a reply as a flat list of nodes. This module makes such lists of values, reads them back, and builds
 * the verdicts and changes that a transform returns:
 *
 *     return [reply(0, null), rewrite(1, ['SET', key, value]), watch(2, 1n)];
 *
 * | a reply's         | is read as                                  | is made of                                    |
 * | ----------------- | ------------------------------------------- | --------------------------------------------- |
 * | bulk string       | `Uint8Array` (`text()` makes a string)      | `Uint8Array`, string (UTF-8)                  |
 * | integer           | number; bigint where a number is not exact  | whole number that is exact, bigint            |
 * | null, null array  | `null`, `NULL_ARRAY`                        | `null` or `undefined`, `NULL_ARRAY`           |
 * | boolean           | boolean                                     | boolean                                       |
 * | double            | number                                      | any other number, `double(5)`                 |
 * | array             | `Array`                                     | `Array`                                       |
 * | map               | `Map`                                       | `Map`, plain object                           |
 * | set               | `Set`                                       | `Set`                                         |
 * | push              | `Array`                                     | nothing; `mapStrings` keeps it one            |
 * | all other strings | `Node`                                      | `simple()`, `error()`, `verbatim()`, `Node`   |
 *
 * A plain object of `tag` and `val` whose tag is a string's, a number's or the null's is a node of the contract, as `response.reply` has
 * them, and stands for itself as a `Node` does. One whose tag is an aggregate's is refused: its elements are not in it.
 *
 * Keys of maps and members of sets that are strings in UTF-8 are read as strings, so that they can be found.
 */

/**
 * @typedef {Uint8Array | string} Text Bytes; a string stands for its UTF-8.
 * @typedef {{ tag: string, val?: any }} RawNode A node of the contract: `{ tag: 'bulk', val: bytes }`.
 * @typedef {{ index: number, action: { tag: string, val?: any }, watch?: bigint }} Verdict
 * @typedef {{ index: number, reply: RawNode[] }} Change
 */

// === Verdicts: what becomes of the request at a position of the batch

/**
 * It goes on with these arguments, the command's name first.
 * @param {number} index
 * @param {Text[]} args
 * @param {bigint | number} [tag] Its response is watched, with this tag.
 * @returns {Verdict}
 */
export function rewrite(index, args, tag) {
  return { index, action: { tag: 'rewrite', val: args.map(bytes) }, watch: tagged(tag) };
}

/**
 * It goes no further: this is its reply.
 * @param {number} index
 * @param {any} value See the table above.
 * @returns {Verdict}
 */
export function reply(index, value) {
  return { index, action: { tag: 'reply', val: toNodes(value) }, watch: undefined };
}

/**
 * It goes on unchanged, and its response comes to `responsesRows.handle` with this tag.
 * @param {number} index
 * @param {bigint | number} tag 0 to 2n ** 64n - 1n.
 * @returns {Verdict}
 */
export function watch(index, tag) {
  return { index, action: { tag: 'forward' }, watch: tagged(tag) };
}

/**
 * These requests go on in its place; their replies come back as one array.
 * @param {number} index
 * @param {Text[][]} requests
 * @param {bigint | number} [tag] The array is watched, with this tag.
 * @returns {Verdict}
 */
export function fanOut(index, requests, tag) {
  return { index, action: { tag: 'fan-out', val: requests.map((args) => args.map(bytes)) }, watch: tagged(tag) };
}

/**
 * Its session is closed, after one last reply where a value is given.
 * @param {number} index
 * @param {[any?]} last
 * @returns {Verdict}
 */
export function close(index, ...last) {
  return { index, action: { tag: 'close', val: last.length > 0 ? toNodes(last[0]) : [] }, watch: undefined };
}

/**
 * This takes the place of the response at a position of the batch.
 * (Where you have nodes, as from `mapStrings`, a change is just `{ index, reply: nodes }`.)
 * @param {number} index
 * @param {any} value See the table above.
 * @returns {Change}
 */
export function change(index, value) {
  return { index, reply: toNodes(value) };
}

// === Values that JavaScript has no type for

/** A part of a reply by its kind in the contract; stands for itself wherever a value is expected. */
export class Node {
  /**
   * @param {string} tag
   * @param {any} [val]
   */
  constructor(tag, val) {
    this.tag = tag;
    this.val = val;
  }

  /** The text of a string, for messages. */
  toString() {
    const val = this.tag === 'verbatim' ? this.val[1] : this.val;
    return isBytes(val) ? text(val) : String(val);
  }
}

/** The null array of RESP2, as EXEC and the blocking commands give it. */
export const NULL_ARRAY = new Node('null-array');

/** A simple string such as `OK`. Line breaks, which it cannot have, become spaces. @param {Text} text */
export const simple = (text) => new Node('simple', line(text));

/** An error; it begins with its code: `ERR no such thing`. Line breaks, which it cannot have, become spaces. @param {Text} text */
export const error = (text) => new Node('error', line(text));

/** What most commands answer. */
export const ok = () => simple('OK');

/** RESP3: a double, also where it has no fraction. @param {number} number */
export const double = (number) => new Node('double', number);

/** RESP3: a text and its format, `txt` or `mkd`. @param {Text} text */
export const verbatim = (text, format = 'txt') => new Node('verbatim', [format, bytes(text)]);

// === Bytes and text

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder('utf-8', { ignoreBOM: true });
const STRICT = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** The UTF-8 of a string; bytes stay what they are. @param {Text} value @returns {Uint8Array} */
export function bytes(value) {
  if (typeof value === 'string') return ENCODER.encode(value);
  if (isBytes(value)) return value;
  throw new TypeError(`expected bytes or a string, found ${shown(value)}`);
}

/**
 * Whether a value is bytes. (`instanceof Uint8Array` says no to those that the host gives: they are made outside of the transform's
 * own global object, and so by a `Uint8Array` that is not its own.)
 * @param {any} value
 * @returns {value is Uint8Array}
 */
export function isBytes(value) {
  return ArrayBuffer.isView(value) && value.BYTES_PER_ELEMENT === 1;
}

/** Bytes as a string; what is not UTF-8 becomes U+FFFD. @param {Uint8Array} value @returns {string} */
export function text(value) {
  return DECODER.decode(value);
}

// === Between values and nodes

/**
 * The nodes of a value; see the table above.
 * @param {any} value
 * @returns {RawNode[]}
 */
export function toNodes(value) {
  const nodes = [];
  const rest = [value]; // What is still to be written, the next one last: nesting has no bound.
  while (rest.length > 0) {
    const next = rest.pop();
    if (next instanceof Node) nodes.push(next);
    else if (next === null || next === undefined) nodes.push({ tag: 'null' });
    else if (typeof next === 'boolean') nodes.push({ tag: 'boolean', val: next });
    else if (typeof next === 'bigint') nodes.push(integer(next));
    else if (Number.isSafeInteger(next)) nodes.push({ tag: 'integer', val: BigInt(next) });
    else if (typeof next === 'number') nodes.push({ tag: 'double', val: next });
    else if (Array.isArray(next)) open('array', next);
    else if (next instanceof Set) open('set', [...next]);
    else if (next instanceof Map) openMap([...next]);
    else if (isPlain(next) && isRawNode(next)) nodes.push(next);
    else if (isPlain(next)) openMap(Object.entries(next));
    else nodes.push({ tag: 'bulk', val: bytes(next) });
  }
  return nodes;

  function open(tag, elements) {
    nodes.push({ tag, val: elements.length });
    for (let at = elements.length - 1; at >= 0; at--) rest.push(elements[at]);
  }

  function openMap(entries) {
    nodes.push({ tag: 'map', val: entries.length });
    for (let at = entries.length - 1; at >= 0; at--) rest.push(entries[at][1], entries[at][0]);
  }
}

/**
 * The value of a whole reply; see the table above. Attributes are left out. Of equal keys the last one wins: where every byte and
 * every kind counts, look at the nodes.
 * @param {RawNode[]} nodes
 * @returns {any}
 */
export function fromNodes(nodes) {
  // From the last node to the first: the elements of an aggregate are then the last values that were made.
  const values = [];
  for (let at = nodes.length - 1; at >= 0; at--) {
    const { tag, val } = nodes[at];
    if (tag === 'array' || tag === 'push') values.push(take(val));
    else if (tag === 'set') values.push(new Set(take(val).map(findable)));
    else if (tag === 'map') values.push(new Map(pairs(take(2 * val))));
    else if (tag === 'attribute') take(2 * val);
    else if (tag === 'null') values.push(null);
    else if (tag === 'null-array') values.push(NULL_ARRAY);
    else if (tag === 'integer') values.push(Number.isSafeInteger(Number(val)) ? Number(val) : val);
    else if (tag === 'bulk' || tag === 'boolean' || tag === 'double') values.push(val);
    else values.push(new Node(tag, val));
  }
  return values[0];

  function take(count) {
    return values.splice(values.length - count, count).reverse();
  }
}

/**
 * The nodes with `change(bytes)` in place of every bulk, simple and verbatim string, at any depth, keys of maps too. All else stays
 * as it is, kinds included. `undefined` if `change` gave every string back as it was, so that the response can be kept:
 *
 *     const nodes = mapStrings(response.reply, upperCase);
 *     if (nodes) changes.push({ index, reply: nodes });
 * @param {RawNode[]} nodes
 * @param {(string: Uint8Array) => Uint8Array} change
 * @returns {RawNode[] | undefined}
 */
export function mapStrings(nodes, change) {
  let changed;
  nodes.forEach(({ tag, val }, at) => {
    if (tag !== 'bulk' && tag !== 'simple' && tag !== 'verbatim') return;
    const before = tag === 'verbatim' ? val[1] : val;
    const after = change(before);
    if (after === before) return;
    changed ??= [...nodes];
    changed[at] = { tag, val: tag === 'verbatim' ? [val[0], after] : after };
  });
  return changed;
}

function integer(number) {
  if (BigInt.asIntN(64, number) === number) return { tag: 'integer', val: number };
  return { tag: 'big-number', val: bytes(number.toString()) };
}

function line(value) {
  return bytes(value).map((byte) => (byte === 0x0d || byte === 0x0a ? 0x20 : byte));
}

function tagged(tag) {
  return tag === undefined ? undefined : BigInt(tag);
}

function pairs(elements) {
  const pairs = [];
  for (let at = 0; at < elements.length; at += 2) pairs.push([findable(elements[at]), elements[at + 1]]);
  return pairs;
}

/** A string where the value is one in UTF-8: as a key of a `Map`, bytes could not be found again. */
function findable(value) {
  const string = value?.tag === 'simple' ? value.val : value;
  if (!isBytes(string)) return value;
  try {
    return STRICT.decode(string);
  } catch {
    return value;
  }
}

/** The kinds of nodes, and whether such a node is a whole reply. */
const KINDS = new Map([
  ...['null', 'null-array', 'simple', 'error', 'integer', 'bulk', 'boolean', 'double'].map((tag) => [tag, true]),
  ...['big-number', 'verbatim', 'bulk-error'].map((tag) => [tag, true]),
  ...['array', 'map', 'set', 'push', 'attribute'].map((tag) => [tag, false]),
]);

/** Whether a plain object is a node as the host gives it, rather than an object that is to become a map. */
function isRawNode(value) {
  if (!Object.keys(value).every((key) => key === 'tag' || key === 'val')) return false;
  const whole = KINDS.get(value.tag);
  if (whole === false) {
    const instead = 'use fromNodes(nodes) for the value of all of them, or { index, reply: nodes } to hand them on';
    throw new TypeError(`expected a value, found a node of the kind ${value.tag}, which has no elements of its own: ${instead}`);
  }
  return whole === true;
}

/** Whether an object has no class. (Those that the host gives have another global object's `Object.prototype`: see `isBytes`.) */
function isPlain(value) {
  const prototype = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined;
  return prototype === null || (prototype !== undefined && Object.getPrototypeOf(prototype) === null);
}

function shown(value) {
  return typeof value === 'object' ? `an object (${value?.constructor?.name})` : `${typeof value} ${String(value)}`;
}
