import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = (path: string) => `${root}lib/${path}index.ts`;

const oxc = { decorator: { legacy: true, emitDecoratorMetadata: true } };
const alias = [
  { find: /^nestjs-pg-mcp$/, replacement: source('') },
  { find: /^nestjs-pg-mcp\/(health|metrics)$/, replacement: source('nest/$1/') },
  { find: /^nestjs-pg-mcp\/(orm|testing)$/, replacement: source('$1/') },
];
/** Nest 11, and of each package what belongs to it: a workspace keeps them apart from those of Nest 12. */
const nest11 = { find: /^(?=@nestjs\/|@willsoto\/)/, replacement: `${root}test/nest-11/node_modules/` };

/** The specs with one version of Nest. */
function project(
  nest: string,
  specs: TestProjectInlineConfiguration['test'],
  more: typeof alias = [],
): TestProjectInlineConfiguration {
  return {
    root,
    oxc,
    resolve: { alias: [...alias, ...more] },
    test: {
      name: `nest-${nest}`,
      env: { NEST: nest },
      ...specs,
      setupFiles: ['test/support/setup.ts'],
      testTimeout: 20_000,
      hookTimeout: 60_000,
    },
  };
}

export default defineConfig({
  root,
  oxc,
  resolve: { alias },
  test: {
    // Most of the time they wait for servers, which two files at a time do well even on one core.
    maxWorkers: 2,
    // Of the whole run: each project that had it would start a cluster.
    globalSetup: ['test/support/global-setup.ts'],
    projects: [
      project('12', { include: ['test/**/*.spec.ts'] }),
      // What faults do to a request is the same in both.
      project('11', { include: ['test/nest/*.spec.ts'], exclude: ['test/nest/http.spec.ts'] }, [nest11]),
    ],
  },
});
