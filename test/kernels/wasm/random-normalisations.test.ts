import { testRandomCalls } from "./test-random-calls.ts";

testRandomCalls("normalisations");
