import type { Columns } from './pg-columns.js';
import type { KnownText } from './known-texts.js';

/** Prepared statements a connection keeps: the server holds a plan for each. */
const MOST = 512;

/** What of a connection of `pg` says which statements are prepared on it. */
export interface PreparingConnection {
  parsedStatements: Record<string, string>;
  submittedNamedStatements: Record<string, string>;
}

interface Named {
  readonly name: string;
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
  /** By text, those used least recently first. */
  readonly #names = new Map<string, Named>();
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
      // Far from the limit it does not matter who is the oldest.
      if (this.#names.size > MOST / 2) this.#moveToEnd(text, found);
      found.known = known;
      return this.#isOnItsWay(found.name) ? undefined : found.name;
    }
    if (this.#names.size >= MOST && !this.#makeRoomFor(known)) return undefined;
    const name = this.#renewals === 0 ? known.name : `${known.name}_${this.#renewals}`;
    this.#names.set(text, { name, known });
    return name;
  }

  /**
   * Only for one that comes more often than the oldest of them has come of late, on whatever connection: those that come
   * in turn, more than there is room for, would otherwise push each other out before they come again.
   */
  #makeRoomFor({ interval }: KnownText): boolean {
    const [oldest] = this.#names;
    if (!oldest) return true;
    const [text, named] = oldest;
    if (named.known.age < interval) {
      this.#moveToEnd(text, named);
      return false;
    }
    this.#drop(text, named.name);
    return true;
  }

  #moveToEnd(text: string, named: Named): void {
    this.#names.delete(text);
    this.#names.set(text, named);
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
    if (this.#names.get(text)?.name === name) this.#drop(text, name);
  }

  /** What `pg` sent under that name did not come to be prepared. */
  forget(name: string): void {
    delete this.#connection.parsedStatements[name];
    delete this.#connection.submittedNamedStatements[name];
  }

  /** The server has dropped them, or some of them. */
  forgetAll(): void {
    this.#names.clear();
    this.#columns.clear();
    this.#renewals++;
    this.#connection.parsedStatements = {};
    this.#connection.submittedNamedStatements = {};
  }

  /** The name does not come again here: answers to what was sent under it may still be on their way. */
  #drop(text: string, name: string): void {
    this.#renewals++;
    this.#names.delete(text);
    this.#columns.delete(name);
    this.#close(name);
    this.forget(name);
  }
}
