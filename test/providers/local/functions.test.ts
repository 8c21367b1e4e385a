// Lambda's promises to functions, kept by the local service, under each runtime.

import { test } from "node:test";
import { awsLambdaRic } from "../../../tools/aws-lambda-ric.ts";
import { functionTests } from "./function-tests.ts";

functionTests("sltrain's runtime", undefined);

const ric = awsLambdaRic();
if (ric === undefined) {
  test("functions under aws-lambda-ric", { skip: "not built: SLTRAIN_TEST_RIC=1 npm test" });
} else {
  functionTests("aws-lambda-ric", [ric]);
}
