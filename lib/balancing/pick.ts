import type { Balance } from '../config/settings.js';

/** A node that could serve, and how well. */
export interface Candidate {
  readonly node: string;
  /** Its share of the reads relative to the others; 0 takes reads only when nobody else can. */
  readonly weight: number;
  /** Calls under way on it from this process, those included that wait for a connection. */
  readonly inFlight: number;
  /** How long it took for its last answers; undefined while it has given none. */
  readonly latencyMs: number | undefined;
  /** What of that is still held against it: the less, the longer it was not called. */
  readonly heldMs: number | undefined;
  /** From 0 to 1: how much of its share it may take while it starts slowly. */
  readonly warmth: number;
  /** In the zone that is preferred. */
  readonly isNear: boolean;
  /** A packet for it was not sent yet, and takes this call along. */
  readonly isGathering: boolean;
}

export interface Chance {
  /** Evenly from 0 to 1, 1 excluded. */
  random(): number;
  /** Counts up: whose turn it is. Asked only where turns decide, so that no other choice takes one. */
  nextTurn(): number;
}

/** Differences below it are noise of the event loop: the nodes of one rack must look equal. */
const NOISE_MS = 2;
/** Up to this ratio two nodes count as equally fast: the one with fewer calls under way is the better then. */
const EQUALLY_FAST = 2;

/** Chooses the node that serves. Pure but for `chance`. */
export function pick<C extends Candidate>(
  candidates: readonly C[],
  balance: Balance,
  chance: Chance,
): C | undefined {
  const eligible = eligibleOf(candidates, chance);
  if (eligible.length <= 1) return eligible[0];
  switch (balance) {
    case 'round-robin':
      return eligible[chance.nextTurn() % eligible.length];
    case 'random':
      return eligible[Math.floor(chance.random() * eligible.length)];
    case 'weighted':
      return draw(eligible, chance.random());
    case 'least-loaded':
      return gatheringOrLessLoaded(eligible, chance);
  }
}

/**
 * Each rule narrows the choice only where somebody is left. One that starts slowly sits out as many choices as it
 * lacks warmth; before zones, so that it is spared too where it is the only one that is near.
 */
function eligibleOf<C extends Candidate>(candidates: readonly C[], chance: Chance): readonly C[] {
  const weighty = narrow(candidates, ({ weight }) => weight > 0);
  const warm = narrow(weighty, ({ warmth }) => warmth >= 1 || chance.random() < warmth);
  return narrow(warm, ({ isNear }) => isNear);
}

function narrow<C>(candidates: readonly C[], suits: (candidate: C) => boolean): readonly C[] {
  const suiting = candidates.filter(suits);
  return suiting.length > 0 ? suiting : candidates;
}

/** One by weight, at the given point from 0 to 1 of all weights. */
function draw<C extends Candidate>(candidates: readonly C[], point: number, without?: C): C | undefined {
  let total = 0;
  for (const candidate of candidates) if (candidate !== without) total += weightOf(candidate);
  let left = point * total;
  let last: C | undefined;
  for (const candidate of candidates) {
    if (candidate === without) continue;
    last = candidate;
    left -= weightOf(candidate);
    if (left < 0) break;
  }
  return last;
}

/** Where all have weight 0 they are equal. */
function weightOf({ weight }: Candidate): number {
  return weight || 1;
}

/**
 * Calls of one turn of the event loop go together, for the first of which the node was chosen: a packet costs more
 * than a call in it. Not to a node that is much slower: one call is to find out whether it still is.
 */
function gatheringOrLessLoaded<C extends Candidate>(candidates: readonly C[], chance: Chance): C | undefined {
  const gathering = candidates.find(({ isGathering }) => isGathering);
  if (gathering && candidates.every((other) => slowness(gathering, other) === 1)) return gathering;
  return lessLoadedOfTwo(candidates, chance);
}

/** Two at random, then the less busy: nearly as good as the least busy of all, and no herd runs to one node. */
function lessLoadedOfTwo<C extends Candidate>(candidates: readonly C[], chance: Chance): C | undefined {
  const first = draw(candidates, chance.random());
  const second = draw(candidates, chance.random(), first);
  if (!first || !second) return first;
  return loadOf(second, first) < loadOf(first, second) ? second : first;
}

/** Calls under way by weight; idle ones tie, so that the draw gives each its share. */
function loadOf(one: Candidate, other: Candidate): number {
  const scale = Math.max(weightOf(one), weightOf(other)) / (weightOf(one) * one.warmth);
  return (one.inFlight * scale + 1) * slowness(one, other);
}

/**
 * How much busier than a slower node one may be before the slower is the better choice: the cube of how much
 * slower that is. Its first power would keep calls on a node ten times as slow as soon as ten run on the other,
 * though what they wait for there is already in the other's latency. What was forgotten of one makes it no worse
 * than the other, but no better either: it may have stopped answering.
 */
function slowness(one: Candidate, { latencyMs }: Candidate): number {
  const tookMs = one.latencyMs;
  if (tookMs === undefined || latencyMs === undefined) return 1;
  const howMuch = (ms: number) => (ms + NOISE_MS) / (latencyMs + NOISE_MS);
  // What is held is at most what it took; to work out how much costs more than the rest of the choice.
  if (howMuch(tookMs) < EQUALLY_FAST) return 1;
  const ratio = howMuch(one.heldMs ?? 0);
  return ratio < EQUALLY_FAST ? 1 : ratio ** 3;
}
