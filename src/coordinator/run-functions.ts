// What a coordinator starts functions with: the provider is opened when first needed, and again when it is gone.

import type { TrainConfig } from "../config/schema.ts";
import { SltrainError } from "../errors.ts";
import type { Functions } from "../functions/functions.ts";
import { openFunctions } from "../functions/open-functions.ts";
import type { TrainEvent } from "./events.ts";
import type { ProvidedRun, Provider } from "./provider.ts";

export interface RefusalOptions {
  /** For how long a refused start is repeated. */
  readonly patienceMs: number;
  /** Told of a start that was refused until then; it is missed later, and summoned again or done without. */
  readonly onRefusal: (error: SltrainError) => void;
}

export class RunFunctions implements Functions {
  readonly #provider: Provider;
  readonly #run: ProvidedRun;
  readonly #refusals: RefusalOptions | undefined;
  #opened: Promise<{ readonly uri: string; readonly functions: Functions }> | undefined;

  /** Without `refusals`, a start that is refused for a minute is an error. */
  constructor(provider: Provider, run: ProvidedRun, refusals?: RefusalOptions) {
    this.#provider = provider;
    this.#run = run;
    this.#refusals = refusals;
  }

  /** What functions are to start each other with. */
  async uri(): Promise<string> {
    return (await this.#open()).uri;
  }

  /** The event's URIs become those of this provider, and of the stores as they are seen from here. */
  async invoke(event: object): Promise<void> {
    try {
      await this.#invoke(event);
    } catch (error) {
      if (this.#refusals === undefined || !(error instanceof SltrainError) || !error.retryable) throw error;
      this.#refusals.onRefusal(error);
    }
  }

  async #invoke(event: object): Promise<void> {
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
    const retry = this.#refusals && { deadlineMs: this.#refusals.patienceMs };
    this.#opened ??= this.#provider.open(this.#run).then(async ({ functions: uri }) => ({
      uri,
      functions: await openFunctions(uri, process.env, retry),
    }));
    return this.#opened;
  }
}

/** Of a run that goes on with what functions there are. */
export function refusalsOf(
  { minWorkers, leaseMs }: TrainConfig,
  onEvent: (event: TrainEvent) => void,
): RefusalOptions | undefined {
  if (minWorkers === undefined) return undefined;
  return {
    patienceMs: leaseMs,
    onRefusal: ({ message }) => {
      onEvent({ event: "warning", message });
    },
  };
}
