// What a coordinator starts functions with: the provider is opened when first needed, and again when it is gone.

import { SltrainError } from "../errors.ts";
import type { Functions } from "../functions/functions.ts";
import { openFunctions } from "../functions/open-functions.ts";
import type { ProvidedRun, Provider } from "./provider.ts";

export class RunFunctions implements Functions {
  readonly #provider: Provider;
  readonly #run: ProvidedRun;
  #opened: Promise<{ readonly uri: string; readonly functions: Functions }> | undefined;

  constructor(provider: Provider, run: ProvidedRun) {
    this.#provider = provider;
    this.#run = run;
  }

  /** What functions are to start each other with. */
  async uri(): Promise<string> {
    return (await this.#open()).uri;
  }

  /** The event's URIs become those of this provider, and of the stores as they are seen from here. */
  async invoke(event: object): Promise<void> {
    const opened = this.#open();
    try {
      await this.#send(await opened, event);
    } catch (error) {
      if (!(error instanceof SltrainError) || error.code !== "functions-unreachable") throw error;
      // A service of this machine ends with it, or with its last worker; another one does as well.
      if (this.#opened === opened) this.#opened = undefined;
      await this.#send(await this.#open(), event);
    }
  }

  async close(): Promise<void> {
    await (await this.#opened)?.functions.close();
  }

  #send({ uri, functions }: { uri: string; functions: Functions }, event: object): Promise<void> {
    const { storage, channel } = this.#run;
    return functions.invoke({ ...event, storage, channel, functions: uri });
  }

  #open() {
    this.#opened ??= this.#provider.open(this.#run).then(async ({ functions: uri }) => ({
      uri,
      functions: await openFunctions(uri, process.env),
    }));
    return this.#opened;
  }
}
