// A process of its own that contends for the promotion.
import { contend } from '../../dist-test/lib/contender.js';

await contend(JSON.parse(process.argv[2]));
