import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../clock.js';
import type { Driver } from '../pool/driver.js';

/**
 * The same clock and driver, in an asynchronous context of their own. A timer or connection that a request happened
 * to set off would go on in that request's context for good: it would keep alive what is stored there, and
 * probes would show in its trace.
 */
export function detached(clock: Clock, driver: Driver): { readonly clock: Clock; readonly driver: Driver } {
  const own = new AsyncResource('nestjs-pg-mcp');
  return {
    clock: {
      now: () => clock.now(),
      setTimer: (...args) => own.runInAsyncScope(() => clock.setTimer(...args)),
    },
    driver: { connect: (...args) => own.runInAsyncScope(() => driver.connect(...args)) },
  };
}
