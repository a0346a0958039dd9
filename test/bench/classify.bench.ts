import { bench, describe } from 'vitest';
import { Classifier } from '../../lib/routing/classifier.js';
import { smallCatalog } from '../routing/small-catalog.js';

// npx vitest bench --run --config config/vitest.config.ts test/bench/classify.bench.ts
const classifier = await Classifier.create();
classifier.use(smallCatalog());
const text = `SELECT u.id, lower(u.name) FROM users u WHERE u.id = $1 AND u.name <> $2 ORDER BY u.id`;
const texts = Array.from({ length: 1_000 }, (_, index) => `${text} LIMIT ${index}`);
let turn = 0;

describe('classify', () => {
  bench('one text, known', () => {
    classifier.classify(text);
  });
  bench('a thousand texts in turn, known', () => {
    classifier.classify(texts[turn++ % texts.length] ?? text);
  });
  bench('a new text', () => {
    classifier.classify(`${text} OFFSET ${turn++}`);
  });
});
