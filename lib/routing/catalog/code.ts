import type { CodeStatement, Reading } from '../statement/reading.js';
import { isHarmlessSetting } from './local-settings.js';
import { strictest, type Obstacle } from '../statement/statement-class.js';

/** What looks like a column may be a variable there; a row may go into one, of which fields are set then. */
export function asInBody(reading: Reading): Reading {
  const { mentions, localSetting } = reading;
  // It lasts as long as the statement that runs the body.
  if (localSetting !== undefined && isHarmlessSetting(localSetting)) return { ...reading, obstacles: [] };
  if (!mentions) return reading;
  const types = [...mentions.types, ...mentions.relations];
  return { ...reading, mentions: { ...mentions, types, readsTablesOnly: false } };
}

/** A name that nobody knows asks for a look at the catalog, whoever mentions it. */
export function inCode(reason: CodeStatement['reason'], obstacles: readonly Obstacle[]): readonly Obstacle[] {
  const found = strictest(obstacles);
  if (!found) return [];
  if (found.kind === 'primary' && found.reason === 'unknown-name') return [found];
  return [
    { kind: 'primary', reason, detail: found.detail, writes: found.kind === 'session' || found.writes },
  ];
}
