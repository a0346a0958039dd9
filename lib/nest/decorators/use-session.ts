import { scopedMethod } from './scoped-method.js';

/** @typeParam Args The arguments of the method. */
export interface UseSessionOptions<Args extends readonly unknown[] = readonly never[]> {
  /** Finds the token of `session.token()` in the method's arguments: in a job's payload, or a message's. */
  readonly token?: (...args: Args) => string | undefined;
  /** The name of the cluster; the default one unless given. */
  readonly cluster?: string;
}

/**
 * The method is a job with a session of its own, or goes on in the session that is open where it is called. Its
 * reads see what it writes, and what the token tells of. For what Nest runs without interceptors: scheduled jobs,
 * queue processors. On a class: every method.
 */
export function UseSession<Args extends readonly unknown[]>({
  cluster,
  token,
}: UseSessionOptions<Args> = {}): MethodDecorator & ClassDecorator {
  return scopedMethod(
    'UseSession',
    cluster,
    (of, _by, work, args) => of.session.join(token?.(...(args as Args)), work),
    { routes: false },
  );
}
