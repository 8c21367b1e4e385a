import { testListedCalls } from "./test-listed-calls.ts";

testListedCalls("codecs");
