import assert from "node:assert/strict";
import { test } from "node:test";
import { sltrain, temporaryFolder } from "../support/cli.ts";
import { templateText } from "../../src/providers/lambda/template.ts";

async function run(...args: string[]) {
  const folder = temporaryFolder();
  const ended = await sltrain(args, folder.path);
  folder.remove();
  return ended;
}

test("deploy --template prints the template and asks nobody", async () => {
  const { code, stdout } = await run("deploy", "--template", "--endpoint-url", "http://127.0.0.1:1");
  assert.deepEqual([code, stdout], [0, templateText]);
});

test("deploy's help lists the settings of a stack with their defaults", async () => {
  const { stdout } = await run("deploy", "--help");
  assert.match(stdout, /--memory-mib=VALUE\s+Memory of the function in MiB.*Default:\s+1769/s);
  assert.match(stdout, /--reserved-concurrency=VALUE/);
});

test("an address that is none is refused by deploy and destroy", async () => {
  for (const command of ["deploy", "destroy"]) {
    const { code, stderr } = await run(command, "--endpoint-url", "localhost");
    assert.equal(code, 1);
    assert.match(stderr, /--endpoint-url: expected an address[\s\S]*aws-endpoint/);
  }
});
