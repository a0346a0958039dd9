import { balancing } from './balancing.js';
import { bulk } from './bulk.js';
import { growth } from './growth.js';
import { head } from './head.js';
import { leaks } from './leaks.js';
import { orm } from './orm.js';
import { reads } from './reads.js';
import type { Subject } from './subject.js';
import { writes } from './writes.js';

/** What takes long and is measured by its name only: all the others come in under ten minutes. */
export const ON_REQUEST: ReadonlySet<string> = new Set(['orm']);

/** By the name that `npm run bench --` takes, in the order they run. */
export const SUBJECTS: Readonly<Record<string, Subject>> = {
  reads,
  writes,
  head,
  balancing,
  growth,
  bulk,
  orm,
  leaks,
};
