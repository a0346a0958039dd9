import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = (path: string) => `${root}lib/${path}index.ts`;

export default defineConfig({
  root,
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  resolve: {
    alias: [
      { find: /^nestjs-pg-mcp$/, replacement: source('') },
      { find: /^nestjs-pg-mcp\/(health|metrics)$/, replacement: source('nest/$1/') },
      { find: /^nestjs-pg-mcp\/(orm|testing)$/, replacement: source('$1/') },
    ],
  },
  test: {
    include: ['test/**/*.spec.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/setup.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
