#!/usr/bin/env node
import { CommanderError } from 'commander';
import { codeOf } from '../errors.js';
import { complaint, EXIT, exitCodeOf } from './outcome.js';
import { createProgram } from './program.js';

// Whoever reads may stop at any time, as `head` does.
process.stdout.on('error', (error) => {
  if (codeOf(error) !== 'EPIPE') throw error;
});

try {
  const program = createProgram(({ code, text }) => {
    process.exitCode = code;
    process.stdout.write(text);
  });
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // It has told why itself.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.unusable;
  } else {
    process.exitCode = exitCodeOf(error);
    process.stderr.write(complaint(error));
  }
}
