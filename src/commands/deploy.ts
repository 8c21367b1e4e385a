import { Flags } from "@oclif/core";
import { deploy } from "../providers/lambda/deploy.ts";
import { deployPrinter, deploymentText } from "../providers/lambda/deploy-view.ts";
import { useEndpoint } from "../providers/lambda/endpoint.ts";
import { settingFlag, settings, type StackSetting } from "../providers/lambda/parameters.ts";
import { templateText } from "../providers/lambda/template.ts";
import { SltrainCommand, jsonFlag } from "../ui/sltrain-command.ts";
import { stackFlags } from "../ui/stack-flags.ts";

const names = Object.keys(settings) as StackSetting[];

export default class Deploy extends SltrainCommand {
  static override summary =
    "Make or update what `train --provider lambda` runs on: function, bucket, role, logs";
  static override description =
    "One stack of CloudFormation in the account and region of your credentials; `sltrain destroy` removes all of it. " +
    "Nothing is done if code, template and settings are those that are deployed. Settings that are not given stay " +
    "what they were. REDIS_USERNAME, REDIS_PASSWORD and SLTRAIN_PS_TOKEN, where set, become the function's (docs/lambda.md).";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --memory-mib 3538 --timeout-s 600 --architecture x86_64",
    "<%= config.bin %> <%= command.id %> --stack trial --express-zone use1-az4",
    "<%= config.bin %> <%= command.id %> --template > stack.json",
  ];
  static override flags = {
    ...stackFlags,
    template: Flags.boolean({ summary: "Print the template and do nothing." }),
    ...Object.fromEntries(
      names.map((name) => {
        const { Description, Default } = settings[name];
        const summary = `${Description}${Default === "" ? "" : ` Default: ${Default}.`}`;
        return [settingFlag(name), Flags.string({ summary, helpGroup: "SETTINGS", helpValue: "VALUE" })];
      }),
    ),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(Deploy);
    if (flags.template) {
      process.stdout.write(templateText);
      return;
    }
    const { env } = process;
    useEndpoint(flags["endpoint-url"], env);
    const given = flags as Readonly<Record<string, string | undefined>>;
    const deployment = await deploy({
      ...{ stack: flags.stack, env, sendsSecrets: true },
      settings: Object.fromEntries(
        names.flatMap((name) => {
          const value = given[settingFlag(name)];
          return value === undefined ? [] : [[name, value]];
        }),
      ),
      onEvent: deployPrinter(flags.json, (line) => this.log(line)),
    });
    this.log(
      flags.json ? JSON.stringify({ event: "stack.deployed", ...deployment }) : deploymentText(deployment),
    );
  }
}
