import { READ } from '../harness/schema.js';
import type { Target } from './way.js';

/** So many texts that differ and do the same. */
export function textsOf({ texts = 1 }: Target): readonly string[] {
  return Array.from({ length: texts }, (_, index) => (index === 0 ? READ : `${READ} AND id <> ${-index}`));
}
