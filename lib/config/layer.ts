import { z } from 'zod';
import type { ConfigFault } from '../errors.js';
import { foldKeywords } from './keywords.js';
import { nearestKey, toCamel, toSnake } from './keys.js';
import { FAILED, type Path, formatPath, isRecord } from './path.js';
import { clusterSchema } from './schema.js';

/** One source of settings, the file or the options, with every key in the spelling of the file. */
export interface Layer {
  readonly value: Record<string, unknown>;
  /** How each path was written. */
  readonly spelled: ReadonlyMap<string, string>;
  readonly faults: readonly ConfigFault[];
  /** Paths whose value probably stands under a misspelled key. */
  readonly failed: readonly string[];
}

/** Spells every key as the file does; unknown keys and keys given twice become faults. */
export function readLayer(raw: Record<string, unknown>): Layer {
  const reader = new KeyReader();
  const value = reader.record(raw, clusterSchema.shape, [], []);
  const { spelled, faults, failed } = reader;
  return { value, spelled, faults: [...faults, ...foldKeywords(value, spelled)], failed };
}

type Shape = Readonly<Record<string, z.ZodType>>;

class KeyReader {
  readonly spelled = new Map<string, string>();
  readonly faults: ConfigFault[] = [];
  readonly failed: string[] = [];

  record(raw: Record<string, unknown>, shape: Shape, path: Path, written: Path): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    const guesses: string[] = [];
    for (const [key, item] of Object.entries(raw)) {
      if (item === undefined) continue;
      const fault = (message: string) => this.faults.push({ path: formatPath([...written, key]), message });
      const [known, schema] = find(shape, key) ?? [];
      if (known === undefined || schema === undefined) {
        const nearest = nearestKey(key, Object.keys(shape));
        if (nearest !== undefined) guesses.push(toSnake(nearest));
        fault(unknown(key, nearest, shape));
      } else if (known in result) {
        fault(`given twice, as "${known}" and as "${toCamel(known)}"; keep one`);
      } else {
        result[known] = this.value(item, schema, [...path, known], [...written, key]);
      }
    }
    for (const guess of guesses.filter((name) => !(name in result))) {
      result[guess] = FAILED;
      this.failed.push(formatPath([...path, guess]));
    }
    return result;
  }

  private value(raw: unknown, schema: z.ZodType, path: Path, written: Path): unknown {
    this.spelled.set(formatPath(path), formatPath(written));
    const inner = contents(schema);
    if (inner instanceof z.ZodArray && Array.isArray(raw)) {
      const element = inner.element as z.ZodType;
      return raw.map((item, index) => this.value(item, element, [...path, index], [...written, index]));
    }
    return inner instanceof z.ZodObject && isRecord(raw) ? this.record(raw, inner.shape, path, written) : raw;
  }
}

function find(shape: Shape, key: string): [string, z.ZodType] | undefined {
  return Object.entries(shape).find(([name]) => name === key || toCamel(name) === key);
}

/** The list or object behind `optional`, `prefault` and the other forms of a union. */
function contents(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault) {
    return contents(schema.unwrap() as z.ZodType);
  }
  if (!(schema instanceof z.ZodUnion)) return schema;
  return (schema.options as z.ZodType[]).find((option) => option instanceof z.ZodObject) ?? schema;
}

function unknown(key: string, nearest: string | undefined, shape: Shape): string {
  const hint =
    nearest === undefined
      ? ` (known here: ${Object.keys(shape).join(', ')})`
      : `, did you mean "${nearest}"?`;
  return `unknown key "${key}"${hint}`;
}
