import { AcquireTimeoutError, ConnectionLostError } from 'nestjs-pg-mcp';
import { expect, it } from 'vitest';
import { whyAgain, type FailedCall } from '../../lib/execution/run-again.js';

const READ: FailedCall = { isRead: true, role: 'replica', attempt: 1 };
const WRITE: FailedCall = { isRead: false, role: 'primary', attempt: 1 };
const lost = new ConnectionLostError('n', 'unknown');
const notSent = new ConnectionLostError('n', 'not-sent');
const conflict = Object.assign(new Error('conflict'), { code: '40001' });
const cancelled = Object.assign(new Error('cancelled'), { code: '57014' });
const timeout = new AcquireTimeoutError('n', 5, { total: 1, active: 1, idle: 0, pending: 1, max: 1 });

it.each([
  ['a read that lost its connection', lost, READ, 'connection-lost'],
  ['one that lost it again', lost, { ...READ, attempt: 2 }, undefined],
  ['a write that lost it', lost, WRITE, undefined],
  ['a write that was not sent', notSent, WRITE, 'not-sent'],
  ['one that was not sent three times', notSent, { ...WRITE, attempt: 3 }, 'not-sent'],
  ['one that was not sent four times', notSent, { ...WRITE, attempt: 4 }, undefined],
  ['a conflict with recovery', conflict, READ, 'recovery-conflict'],
  ['the same code of the primary', conflict, { ...READ, role: 'primary' }, undefined],
  ['a conflict of a write', conflict, WRITE, undefined],
  ['a statement that was cancelled', cancelled, READ, undefined],
  ['a full pool', timeout, READ, undefined],
  ['what is no error', 'a text', READ, undefined],
] as const)('%s', (_what, error, call, reason) => {
  expect(whyAgain(error, call)).toBe(reason);
});
