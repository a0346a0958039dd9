import { z } from 'zod';
import { toCamel } from './keys.js';
import { masterNode, replicaNode } from './node-schema.js';
import { isRecord } from './path.js';
import { clusterSchema } from './schema.js';

type JsonSchema = Record<string, unknown>;

const NODE_URL = {
  type: 'string',
  pattern: '^postgres(ql)?://|\\$\\{',
  description: 'postgres://user:password@host:port/database?sslmode=verify-full',
};

/**
 * The JSON Schema of the configuration file, made from the definition that `loadSettings` checks
 * against. Editors offer the keys in snake_case; those in camelCase are accepted too.
 */
export function clusterJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(clusterSchema, {
    target: 'draft-07',
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema !== masterNode && zodSchema !== replicaNode) return;
      const object = { ...jsonSchema };
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
      jsonSchema.anyOf = [NODE_URL as z.core.JSONSchema.BaseSchema, object];
    },
  });
  return {
    ...(withCamelCase(schema) as JsonSchema),
    title: 'A PostgreSQL cluster for nestjs-pg-mcp',
  };
}

/** As patterns, which editors check but don't offer: the offered list stays the file's own. */
function withCamelCase(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withCamelCase);
  if (!isRecord(schema)) return schema;
  const result: JsonSchema = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, withCamelCase(value)]),
  );
  const properties = result['properties'];
  if (!isRecord(properties)) return result;
  const camel = Object.entries(properties).flatMap(([key, value]): [string, unknown][] =>
    toCamel(key) === key ? [] : [[`^${toCamel(key)}$`, value]],
  );
  return camel.length === 0 ? result : { ...result, patternProperties: Object.fromEntries(camel) };
}
