// Tests that need something from the system say so: a missing thing is a skip that is reported.

import { missingRequirements } from "../../tools/requirements.ts";

/** For node:test's options: `test(name, needs("fashion-mnist"), …)`. */
export function needs(requirement: string): { readonly skip: string | false } {
  return { skip: missingRequirements().includes(requirement) ? `${requirement} is not installed` : false };
}
