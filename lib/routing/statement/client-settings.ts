import { asText, parseStatements, tagOf, type Node } from './syntax.js';

/** `RESET ALL` and `DISCARD ALL`, by the name under which it is known. */
export const ALL_SETTINGS = '*';

/** Not taken back by a reset of the settings alone, or part of a transaction. */
const OTHERS: readonly string[] = ['role', 'session_authorization', 'session characteristics', 'transaction'];

/**
 * The names of the settings that a text changes for the session, if that is all it does. In the order of the text, so
 * that what changes the same ones stands in for an earlier text.
 */
export function settingsIn(text: string): string | undefined {
  const names = parseStatements(text).map(settingOf);
  return names.includes(undefined) ? undefined : names.join();
}

function settingOf(statement: Node): string | undefined {
  const { tag, fields } = tagOf(statement);
  if (fields['target'] === 'DISCARD_ALL') return ALL_SETTINGS;
  if (tag !== 'VariableSetStmt' || fields['is_local'] === true) return undefined;
  if (fields['kind'] === 'VAR_RESET_ALL') return ALL_SETTINGS;
  const name = asText(fields['name'])?.toLowerCase() ?? '';
  return OTHERS.some((other) => name.startsWith(other)) ? undefined : name;
}
