#!/usr/bin/env node
/**
 * What the name `arte` stands for: the built command line, or a word on how to build it. Plain JavaScript, because npm links it before
 * anything is built, and never looks again.
 */
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const built = join(__dirname, '..', 'dist', 'cli', 'main.js');
if (existsSync(built)) require(built);
else {
  process.stderr.write('error  arte is not built yet.\nnext   npm run build\n');
  process.exitCode = 2;
}
