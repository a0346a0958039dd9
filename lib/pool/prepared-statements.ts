import type { QueryResult } from '../query.js';
import type { Columns } from './pg-columns.js';
import type { KnownText } from './known-texts.js';
import { remove } from './remove.js';

/** Prepared statements a connection keeps: the server holds a plan for each. */
const MOST = 768;

/** A text takes another one's place if it comes so many times as often: those that come alike would change places all the time. */
const CLEARLY = 2;

/** DISCARD ALL drops the prepared statements too; `pg` would go on believing in them. */
const DROPS_PREPARED = /^(DEALLOCATE|DISCARD)$/;

/** What of a connection of `pg` says which statements are prepared on it. */
export interface PreparingConnection {
  parsedStatements: Record<string, string>;
  submittedNamedStatements: Record<string, string>;
}

interface Named {
  readonly name: string;
  /** What is remembered of the text now: that may have begun anew. */
  known: KnownText;
}

/** The statements that were prepared on one connection, under names of ours. */
export class PreparedStatements {
  /**
   * It is one server's process that answers, which refuses to give other columns than when it prepared a statement. A
   * proxy may ask another one, where the same name was prepared later.
   */
  hasOneServer = false;
  readonly #connection: PreparingConnection;
  readonly #names = new Map<string, Named>();
  /** The same in a ring: in turn, each has to show that it is still in use. */
  readonly #ring: Named[] = [];
  #hand = 0;
  /** Of those that were prepared and asked. */
  readonly #columns = new Map<string, Columns>();
  readonly #close: (name: string) => void;
  #renewals = 0;

  /** @param close Sends Close (manual, section 54.7), ahead of what is sent next. */
  constructor(connection: PreparingConnection, close: (name: string) => void) {
    this.#connection = connection;
    this.#close = close;
  }

  /**
   * The name to send a text under; the one that has to make room for it is closed on the server. None where all others
   * are in more frequent use; and none while the server has not said that it has prepared it: what is sent behind would
   * only say that there is no such statement, should the first one fail.
   */
  nameOf(known: KnownText): string | undefined {
    const { text } = known;
    const found = this.#names.get(text);
    if (found !== undefined) {
      found.known = known;
      return this.#isOnItsWay(found.name) ? undefined : found.name;
    }
    const place = this.#placeFor(known);
    if (place === undefined) return undefined;
    const name = this.#renewals === 0 ? known.name : `${known.name}_${this.#renewals}`;
    const named = { name, known };
    this.#names.set(text, named);
    this.#ring[place] = named;
    return name;
  }

  /** One look with each call costs next to nothing, and finds what is out of use within as many calls as there are. */
  #placeFor({ interval, isFrequent }: KnownText): number | undefined {
    const place = this.#hand;
    const named = this.#ring[place];
    if (this.#ring.length < MOST || !named) return this.#ring.length;
    if (!isFrequent) return undefined;
    this.#hand = (place + 1) % MOST;
    if (named.known.presentInterval < CLEARLY * interval) return undefined;
    this.#drop(named);
    return place;
  }

  #isOnItsWay(name: string): boolean {
    return this.#connection.submittedNamedStatements[name] !== undefined;
  }

  /** It is on its way; `pg` notes how that ends. */
  sent(name: string, text: string): void {
    this.#connection.submittedNamedStatements[name] = text;
  }

  columnsOf(name: string): Columns | undefined {
    return this.#columns.get(name);
  }

  keepColumns(name: string, columns: Columns): void {
    if (this.hasOneServer) this.#columns.set(name, columns);
  }

  /** What `pg` has seen the server prepare under that name. */
  textOf(name: string): string | undefined {
    return this.#connection.parsedStatements[name];
  }

  /** The statement of that name is not what it was: the text is prepared anew, under another. */
  renew(text: string, name: string): void {
    // Of several that were under way, the first has seen to it.
    const named = this.#names.get(text);
    if (named?.name !== name) return;
    remove(this.#ring, named);
    this.#drop(named);
  }

  /** What `pg` sent under that name did not come to be prepared. */
  forget(name: string): void {
    delete this.#connection.parsedStatements[name];
    delete this.#connection.submittedNamedStatements[name];
  }

  /** The server has dropped them, or some of them. */
  forgetAll(): void {
    this.#names.clear();
    this.#ring.length = 0;
    this.#columns.clear();
    this.#renewals++;
    this.#connection.parsedStatements = {};
    this.#connection.submittedNamedStatements = {};
  }

  /** The name does not come again here: answers to what was sent under it may still be on their way. */
  #drop({ name, known }: Named): void {
    this.#renewals++;
    this.#names.delete(known.text);
    this.#columns.delete(name);
    this.#close(name);
    this.forget(name);
  }
}

/** Of several statements in one text there are several results. */
export function dropsPrepared(result: QueryResult | readonly QueryResult[]): boolean {
  if (!('command' in result)) return result.some(dropsPrepared);
  return DROPS_PREPARED.test(result.command);
}
