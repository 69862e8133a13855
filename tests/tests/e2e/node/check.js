// What both scripts share: comparing, a story's limit in time, and saying how it went.
'use strict';
const assert = require('node:assert/strict');

// Waits until `probe` gives something true, and returns it.
async function until(what, probe, limit = 10_000) {
  const began = Date.now();
  for (;;) {
    const found = await probe();
    if (found) return found;
    assert.ok(Date.now() - began < limit, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

// Runs the stories one after another, and prints "ok" or what went wrong.
async function tell(stories) {
  for (const [name, story] of Object.entries(stories)) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('it took too long')), 20_000);
    });
    try {
      await Promise.race([story(), late]);
    } catch (error) {
      console.error(`${name}: ${error.stack}`);
      process.exit(1);
    }
    clearTimeout(timer);
  }
  console.log('ok');
  process.exit(0);
}

module.exports = { assert, until, tell };
