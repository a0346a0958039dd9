import { EventEmitter } from 'node:events';
import type { Legacy } from '../session/client-calls.js';
import { LateClient, type Callback } from './late-client.js';

/** As a server reports it to who connects. */
const STANDARD_STRINGS = { parameterName: 'standard_conforming_strings', parameterValue: 'on' };

/**
 * A client that stands in an ORM's own pool, so nobody says when its user is done with it: what it is bound to goes back
 * by itself. A transaction has its connection from BEGIN to its end, and what was locked, created or set for the session
 * within it ends with it. Outside a transaction what only one server session can have (LISTEN, a temporary table, an
 * advisory lock) keeps one until `end()`.
 */
export class StandingClient extends LateClient {
  /** Of the socket, which it has none of its own: it tells what Sequelize would SET otherwise. */
  readonly connection = new EventEmitter();
  #keeps = false;

  override connect(callback?: Callback<this>): Promise<this> | undefined {
    if (this.calls.hasStandardStrings()) this.connection.emit('parameterStatus', STANDARD_STRINGS);
    return super.connect(callback);
  }

  protected bindsBy(left: Legacy): boolean {
    this.#keeps = left === 'session';
    return left === 'transaction' || left === 'session';
  }

  protected isDoneWith(): boolean {
    return !this.#keeps;
  }
}
