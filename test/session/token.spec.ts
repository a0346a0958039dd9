import { describe, expect, it, test } from 'vitest';
import { TokenSigner, type SessionToken } from '../../lib/session/token.js';

const signer = new TokenSigner('a secret');
const FULL: SessionToken = { systemId: '7000000000000000001', timeline: 12, lsn: 0x16_b374_d848n };

describe('a token', () => {
  test.each<[string, SessionToken]>([
    ['with everything', FULL],
    ['without a position', { ...FULL, lsn: undefined }],
    ['without a system', { ...FULL, systemId: '' }],
    ['with neither', { systemId: '', timeline: 1, lsn: undefined }],
    ['at the beginning of all', { ...FULL, timeline: 0, lsn: 0n }],
    ['at the end of all', { ...FULL, timeline: 0xffff_ffff, lsn: 0xffff_ffff_ffff_ffffn }],
  ])('%s says what was signed', (_, token) => {
    expect(signer.read(signer.sign(token))).toEqual(token);
  });

  it('fits into a header and a cookie as it is', () => {
    expect(signer.sign(FULL)).toMatch(/^v1\.7000000000000000001\.12\.16b374d848\.[\w-]{43}$/);
  });

  it('is the same for the same', () => {
    expect(new TokenSigner('a secret').sign(FULL)).toBe(signer.sign(FULL));
  });

  it.each([
    ['with a position', FULL],
    ['without one', { systemId: '', timeline: 1, lsn: undefined }],
  ])('is refused with any character changed, left out or added: %s', (_, token) => {
    const text = signer.sign(token);
    const taken: string[] = [];
    const attempt = (changed: string) => {
      if (changed !== text && signer.read(changed)) taken.push(changed);
    };
    for (let place = 0; place <= text.length; place++) {
      const [before, after] = [text.slice(0, place), text.slice(place + 1)];
      attempt(`${before}${after}`);
      for (const other of '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_. \n') {
        attempt(`${before}${other}${after}`);
        attempt(`${before}${other}${text.slice(place)}`);
      }
    }
    expect(taken).toEqual([]);
  });

  it('of another secret is refused', () => {
    expect(new TokenSigner('another secret').read(signer.sign(FULL))).toBeUndefined();
  });

  it('with the signature of another is refused', () => {
    const [one, other] = [signer.sign(FULL), signer.sign({ ...FULL, timeline: 13 })];
    expect(signer.read(one.replace(/[^.]+$/, other.split('.').at(-1) ?? ''))).toBeUndefined();
  });

  it.each([
    ['nothing', ''],
    ['a word', 'garbage'],
    ['dots', '....'],
    ['a form without a signature', 'v1.7.1.ff'],
    ['a form with an empty one', 'v1.7.1.ff.'],
    ['one of another version', signer.sign(FULL).replace('v1', 'v2')],
    ['two', `${signer.sign(FULL)},${signer.sign(FULL)}`],
    ['a quoted one', `"${signer.sign(FULL)}"`],
    ['more than ASCII', `v1.7.1.ff.${'é'.repeat(43)}`],
    ['a very long text', 'v1.'.repeat(1_000_000)],
    ['very long digits', `v1.${'7'.repeat(1_000_000)}.1.ff.${'A'.repeat(43)}`],
  ])('is not made of %s', (_, text) => {
    expect(signer.read(text)).toBeUndefined();
  });
});
