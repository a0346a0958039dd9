import { dirname, resolve } from 'node:path';
import { ConfigError, type ConfigFault } from '../errors.js';
import { faultsOf } from './faults.js';
import { interpolate, type Surroundings } from './interpolate.js';
import { readJsonFile } from './json-file.js';
import { readLayer } from './layer.js';
import { joined, uncovered } from './merge.js';
import { nodeFromUrl } from './node-url.js';
import { FAILED, isRecord, withAbsolutePaths } from './path.js';
import { plainSecrets } from './plain-secrets.js';
import { resolveSettings } from './resolve.js';
import { clusterSchema, SHORTEST_SECRET } from './schema.js';
import { decryptionBy } from './secrets.js';
import type { ClusterSettings } from './settings.js';
import type { ClusterConfig, ClusterOptions } from './types.js';

/** The variable that holds `session.secret` where no setting does. */
const SESSION_SECRET = 'PG_MCP_SESSION_SECRET';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads, checks and completes a configuration.
 *
 * @param pathOrConfig the path of a JSON file (comments and trailing commas allowed), or its content as an object.
 * @param options settings that go over those of `pathOrConfig`; `masters` and `replicas` replace theirs.
 * @param environment where `${VAR}` looks.
 * @throws {ConfigError} with every fault at once, each with its path and what was expected.
 */
export function loadSettings(
  pathOrConfig: string | ClusterConfig,
  options: ClusterOptions = {},
  environment: Environment = process.env,
): ClusterSettings {
  const isPath = typeof pathOrConfig === 'string';
  const source = isPath ? pathOrConfig : 'the given options';
  const given = isPath ? readJsonFile(pathOrConfig) : { value: pathOrConfig };
  if ('faults' in given) throw new ConfigError(source, given.faults);

  if (!isRecord(given.value) || !isRecord(options)) {
    throw new ConfigError(source, [{ path: '', message: 'expected an object of settings' }]);
  }

  const below = readLayer(given.value);
  const above = readLayer(options);
  const folder = isPath ? dirname(resolve(pathOrConfig)) : process.cwd();
  const surroundings = { folder: process.cwd(), environment, decrypt: decryptionBy(environment) };
  const lower = fill(uncovered(below.value, above.value), { ...surroundings, folder });
  const upper = fill(above.value, surroundings);

  const inOptions = isPath ? ' (in the options)' : '';
  const report = (path: string, message: string): ConfigFault => {
    const written = above.spelled.get(path);
    if (written !== undefined) return { path: written, message: `${message}${inOptions}` };
    return { path: below.spelled.get(path) ?? path, message };
  };
  const filling = [...lower.faults, ...upper.faults];
  const result = clusterSchema.safeParse(joined(lower.value, upper.value), { reportInput: true });
  const faults = [
    ...below.faults,
    ...above.faults.map(({ path, message }) => ({ path, message: `${message}${inOptions}` })),
    ...filling.map(({ path, message }) => report(path, message)),
    ...faultsOf(result.error?.issues ?? [], {
      report,
      templates: new Map([...lower.templates, ...upper.templates]),
      failed: new Set([...below.failed, ...above.failed, ...filling.map(({ path }) => path)]),
    }),
  ];
  const secret = environment[SESSION_SECRET] === '' ? undefined : environment[SESSION_SECRET];
  if (secret !== undefined && secret.length < SHORTEST_SECRET)
    faults.push({ path: SESSION_SECRET, message: `expected at least ${SHORTEST_SECRET} characters` });
  if (!result.success || faults.length > 0) throw new ConfigError(source, faults);
  const settings = resolveSettings(source, result.data, secret);
  if (!isPath) return settings;
  const plain = plainSecrets(below.value).map((path) => below.spelled.get(path) ?? path);
  return { ...settings, plainSecrets: plain };
}

interface Filled {
  readonly value: Record<string, unknown>;
  readonly faults: readonly ConfigFault[];
  readonly templates: ReadonlyMap<string, string>;
}

/** Puts in what `${…}` stands for, takes the nodes' URLs apart, and leads paths from the folder. */
function fill(layer: Record<string, unknown>, surroundings: Surroundings): Filled {
  const { value, faults, templates } = interpolate(layer, surroundings);
  const filled = { value, faults: [...faults], templates: new Map(templates) };
  for (const list of ['masters', 'replicas']) {
    const nodes = filled.value[list];
    if (!Array.isArray(nodes)) continue;
    filled.value[list] = nodes.map((node: unknown, index) => {
      if (typeof node !== 'string') return node;
      const path = `${list}[${index}]`;
      filled.templates.set(path, node);
      const parsed = nodeFromUrl(node);
      if ('node' in parsed) return parsed.node;
      filled.faults.push(...parsed.problems.map((message) => ({ path, message })));
      return FAILED;
    });
  }
  return { ...filled, value: withAbsolutePaths(filled.value, surroundings.folder) };
}
