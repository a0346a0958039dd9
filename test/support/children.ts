import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Below `lib/`, since the library knows its own frames by the folder above the file it is in. */
const ENTRIES = {
  'lib/index': 'lib/index.ts',
  'lib/testing': 'lib/testing/index.ts',
  'lib/contender': 'test/failover/contender.ts',
};

/**
 * Compiles into `dist-test/` what processes of tests run: from the sources, each would take three seconds of CPU to
 * begin, and what was built before may be old.
 */
export async function compileForChildren(): Promise<void> {
  await build({
    configFile: false,
    root: ROOT,
    logLevel: 'error',
    build: {
      ssr: true,
      outDir: 'dist-test',
      // Another run may be at it.
      emptyOutDir: false,
      minify: false,
      rolldownOptions: { input: ENTRIES, output: { chunkFileNames: 'lib/[name].js' } },
    },
  });
}
