import { expect, it } from 'vitest';
import { ShadowCount } from '../../lib/execution/shadow-report.js';
import type { StatementClass } from '../../lib/routing/statement/statement-class.js';

const READ: StatementClass = { kind: 'read', changesCatalog: false };
const WRITE: StatementClass = {
  kind: 'primary',
  reason: 'write',
  detail: 'INSERT',
  writes: true,
  changesCatalog: false,
};
const UNKNOWN: StatementClass = { ...WRITE, reason: 'unknown-name', detail: 'lower()' };

it('is empty where nothing was seen', () => {
  expect(new ShadowCount().report).toEqual({ replica: 0, primary: 0, texts: [] });
});

it('tells the texts, the most frequent first, with what keeps them on the primary', () => {
  const shadow = new ShadowCount();
  shadow.saw('INSERT', WRITE);
  for (let i = 0; i < 3; i++) shadow.saw('SELECT 1', READ);
  for (let i = 0; i < 2; i++) shadow.saw('SELECT lower($1)', UNKNOWN);
  expect(shadow.report).toEqual({
    replica: 3,
    primary: 3,
    texts: [
      { text: 'SELECT 1', target: 'replica', reason: 'read', count: 3 },
      { text: 'SELECT lower($1)', target: 'primary', reason: 'unknown-name', detail: 'lower()', count: 2 },
      { text: 'INSERT', target: 'primary', reason: 'write', detail: 'INSERT', count: 1 },
    ],
  });
});

it('judges a text by what was found last, and counts each call by what was found then', () => {
  const shadow = new ShadowCount();
  shadow.saw('SELECT lower($1)', UNKNOWN);
  shadow.saw('SELECT lower($1)', READ);
  expect(shadow.report).toEqual({
    replica: 1,
    primary: 1,
    texts: [{ text: 'SELECT lower($1)', target: 'replica', reason: 'read', count: 2 }],
  });
});

it('counts calls beyond a thousand texts without their texts', () => {
  const shadow = new ShadowCount();
  for (let i = 0; i < 1_200; i++) shadow.saw(`SELECT ${i}`, READ);
  shadow.saw('SELECT 7', READ);
  const { replica, texts } = shadow.report;
  expect([replica, texts.length]).toEqual([1_201, 1_000]);
  expect(texts[0]).toMatchObject({ text: 'SELECT 7', count: 2 });
});

it('is fit for JSON, and a copy', () => {
  const shadow = new ShadowCount();
  shadow.saw('SELECT 1', READ);
  const { report } = shadow;
  shadow.saw('SELECT 1', READ);
  expect(report.texts[0]?.count).toBe(1);
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
});
