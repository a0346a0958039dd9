import { describe, expect, it } from 'vitest';
import { TextCache } from '../lib/text-cache.js';

describe('a cache by text', () => {
  it('holds no more entries than allowed, and keeps those in use', () => {
    const cache = new TextCache<number>({ entries: 10, bytes: 1_000_000 });
    for (let index = 0; index < 100; index++) {
      cache.set(`text ${index}`, index);
      expect(cache.get('text 0')).toBe(0);
      expect(cache.size).toBeLessThanOrEqual(10);
    }
    expect(cache.get('text 99')).toBe(99);
    expect(cache.get('text 50')).toBeUndefined();
  });

  it('holds no more bytes than allowed, and nothing that would fill it alone', () => {
    const cache = new TextCache<number>({ entries: 1_000, bytes: 10_000 });
    for (let index = 0; index < 50; index++) cache.set(`${index}`.padStart(400, ' '), index);
    expect(cache.size).toBeLessThanOrEqual(10_000 / 800);
    cache.set('x'.repeat(10_000), 1);
    expect(cache.get('x'.repeat(10_000))).toBeUndefined();
    expect(cache.get('49'.padStart(400, ' '))).toBe(49);
  });

  it('forgets all at once', () => {
    const cache = new TextCache<number>({ entries: 10, bytes: 1_000 });
    cache.set('a', 1);
    cache.clear();
    expect(cache.get('a')).toBeUndefined();
    expect(cache.size).toBe(0);
  });
});
