import type { PrimaryOptions } from '../../session/scope.js';
import type { TransactionOptions } from '../../session/transaction.js';
import { scopedMethod, withOwner } from './scoped-method.js';

export interface UseMasterOptions extends PrimaryOptions {
  /** Runs the method in a transaction; nested in another, in a savepoint. The method then returns a promise. */
  readonly transaction?: boolean | TransactionOptions;
  /** The name of the cluster; the default one unless given. */
  readonly cluster?: string;
}

/**
 * The method's statements go to the primary. On a class: every method without a decorator of its own, when
 * it is called from outside the object.
 */
export function UseMaster({
  cluster,
  transaction = false,
  ...options
}: UseMasterOptions = {}): MethodDecorator & ClassDecorator {
  const transactionOptions = typeof transaction === 'object' ? transaction : {};
  return scopedMethod('UseMaster', cluster, (of, by, work) =>
    of.useMaster(
      withOwner(options, by),
      transaction === false ? work : () => of.transaction(transactionOptions, work),
    ),
  );
}
