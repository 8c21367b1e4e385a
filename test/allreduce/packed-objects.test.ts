// The contract of collectives over objects that hold all frames of a rank, as where requests have a price.

import { openStorage } from "../../src/storage/open.ts";
import { collectiveContract } from "../contract/collective.ts";
import { implementation, reduceSpecs } from "./implementation.ts";

for (const spec of reduceSpecs) {
  collectiveContract(implementation(spec, { packed: true }), "memory", (name) =>
    openStorage(`memory:packed-${spec}-${name}`),
  );
}
