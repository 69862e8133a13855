// Runs componentize-js: node componentize.mjs PACKAGES SOURCE WIT WORLD OUTPUT
//
// PACKAGES is the directory of the node_modules that hold it. Nothing but what the world names is imported by the component: no WASI.
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [packages, source, wit, worldName, output] = process.argv.slice(2);
const library = join(packages, 'node_modules/@bytecodealliance/componentize-js/src/componentize.js');
const { componentize } = await import(pathToFileURL(library));
const disableFeatures = ['random', 'stdio', 'clocks', 'http', 'fetch-event'];
try {
  const { component } = await componentize({
    sourcePath: resolve(source),
    witPath: resolve(wit),
    worldName,
    disableFeatures,
  });
  await writeFile(output, component);
} catch (error) {
  // What the engine said; where in the tools that became known is of no use to anybody.
  console.error(error.message);
  process.exitCode = 1;
}
