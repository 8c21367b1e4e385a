// `node bench/webgpu/exits.ts [starts [adapter]]`: see process-starts.ts. Prints one JSON line; exits with 1 if a process
// did not end as it should.

import { measureProcessStarts } from "./process-starts.ts";

const [starts = "100", adapter] = process.argv.slice(2);
const found = await measureProcessStarts(adapter, Number(starts));
console.log(JSON.stringify(found));
process.exitCode = found.failures.length === 0 ? 0 : 1;
