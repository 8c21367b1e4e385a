// A refusal as Lambda's API words it: https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html.

import type { ServerResponse } from "node:http";
import { answerJson } from "../../http-routes.ts";

export class LambdaError extends Error {
  readonly #status: number;
  readonly #type: string;
  readonly #body: object;

  /** `body` as the API's page of the exception has it. */
  constructor(status: number, type: string, body: object) {
    super(type);
    this.#status = status;
    this.#type = type;
    this.#body = body;
  }

  answer(response: ServerResponse): void {
    response.setHeader("x-amzn-ErrorType", this.#type);
    answerJson(response, { Type: this.#status < 500 ? "User" : "Service", ...this.#body }, this.#status);
  }
}
