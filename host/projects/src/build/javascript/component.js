/**
 * The component's module: the transform, whose console and uncaught errors become lines of the host's log.
 *
 * `sluice plugin build` has the component made of this module, with the transform's file in it, and with what its world imports and
 * exports before and after it.
 */

import * as transform from '../TRANSFORM';

/** Lines of a stack that are shown, the innermost ones. */
const DEPTH = 20;

const LEVELS = { error: 'error', warn: 'warn', log: 'info', info: 'info', debug: 'debug', trace: 'trace' };

if (write !== undefined) {
  for (const [method, level] of Object.entries(LEVELS)) {
    console[method] = (...values) => {
      for (const line of values.map(shown).join(' ').split('\n')) write(level, line);
    };
  }
}

// Without WASI the engine would go on with the time, and with the randomness, of the moment when the component was built.
const none = (what, instead) => () => {
  throw new Error(`there is no ${what} here: import sluice:transform/${instead} in world.wit, grant it, and use that`);
};
Math.random = none('Math.random()', 'random');
crypto.getRandomValues = none('crypto.getRandomValues()', 'random');
crypto.randomUUID = none('crypto.randomUUID()', 'random');
performance.now = none('performance.now()', 'clock');
globalThis.Date = class extends Date {
  static now = none('Date.now()', 'clock');
  constructor(...moment) {
    if (moment.length === 0) none('new Date()', 'clock')();
    super(...moment);
  }
};

/** A value as a line shows it. */
function shown(value) {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Error) return `${value}${stack(value)}`;
  const plain = (_, part) => {
    if (typeof part === 'bigint') return `${part}n`;
    if (ArrayBuffer.isView(part)) return new TextDecoder().decode(part);
    if (part instanceof Map || part instanceof Set) return [...part];
    return part;
  };
  try {
    return JSON.stringify(value, plain) ?? String(value);
  } catch {
    return String(value);
  }
}

function stack(error) {
  const calls = (error.stack ?? '').split('\n').filter((call) => call !== '');
  return calls.slice(0, DEPTH).map((call) => `\n  ${call}`).join('');
}

/** The functions of an interface that the world exports; an error that one of them does not catch is logged on its way out. */
function logged(name, functions) {
  const object = transform[name];
  if (typeof object !== 'object') {
    throw new Error(`TRANSFORM does not export \`${name}\`, which world.wit exports: expected an object with ${functions}`);
  }
  const called = (key) => {
    if (typeof object[key] !== 'function') throw new Error(`\`${name}\` in TRANSFORM has no function \`${key}\``);
    return (...parameters) => {
      try {
        return object[key](...parameters);
      } catch (error) {
        if (error instanceof Error) console.error(error);
        throw error;
      }
    };
  };
  return Object.fromEntries(functions.map((key) => [key, called(key)]));
}
