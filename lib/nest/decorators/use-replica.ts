import { checkReplicaOptions } from '../../execution/demands.js';
import type { ReplicaOptions } from '../../session/scope.js';
import { scopedMethod, withOwner } from './scoped-method.js';

export interface UseReplicaOptions extends ReplicaOptions {
  /** The name of the cluster; the default one unless given. */
  readonly cluster?: string;
}

/**
 * The method's statements read from one replica; from the primary, held to reading, when none can serve. A
 * write is refused with `WRITE_ON_REPLICA`. On a class: every method without a decorator of its own,
 * when it is called from outside the object.
 */
export function UseReplica({ cluster, ...options }: UseReplicaOptions = {}): MethodDecorator &
  ClassDecorator {
  checkReplicaOptions(options);
  return scopedMethod('UseReplica', cluster, (of, by, work) => of.useReplica(withOwner(options, by), work));
}
