import type { AlikeTexts } from '../../query.js';
import { placesIn } from './shape.js';
import type { StatementClass } from './statement-class.js';

/** As many as are likely to come in turns. */
const MOST = 16;
/** So often another number must come before it is taken for a rule. */
const MANY = 8;
/** What is `int4` without a cast (manual, section 4.1.2.6), whatever its digits are. */
const NUMBER = /^\d{1,9}$/;
/** There an expression stands for a column by being the same as another one, as which a parameter does not count. */
const GROUPS_BY_SETS = /\b(?:grouping|rollup|cube)\b/i;

type Read = Extract<StatementClass, { kind: 'read' }>;

/**
 * Queries that are alike but for one whole number, which they compare with or count by. They are of one class; and with
 * a parameter in its place, of the type the number has, they mean the same, so they can be prepared as one.
 */
class Family implements AlikeTexts {
  /** With the parameter. */
  readonly text: string;
  readonly #head: string;
  readonly #tail: string;
  readonly #single: Read;
  readonly #member: Read;
  #last: string | undefined;
  #changes = 0;
  /** Asked for several times in a row: for the class, and to be sent. */
  #lastText = '';
  #lastNumber: string | undefined;

  constructor(head: string, tail: string, found: Read) {
    // A word of the grammar, which no schema gives another meaning.
    this.text = `${head}$1::integer${tail}`;
    this.#head = head;
    this.#tail = tail;
    this.#single = found;
    this.#member = { ...found, family: this };
  }

  /** The number in a text of the family. */
  numberIn(text: string): string | undefined {
    if (text !== this.#lastText) {
      this.#lastText = text;
      this.#lastNumber = this.#look(text);
    }
    return this.#lastNumber;
  }

  #look(text: string): string | undefined {
    if (!text.startsWith(this.#head) || !text.endsWith(this.#tail)) return undefined;
    const number = text.slice(this.#head.length, text.length - this.#tail.length);
    return NUMBER.test(number) ? number : undefined;
  }

  /** The class of a text of the family. One that always comes with the same number is no member yet. */
  classOf(text: string): Read | undefined {
    const number = this.numberIn(text);
    if (number === undefined) return undefined;
    if (number !== this.#last) {
      this.#last = number;
      this.#changes++;
    }
    return this.#changes > MANY ? this.#member : this.#single;
  }

  /** With a parameter the server does not take it. */
  giveUp(): void {
    this.#changes = -Infinity;
  }
}

/** The families that came of late. */
export class Families {
  #known: Family[] = [];
  #next = 0;
  #last: Family | undefined;

  /** The class of a text of the family that came last. */
  ofLast(text: string): Read | undefined {
    return this.#last?.classOf(text);
  }

  classOf(text: string): Read | undefined {
    for (const family of this.#known) {
      const found = family.classOf(text);
      if (!found) continue;
      this.#last = family;
      return found;
    }
    return undefined;
  }

  /** What a text begins, if it has such a number. */
  note(text: string, found: StatementClass): void {
    if (found.kind !== 'read' || found.isQuery !== true || text.includes('$')) return;
    if (GROUPS_BY_SETS.test(text)) return;
    const place = placesIn(text).find(({ start, end }) => NUMBER.test(text.slice(start, end)));
    if (!place) return;
    this.#known[this.#next] = new Family(text.slice(0, place.start), text.slice(place.end), found);
    this.#next = (this.#next + 1) % MOST;
  }

  clear(): void {
    this.#known = [];
    this.#next = 0;
    this.#last = undefined;
  }
}
