import type { Statement } from '../query.js';
import type { KnownText } from './known-texts.js';

/** As the common text of those that are alike, with its number as a value. */
export function inCommon(statement: Statement, { text, alike }: KnownText): Statement | undefined {
  const isWhole = statement.name === undefined && (statement.values?.length ?? 0) === 0;
  if (!alike || !isWhole) return undefined;
  const number = alike.numberIn(statement.text);
  return number === undefined ? undefined : { ...statement, text, values: [number] };
}
