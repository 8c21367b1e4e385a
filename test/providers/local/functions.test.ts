// Lambda's promises to functions, kept by the local service.

import { functionTests } from "./function-tests.ts";

functionTests("sltrain's runtime", undefined);
