import { AcquireTimeoutError, ConnectionLostError } from 'nestjs-pg-mcp';
import { expect, it } from 'vitest';
import { whyAgain, whyOnPrimary, type FailedCall } from '../../lib/execution/run-again.js';

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

const serverError = (code: string, message = 'refused') => Object.assign(new Error(message), { code });

it.each([
  ['25006', 'cannot execute INSERT in a read-only transaction', 'refused-on-standby'],
  ['55000', 'recovery is in progress', 'refused-on-standby'],
  ['55000', 'Recovery is in progress', 'refused-on-standby'],
  ['0A000', 'cannot use serializable mode in a hot standby', 'refused-on-standby'],
  ['0A000', 'cannot access temporary or unlogged relations during recovery', 'refused-on-standby'],
  ['55000', 'sequence "s" is not yet defined in this session', undefined],
  ['0A000', 'not implemented', undefined],
  ['42501', 'permission denied for table users', 'replica-differs'],
  ['42P01', 'relation "users" does not exist', 'replica-differs'],
  ['42703', 'column "name" does not exist', 'replica-differs'],
  ['42883', 'function touch(text) does not exist', 'replica-differs'],
  ['42601', 'syntax error', undefined],
  ['22012', 'division by zero during recovery', undefined],
  ['40001', 'canceling statement due to conflict with recovery', undefined],
  ['57014', 'canceling statement due to user request', undefined],
] as const)('%s of a replica, %s: on the primary for %s', (code, message, reason) => {
  expect(whyOnPrimary(serverError(code, message))).toBe(reason);
});

it.each([
  ['a lost connection', lost],
  ['a full pool', timeout],
  ['what is no error', '42P01'],
  ['nothing', undefined],
])('%s is no reason for the primary', (_what, error) => {
  expect(whyOnPrimary(error)).toBeUndefined();
});
