import { seeded } from '../../support/seeded.js';
import type { Figures } from './figures.js';

/** For each level, though nearly all at the last. A client is compiled as it runs, which takes thousands of calls. */
const WARM_UPS = 2;
const LONGEST_REASON = 300;

/** Whatever can be measured in turns with others. */
export interface Contestant {
  readonly name: string;
  readonly label: string;
  /** It takes part in each round whose number this divides. */
  readonly every: number;
  /** @param round Negative while warming up. */
  measure(level: number, round: number): Promise<Figures>;
}

export interface Sample {
  readonly name: string;
  readonly level: number;
  readonly round: number;
  readonly figures: Figures;
}

export interface Outcome {
  /** Those that were measured, in the order they were given. */
  readonly contestants: readonly Pick<Contestant, 'name' | 'label'>[];
  readonly samples: readonly Sample[];
  /** Why a way has no figures, or none from some round on: by label. */
  readonly failures: Readonly<Record<string, string>>;
}

export interface Contest {
  readonly contestants: readonly Contestant[];
  /** The one with the most calls last. */
  readonly levels: readonly number[];
  readonly rounds: number;
  /** Rounds before them that do not count; two for each level unless given. */
  readonly warmUps?: number;
  /** @param round Negative while warming up. */
  onRound?(round: number): void;
}

/**
 * Measures each in each round at each level, in a new order every time, so that a machine that is busy for a
 * while is busy for all of them. Before that all warm up at the last level, where most calls are made, and once at each.
 */
export async function hold({
  contestants,
  levels,
  rounds,
  warmUps = WARM_UPS * levels.length,
  onRound,
}: Contest): Promise<Outcome> {
  const random = seeded(rounds);
  const samples: Sample[] = [];
  const failures: Record<string, string> = {};
  for (let round = -warmUps; round < rounds; round++) {
    onRound?.(round);
    for (const level of round < -1 ? levels.slice(-1) : levels) {
      const those = contestants.filter(({ every }) => round < 0 || round % every === 0);
      for (const { name, label, measure } of shuffled(those, random)) {
        if (label in failures) continue;
        try {
          const figures = await measure(level, round);
          if (round >= 0) samples.push({ name, level, round, figures });
        } catch (error) {
          // Of a way that fails once, the figures would be of something else.
          failures[label] = inOneLine(error);
        }
      }
    }
  }
  return { contestants, samples: samples.filter(({ name }) => !hasFailed(name)), failures };

  function hasFailed(name: string): boolean {
    return contestants.some((each) => each.name === name && each.label in failures);
  }
}

/** A line below a table. */
function inOneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, ' ').slice(0, LONGEST_REASON);
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((one, other) => one.key - other.key).map(({ item }) => item);
}
