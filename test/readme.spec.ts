import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clusterJsonSchema } from 'nestjs-pg-mcp';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { OBSERVED_METRICS, SCRAPED_METRICS } from '../lib/nest/metrics/definitions.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');

describe('the snippets', () => {
  test('compile', { timeout: 60_000 }, () => {
    const snippets = snippetsOf(readme);
    expect(snippets.size).toBeGreaterThan(0);
    expect(faultsOf(snippets)).toEqual([]);
  });
});

describe('the tables', () => {
  test('have every setting with its default, and no other', () => {
    const schema = clusterJsonSchema() as Schema;
    // Those of TLS are in the table of the nodes.
    const settings = settingsOf(schema, '').filter(({ key }) => !/^(failover\.patroni\.)?ssl\./.test(key));
    expect(namesOf('Settings')).toEqual(new Set(settings.map(({ key }) => key)));
    for (const { key, fallback } of settings) {
      if (fallback !== undefined) expect(`${key} = ${cellsOf(key)[1]}`).toBe(`${key} = \`${fallback}\``);
    }
  });

  test.each(['masters', 'replicas'])('have every key of a node in %s with its default', (list) => {
    const node = (clusterJsonSchema() as Schema).properties?.[list]?.items?.anyOf?.at(-1) ?? {};
    const keys = settingsOf(node, '');
    expect(namesOf('Nodes')).toEqual(new Set([...keys.map(({ key }) => key), ...SSL_MODES]));
    for (const { key, fallback } of keys) {
      if (fallback !== undefined) expect(`${key} = ${cellsOf(key)[1]}`).toBe(`${key} = \`${fallback}\``);
    }
  });

  test('have every error code, and no other', () => {
    expect(namesOf('Errors')).toEqual(new Set(errorCodes()));
  });

  test('have every metric with its type and labels, and no other', () => {
    const metrics = [
      ...SCRAPED_METRICS,
      ...OBSERVED_METRICS.map((metric) => ({ ...metric, type: 'histogram' })),
    ];
    expect(new Set([...namesOf('Metrics')].filter((name) => name.startsWith('db_')))).toEqual(
      new Set(metrics.map(({ name }) => name)),
    );
    for (const { name, type, labelNames } of metrics) {
      const labels = labelNames.map((label) => `\`${label}\``).join(', ');
      expect(cellsOf(name).slice(0, 3)).toEqual([`\`${name}\``, type, labels]);
    }
  });
});

test.each(['README.md', 'ARCHITECTURE.md'])('%s names only files that are there', (document) => {
  const cited = [...read(document).matchAll(/`([\w./-]+\/[\w.-]+\.(?:ts|json))`/g)].map(
    ([, path = '']) => path,
  );
  const own = cited.filter((path) => !path.startsWith('nestjs-pg-mcp/'));
  const isThere = (path: string) => ['', 'lib'].some((folder) => existsSync(join(root, folder, path)));
  expect(own.filter((path) => !isThere(path))).toEqual([]);
});

/** The TypeScript blocks by file name: their own where the first line is a comment with one. */
function snippetsOf(markdown: string): Map<string, string> {
  const blocks = [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text = '']) => text);
  return new Map(
    blocks.map((text, i) => [/^\/\/ (\S+\.ts)\n/.exec(text)?.[1] ?? `snippet-${i + 1}.ts`, text]),
  );
}

/** What the compiler says of them, with the options of the repository. They exist in memory only. */
function faultsOf(snippets: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const texts = new Map([...snippets].map(([name, text]) => [join(root, name), text]));
  const host = ts.createCompilerHost(options);
  const real = { fileExists: host.fileExists.bind(host), readFile: host.readFile.bind(host) };
  host.fileExists = (path) => texts.has(path) || real.fileExists(path);
  host.readFile = (path) => texts.get(path) ?? real.readFile(path);
  const program = ts.createProgram([...texts.keys()], options, host);
  return [...texts.keys()].flatMap((path) => {
    const source = program.getSourceFile(path);
    if (!source) return [`${path} was not compiled`];
    return ts.getPreEmitDiagnostics(program, source).map((fault) => {
      const { line } = source.getLineAndCharacterOfPosition(fault.start ?? 0);
      return `${path.slice(root.length)}:${line + 1} ${ts.flattenDiagnosticMessageText(fault.messageText, ' ')}`;
    });
  });
}

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly default?: unknown;
}

/** Every key below, but for those of the nodes, which have a table of their own. */
function settingsOf(schema: Schema, parent: string): { key: string; fallback: string | undefined }[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const key = `${parent}${name}`;
    const { default: given } = inner;
    const fallback: string | undefined = typeof given === 'string' ? given : JSON.stringify(given);
    const below = [inner, ...(inner.anyOf ?? [])].flatMap((form) => settingsOf(form, `${key}.`));
    return [{ key, fallback }, ...below];
  });
}

/** Of a URL: they share the section with the keys of a node. */
const SSL_MODES = ['mode', 'disable', 'require', 'verify-ca', 'verify-full', 'no-verify'];

function errorCodes(): string[] {
  const source = ts.createSourceFile('errors.ts', read('lib/errors.ts'), ts.ScriptTarget.Latest);
  const alias = source.statements.find(
    (each) => ts.isTypeAliasDeclaration(each) && each.name.text === 'PgMcpErrorCode',
  );
  if (!alias || !ts.isTypeAliasDeclaration(alias) || !ts.isUnionTypeNode(alias.type)) return [];
  return alias.type.types.flatMap((type) =>
    ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal) ? [type.literal.text] : [],
  );
}

/** The first cells, in backquotes, of the tables in the section of that title. */
function namesOf(title: string): Set<string> {
  const sections = readme.split(/^#{2,3} /m);
  const section = sections.find((text) => text.startsWith(`${title}\n`)) ?? '';
  return new Set([...section.matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name));
}

/** The cells of the first row that begins with that name. */
function cellsOf(name: string): string[] {
  const row = readme.split('\n').find((line) => line.startsWith(`| \`${name}\``)) ?? '';
  return row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}
