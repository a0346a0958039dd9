import { SET_BY_ROLE } from '../statement/reading.js';
import type { Obstacle } from '../statement/statement-class.js';

/** Where names are looked for, which is followed for functions that set it for themselves. */
export const SEARCH_PATH = 'search_path';

/** Settings by which what a text says can mean something else. */
const CHANGES_MEANING: readonly string[] = [
  SEARCH_PATH,
  'role',
  'session_authorization',
  'standard_conforming_strings',
  'plpgsql.variable_conflict',
];

/** Settings of a transaction that a standby refuses to change: who catches the error there goes another way. */
const REFUSED_ON_STANDBY: readonly string[] = [
  'transaction_read_only',
  'transaction_isolation',
  'transaction_deferrable',
];

/** Whether a setting leaves it as it is what the text says that it is set for, and on which node that runs. */
export function isHarmlessSetting(setting: string): boolean {
  const name = setting.toLowerCase();
  return !CHANGES_MEANING.includes(name) && !REFUSED_ON_STANDBY.includes(name);
}

/** Whether a text may set something until the end of its transaction; in doubt it may. */
export function maySetLocally(text: string): boolean {
  return /set_config|\blocal\b/i.test(text);
}

/** Of a setting that ends with the statement's own transaction, by its name where the text tells it. */
export function judgeLocalSetting(setting: string | undefined): Obstacle | undefined {
  if (setting !== undefined && isHarmlessSetting(setting)) return undefined;
  const detail = `set_config() of ${setting ?? 'what only the server knows'}`;
  return { kind: 'primary', reason: 'session-state', detail, writes: true };
}

/** Of what `current_setting` is asked for, by its name where the text tells it. */
export function judgeSettingRead(setting: string | undefined): Obstacle | undefined {
  if (setting !== undefined && !SET_BY_ROLE.includes(setting.toLowerCase())) return undefined;
  const detail = `current_setting() of ${setting ?? 'what only the server knows'}`;
  return { kind: 'primary', reason: 'node-state', detail, writes: false };
}
