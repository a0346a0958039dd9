import type { Target } from '../ways/way.js';
import type { Figures, Slice } from './figures.js';

/** From the parent to the process of a way, one at a time. */
export type Order =
  | { readonly kind: 'open'; readonly way: string; readonly targets: readonly Target[] }
  /** On the target of that index. */
  | { readonly kind: 'slice'; readonly slice: Slice; readonly at: number }
  | { readonly kind: 'close' };

export type Answer =
  | { readonly kind: 'done' }
  | { readonly kind: 'figures'; readonly figures: Figures }
  | { readonly kind: 'failed'; readonly error: string };
