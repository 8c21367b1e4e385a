import { testCalls } from "./test-calls.ts";

testCalls("products");
