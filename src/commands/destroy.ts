import { Flags } from "@oclif/core";
import { destroy } from "../providers/lambda/deploy.ts";
import { deployPrinter } from "../providers/lambda/deploy-view.ts";
import { useEndpoint } from "../providers/lambda/endpoint.ts";
import { SltrainCommand, jsonFlag } from "../ui/sltrain-command.ts";
import { stackFlags } from "../ui/stack-flags.ts";

export default class Destroy extends SltrainCommand {
  static override summary = "Remove all that `deploy` has made, with the runs in its bucket";
  static override description = "Says what would be lost, and does it only with --yes.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --stack trial --yes",
  ];
  static override flags = {
    ...stackFlags,
    yes: Flags.boolean({ summary: "Do it: nothing can bring the runs back." }),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(Destroy);
    const { stack, yes: confirmed, json } = flags;
    const { env } = process;
    useEndpoint(flags["endpoint-url"], env);
    await destroy({
      ...{ stack, env, confirmed },
      onEvent: deployPrinter(json, (line) => this.log(line)),
    });
    this.log(json ? JSON.stringify({ event: "stack.destroyed", stack }) : `Stack ${stack} is gone.`);
  }
}
