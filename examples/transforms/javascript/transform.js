/**
 * CardMask: masks the digits of card numbers in values that are written and read.
 *
 * Requests of the commands in `write` are rewritten; the responses to those in `read` are watched and changed.
 */

import * as log from 'sluice:transform/log@0.2.0';
import * as metrics from 'sluice:transform/metrics@0.2.0';
import { mapStrings, rewrite, watch } from './sluice/replies.js';

const DEFAULTS = {
  keep: 4,
  write: 'set setex psetex setnx getset append mset msetnx hset hsetnx hmset lpush rpush sadd'.split(' '),
  read: 'get mget getset getdel getex hget hmget hgetall lrange smembers'.split(' '),
};

/** The tag of the responses that are watched. */
const READ = 1n;

/** What `configure` sets up, once, before the first batch. */
let keep;
let write;
let read;
let written;
let shown;

export const lifecycle = {
  describe() {
    return {
      name: 'CardMask',
      version: '0.1.0',
      summary: 'Masks the digits of card numbers in values that are written and read.',
    };
  },

  configure(config) {
    const settings = checked(JSON.parse(config));
    keep = settings.keep;
    write = new Set(settings.write);
    read = new Set(settings.read);
    written = metrics.counter('card_numbers_masked_total', [['direction', 'written']]);
    shown = metrics.counter('card_numbers_masked_total', [['direction', 'read']]);
    log.write('info', `masking card numbers, keeping the last ${keep} digits`);
    return { commands: [...write.union(read)], view: 'all', whole: [], keyPositions: true };
  },
};

export const requestsRows = {
  handle(batch) {
    const verdicts = [];
    const mask = new Mask();
    batch.forEach((request, index) => {
      const tag = read.has(request.command) ? READ : undefined;
      const before = mask.count;
      let args = request.args;
      if (write.has(request.command)) {
        const keys = new Set(request.keys);
        args = args.map((arg, at) => (at === 0 || keys.has(at) ? arg : mask.apply(arg)));
      }
      if (mask.count > before) verdicts.push(rewrite(index, args, tag));
      else if (tag !== undefined) verdicts.push(watch(index, tag));
    });
    metrics.add(written, BigInt(mask.count));
    return verdicts;
  },
};

export const responsesRows = {
  handle(batch) {
    const changes = [];
    const mask = new Mask();
    batch.forEach((response, index) => {
      const reply = mapStrings(response.reply, (string) => mask.apply(string));
      if (reply !== undefined) changes.push({ index, reply });
    });
    metrics.add(shown, BigInt(mask.count));
    return changes;
  },
};

/** The settings of a configuration. What is thrown is the sentence that the operator sees. */
function checked(config) {
  for (const name of Object.keys(config)) {
    if (!Object.hasOwn(DEFAULTS, name)) throw `unknown setting ${JSON.stringify(name)}: expected keep, read or write`;
  }
  const settings = { ...DEFAULTS, ...config };
  if (!Number.isInteger(settings.keep) || settings.keep < 0 || settings.keep > 12) {
    throw `keep: found ${JSON.stringify(settings.keep)}, expected a whole number from 0 to 12`;
  }
  for (const name of ['write', 'read']) {
    const list = settings[name];
    if (!Array.isArray(list) || !list.every((command) => typeof command === 'string')) {
      throw `${name}: found ${JSON.stringify(list)}, expected a list of command names`;
    }
  }
  return settings;
}

/** The longest run of digits, with single separators between them. Takes time in proportion to its length, whatever a client sends. */
const RUN = /[0-9](?:[ -]?[0-9])*/g;

/** A character for each byte, whatever it is: a value need not be text. */
const LATIN = new TextDecoder('latin1');

/** Masks card numbers, and counts them. */
class Mask {
  count = 0;

  /** The bytes with the card numbers in them masked; the very same array where there are none. */
  apply(bytes) {
    let masked = bytes;
    for (const { 0: run, index } of LATIN.decode(bytes).matchAll(RUN)) {
      if (!isCardNumber(run)) continue;
      if (masked === bytes) masked = bytes.slice();
      let hide = run.replace(/[ -]/g, '').length - keep;
      for (let at = 0; hide > 0; at++) {
        if (run[at] === ' ' || run[at] === '-') continue;
        masked[index + at] = 0x2a; // '*'
        hide -= 1;
      }
      this.count += 1;
    }
    return masked;
  }
}

/** Whether it has 13 to 19 digits, of which the last is the check digit of the others: every second one counts twice, from the right. */
function isCardNumber(run) {
  if (run.length < 13) return false;
  const digits = [...run.replace(/[ -]/g, '')].reverse().map(Number);
  if (digits.length < 13 || digits.length > 19) return false;
  const sum = digits.reduce((sum, digit, at) => sum + (at % 2 === 0 ? digit : digit * 2 - (digit > 4 ? 9 : 0)), 0);
  return sum % 10 === 0;
}
