import { bulk } from './bulk.js';
import { reads } from './reads.js';
import type { Subject } from './subject.js';

/** By the name that `npm run bench --` takes, in the order they run. */
export const SUBJECTS: Readonly<Record<string, Subject>> = { reads, bulk };
