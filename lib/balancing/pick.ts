import type { Balance } from '../config/settings.js';

/** A node that could serve, and how busy it is. */
export interface Candidate {
  readonly node: string;
  /** Its share of the reads relative to the others; 0 takes reads only when nobody else can. */
  readonly weight: number;
  /** Statements under way on it from this process. */
  readonly inFlight: number;
}

export interface Chance {
  /** Evenly from 0 to 1, 1 excluded. */
  random(): number;
  /** Counts up: whose turn it is. Asked only where turns decide, so that no other choice takes one. */
  nextTurn(): number;
}

/** Chooses the node that serves. Pure but for `chance`. */
export function pick(
  candidates: readonly Candidate[],
  balance: Balance,
  chance: Chance,
): Candidate | undefined {
  const weighty = candidates.filter((candidate) => candidate.weight > 0);
  const eligible = weighty.length > 0 ? weighty : candidates;
  if (eligible.length <= 1) return eligible[0];
  switch (balance) {
    case 'round-robin':
      return eligible[chance.nextTurn() % eligible.length];
    case 'random':
      return anyOf(eligible, chance);
    case 'weighted':
      return weighty.length > 0 ? byWeight(weighty, chance.random()) : anyOf(eligible, chance);
    case 'least-loaded':
      return lessLoadedOfTwo(eligible, chance);
  }
}

function anyOf(candidates: readonly Candidate[], chance: Chance): Candidate | undefined {
  return candidates[Math.floor(chance.random() * candidates.length)];
}

function byWeight(candidates: readonly Candidate[], random: number): Candidate | undefined {
  const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
  let point = random * total;
  return candidates.find(({ weight }) => (point -= weight) < 0) ?? candidates.at(-1);
}

/** Two at random, then the less busy: nearly as good as the least busy of all, and no herd runs to one node. */
function lessLoadedOfTwo(candidates: readonly Candidate[], chance: Chance): Candidate | undefined {
  const first = Math.floor(chance.random() * candidates.length);
  const second = (first + 1 + Math.floor(chance.random() * (candidates.length - 1))) % candidates.length;
  const [a, b] = [candidates[first], candidates[second]];
  if (!a || !b) return a ?? b;
  return load(b) < load(a) ? b : a;
}

function load({ inFlight, weight }: Candidate): number {
  return (inFlight + 1) / (weight || 1);
}
