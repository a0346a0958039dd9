import { describe, expect, it } from 'vitest';
import { readPort } from '../../sample-app/port.js';

describe('PORT', () => {
  it.each([
    [undefined, 3000],
    ['', 3000],
    ['0', 0],
    ['8080', 8080],
    ['65535', 65_535],
  ])('%j is %d', (value, port) => {
    expect(readPort(value)).toBe(port);
  });

  it.each(['http', '-1', '65536', '1.5', '0x50', ' 80', '80 ', '1e3', '9'.repeat(400)])(
    'refuses %j',
    (value) => {
      expect(() => readPort(value)).toThrow(
        `PORT is ${JSON.stringify(value)}: expected a number from 0 to 65535`,
      );
    },
  );
});
