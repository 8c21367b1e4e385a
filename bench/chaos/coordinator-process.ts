// A coordinator that can be killed: argv[2] has its job as JSON; it prints how the run ended.

import { coordinate, type CoordinatorJob } from "./coordinator.ts";

console.log(JSON.stringify(await coordinate(JSON.parse(process.argv[2]!) as CoordinatorJob)));
