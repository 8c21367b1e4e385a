import { testRandomCalls } from "./test-random-calls.ts";

testRandomCalls("updates");
