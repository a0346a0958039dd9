import { expect, it } from 'vitest';
import { changeOfSettings } from '../../lib/pool/client-settings.js';

const SET = `SET work_mem = '5MB'`;
const OTHER = `SET work_mem = '6MB'`;

it.each`
  found        | wanted | status | texts                   | settings | within
  ${''}        | ${SET} | ${'I'} | ${[SET]}                | ${SET}   | ${false}
  ${SET}       | ${''}  | ${'I'} | ${['DISCARD ALL']}      | ${''}    | ${false}
  ${OTHER}     | ${SET} | ${'I'} | ${['DISCARD ALL', SET]} | ${SET}   | ${false}
  ${undefined} | ${SET} | ${'I'} | ${['DISCARD ALL', SET]} | ${SET}   | ${false}
  ${undefined} | ${''}  | ${'I'} | ${['DISCARD ALL']}      | ${''}    | ${false}
  ${SET}       | ${SET} | ${'I'} | ${[]}                   | ${SET}   | ${false}
  ${''}        | ${SET} | ${'T'} | ${[SET]}                | ${SET}   | ${true}
  ${OTHER}     | ${SET} | ${'T'} | ${[SET]}                | ${SET}   | ${true}
  ${undefined} | ${SET} | ${'T'} | ${[SET]}                | ${SET}   | ${true}
  ${SET}       | ${SET} | ${'T'} | ${[]}                   | ${SET}   | ${false}
  ${SET}       | ${''}  | ${'T'} | ${[]}                   | ${SET}   | ${false}
  ${''}        | ${SET} | ${'E'} | ${[]}                   | ${''}    | ${false}
`(
  'from $found to $wanted in status $status: $texts',
  ({ found, wanted, status, texts, settings, within }) => {
    expect(changeOfSettings(found, wanted, status)).toEqual({
      texts,
      settings,
      isWithinTransaction: within,
    });
  },
);
