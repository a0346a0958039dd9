import { basename } from 'node:path';
import { type Node, type ParseError, getNodeValue, parseTree, printParseErrorCode } from 'jsonc-parser';
import type { ConfigFault } from '../errors.js';
import { readText } from './text-file.js';

export type JsonFile = { readonly value: unknown } | { readonly faults: readonly ConfigFault[] };

/** Reads JSON with comments and trailing commas. A syntax fault's path is `file:line:column`. */
export function readJsonFile(path: string): JsonFile {
  const read = readText(path, process.cwd());
  if ('problem' in read) return { faults: [{ path: '', message: read.problem }] };
  const text = read.value.replace(/^\uFEFF/, '');

  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
  const problems = errors.map(({ error, offset }) => ({
    offset,
    message: words(printParseErrorCode(error)),
  }));
  if (tree !== undefined) problems.push(...repeatedKeys(tree));
  if (tree !== undefined && problems.length === 0) return { value: getNodeValue(tree) };
  const faults = problems.map(({ offset, message }) => ({
    path: `${basename(path)}:${position(text, offset)}`,
    message,
  }));
  return { faults };
}

/** JSON takes the last of two equal keys in silence, and the first may be the one that was meant. */
function repeatedKeys(node: Node): { offset: number; message: string }[] {
  const seen = new Set<unknown>();
  return (node.children ?? []).flatMap((child) => {
    const key = child.type === 'property' ? child.children?.[0] : undefined;
    const again = key !== undefined && seen.has(key.value);
    if (key !== undefined) seen.add(key.value);
    const own = again
      ? [{ offset: key.offset, message: `the key ${JSON.stringify(key.value)} is given twice` }]
      : [];
    return [...own, ...repeatedKeys(child)];
  });
}

/** `CloseBraceExpected` as `close brace expected`. */
function words(code: string): string {
  return code.replace(/(?!^)([A-Z])/g, ' $1').toLowerCase();
}

function position(text: string, offset: number): string {
  const lines = text.slice(0, offset).split('\n');
  return `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
}
