import { testCalls } from "./test-calls.ts";

testCalls("normalisations");
