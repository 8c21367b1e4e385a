import { totalmem } from "node:os";
import { Flags } from "@oclif/core";
import { serve } from "../../ps/serve.ts";
import { serverLine } from "../../ui/server-view.ts";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";

const HALF_THE_MEMORY_MIB = Math.floor(totalmem() / 2 ** 21);

export default class PsServe extends SltrainCommand {
  static override summary = "Run a parameter server: workers send it their gradients, and get the mean back";
  static override description =
    "For `sltrain train --channel ps://HOST:PORT[,HOST:PORT…]`, on a machine that all workers can reach. It speaks " +
    "plain HTTP: keep it in a private network. Ctrl-C or SIGTERM ends it; workers wait for its restart and send again " +
    "what it has lost (docs/parameter-servers.md).";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --host 0.0.0.0 --port 7070 --memory-mib 8192",
    "<%= config.bin %> <%= command.id %> --port 0 --json",
  ];
  static override flags = {
    host: Flags.string({ summary: "Address to listen on.", default: "127.0.0.1", helpValue: "ADDRESS" }),
    port: Flags.integer({
      summary: "Port; 0: any that is free.",
      default: 7070,
      min: 0,
      max: 65_535,
      helpValue: "N",
    }),
    token: Flags.string({
      summary: "What workers must know, as their SLTRAIN_PS_TOKEN. Without one, a new one is printed.",
      env: "SLTRAIN_PS_TOKEN",
      helpValue: "TOKEN",
      // A manifest or a help text would hold the environment's value.
      noCacheDefault: true,
    }),
    "memory-mib": Flags.integer({
      summary: "Most memory for frames, sums and means. Default: half of the machine's.",
      min: 1,
      helpValue: "N",
    }),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(PsServe);
    const { host, port, token, json } = flags;
    const ended = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => ended.abort());
    await serve({
      ...{ host, port, token, signal: ended.signal },
      memoryBytes: (flags["memory-mib"] ?? HALF_THE_MEMORY_MIB) * 2 ** 20,
      onEvent: (event) => this.log(json ? JSON.stringify(event) : serverLine(event)),
    });
  }
}
