import { Flags } from "@oclif/core";
import { sampleRun } from "../coordinator/sample-run.ts";
import { openStorage } from "../storage/open.ts";
import { deviceFlags, deviceRequest } from "../ui/device-flags.ts";
import { decimalFlag } from "../ui/decimal-flag.ts";
import { runArg, runFlags } from "../ui/run-flags.ts";
import { SltrainCommand } from "../ui/sltrain-command.ts";

export default class Sample extends SltrainCommand {
  static override summary = "Have a trained text model write";
  static override description =
    "Prints the prompt and what the model goes on with, token by token. The same seed gives the same text.";
  static override examples = [
    '<%= config.bin %> <%= command.id %> my-run --prompt "Once upon a time" --tokens 500',
    "<%= config.bin %> <%= command.id %> my-run --temperature 0.8 --top-k 40 --top-p 0.95 --seed 7",
  ];
  static override args = { run: runArg };
  static override flags = {
    prompt: Flags.string({ summary: "What the text begins with.", default: "" }),
    tokens: Flags.integer({ summary: "Characters to add.", default: 200, min: 1 }),
    temperature: decimalFlag({
      summary: "Below 1 what is likely becomes likelier, 0 takes the likeliest, above 1 all becomes alike.",
      default: 0.8,
      min: 0,
    }),
    "top-k": Flags.integer({ summary: "Draw among so many of the likeliest characters only.", min: 1 }),
    "top-p": decimalFlag({
      summary: "Draw among the likeliest characters only that have this share of the probability together.",
      min: 0,
      max: 1,
    }),
    seed: Flags.integer({ summary: "Which of all texts.", default: 1, min: 0, max: 0xffff_ffff }),
    ...deviceFlags,
    ...runFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Sample);
    const { prompt, tokens, temperature, seed, json, "top-k": topK, "top-p": topP } = flags;
    const storage = await openStorage(flags.storage);
    const device = deviceRequest(flags);
    const options = { storage, runId: args.run, prompt, tokens, temperature, topK, topP, seed, device };
    let text = "";
    for await (const piece of sampleRun(options)) {
      if (!json) process.stdout.write(text === "" ? prompt + piece : piece);
      text += piece;
    }
    await storage.close();
    this.log(json ? JSON.stringify({ runId: args.run, prompt, text }) : "");
  }
}
