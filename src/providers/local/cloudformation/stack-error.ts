// A refusal of CloudFormation's: its code and its message.

export class StackError extends Error {
  readonly code: string;

  constructor(message: string, code = "ValidationError") {
    super(message);
    this.code = code;
  }
}
