// The part of CloudFormation's API that `sltrain deploy` uses, over stacks of this machine:
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Operations.html. Stacks live as long as the service.

import { randomUUID } from "node:crypto";
import { StackError } from "./stack-error.ts";
import type { GivenParameter } from "./stack-parameters.ts";
import type { LocalStack, StackRequest, Stacks } from "./stacks.ts";
import { answerXml, refusalXml, type XmlObject } from "./xml.ts";

type Form = Readonly<Record<string, unknown>>;

const actions: Readonly<Record<string, (stacks: Stacks, form: Form) => XmlObject>> = {
  CreateStack: (stacks, form) => ({ StackId: stacks.create(requestOf(form)).id }),
  UpdateStack: (stacks, form) => {
    const stack = named(stacks, form);
    stack.update(requestOf(form));
    return { StackId: stack.id };
  },
  DeleteStack: (stacks, form) => {
    named(stacks, form).delete(form.ClientRequestToken as string | undefined);
    return {};
  },
  DescribeStacks: (stacks, form) => ({ Stacks: [described(named(stacks, form))] }),
  DescribeStackEvents: (stacks, form) => ({
    StackEvents: named(stacks, form).events.map((event) => ({ ...event })),
  }),
};

export interface XmlAnswer {
  readonly status: number;
  readonly requestId: string;
  readonly body: string;
}

/** `body`: what was posted. */
export function answerCloudFormation(stacks: Stacks, body: string): XmlAnswer {
  const requestId = randomUUID();
  const form = parseForm(body);
  const action = String(form.Action);
  try {
    const act = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (act === undefined)
      throw new StackError(`The action ${action} is not valid for this web service.`, "InvalidAction");
    return { status: 200, requestId, body: answerXml(action, act(stacks, form), requestId) };
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    return { status: 400, requestId, body: refusalXml(error.code, error.message, requestId) };
  }
}

function named(stacks: Stacks, { StackName }: Form): LocalStack {
  return stacks.find(String(StackName));
}

function requestOf(form: Form): StackRequest {
  return {
    StackName: String(form.StackName),
    TemplateBody: String(form.TemplateBody),
    Parameters: listOf(form.Parameters) as readonly GivenParameter[],
    Tags: listOf(form.Tags) as StackRequest["Tags"],
    ClientRequestToken: form.ClientRequestToken as string | undefined,
  };
}

/** An empty list is written as an empty text. */
function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function described(stack: LocalStack): XmlObject {
  return {
    ...{ StackId: stack.id, StackName: stack.name, StackStatus: stack.status, CreationTime: stack.createdAt },
    Parameters: stack.parameters as XmlObject[],
    Outputs: stack.outputs as XmlObject[],
    Tags: stack.tags.map((tag) => ({ ...tag })),
  };
}

/** `Parameters.member.1.ParameterKey=…` as lists of objects. */
function parseForm(body: string): Form {
  const form: Record<string, unknown> = {};
  for (const [path, value] of new URLSearchParams(body)) {
    const [name, member, index, property] = path.split(".");
    if (member !== "member") {
      form[name!] = value;
      continue;
    }
    const list = (form[name!] ??= []) as unknown[];
    const item = Number(index) - 1;
    if (property === undefined) list[item] = value;
    else list[item] = { ...(list[item] as object | undefined), [property]: value };
  }
  return form;
}
