// Stacks on this machine: a template's resources made, changed and removed in the order of their references, with the
// statuses, events and refusals that CloudFormation has for it. What fails is undone.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html

import { randomUUID } from "node:crypto";
import { evaluate, holds, type Scope, type Value } from "../../lambda/intrinsics.ts";
import type { Resource, Template } from "../../lambda/template.ts";
import {
  ACCOUNT_ID,
  type Context,
  type Made,
  type Place,
  type Properties,
  resourceTypes,
} from "./resources.ts";
import { StackError } from "./stack-error.ts";
import {
  type GivenParameter,
  parameterValue,
  resolveParameters,
  shownParameter,
} from "./stack-parameters.ts";

export interface StackRequest {
  readonly StackName: string;
  readonly TemplateBody: string;
  readonly Parameters: readonly GivenParameter[];
  readonly Tags: readonly Tag[];
  readonly ClientRequestToken: string | undefined;
}

interface Tag {
  readonly Key: string;
  readonly Value: string;
}

export interface StackEvent {
  readonly EventId: string;
  readonly StackId: string;
  readonly StackName: string;
  readonly LogicalResourceId: string;
  readonly PhysicalResourceId: string;
  readonly ResourceType: string;
  readonly Timestamp: Date;
  readonly ResourceStatus: string;
  readonly ResourceStatusReason: string | undefined;
  readonly ClientRequestToken: string | undefined;
}

/** What a stack is to be. */
interface Goal {
  readonly body: string;
  readonly template: Template;
  readonly parameters: Readonly<Record<string, string>>;
  readonly tags: readonly Tag[];
}

const NOTHING: Goal = {
  body: "",
  template: {
    ...{ AWSTemplateFormatVersion: "2010-09-09", Description: "" },
    ...{ Parameters: {}, Conditions: {}, Resources: {}, Outputs: {} },
  },
  ...{ parameters: {}, tags: [] },
};

export class Stacks {
  readonly #place: Place;
  readonly #stacks: LocalStack[] = [];

  constructor(place: Place) {
    this.#place = place;
  }

  /** By name those that are there, by id also those that were deleted. Throws StackError. */
  find(nameOrId: string): LocalStack {
    const found = this.#stacks.find(
      ({ id, name, status }) => id === nameOrId || (name === nameOrId && status !== "DELETE_COMPLETE"),
    );
    if (found !== undefined) return found;
    throw new StackError(`Stack with id ${nameOrId} does not exist`);
  }

  create(request: StackRequest): LocalStack {
    const { StackName: name } = request;
    if (this.#stacks.some((stack) => stack.name === name && stack.status !== "DELETE_COMPLETE")) {
      throw new StackError(`Stack [${name}] already exists`, "AlreadyExistsException");
    }
    const stack = new LocalStack(name, this.#place);
    stack.create(request);
    this.#stacks.push(stack);
    return stack;
  }
}

export class LocalStack {
  readonly name: string;
  readonly id: string;
  readonly createdAt = new Date();
  /** The newest first. */
  readonly events: StackEvent[] = [];
  status = "REVIEW_IN_PROGRESS";
  readonly #context: Context;
  readonly #made = new Map<string, Made & { readonly type: string; readonly properties: string }>();
  #goal = NOTHING;

  constructor(name: string, place: Place) {
    this.name = name;
    this.id = `arn:aws:cloudformation:${place.region}:${ACCOUNT_ID}:stack/${name}/${randomUUID()}`;
    this.#context = { ...place, stackName: name };
  }

  create(request: StackRequest): void {
    this.#begin("CREATE", goalOf(request, {}), request.ClientRequestToken);
  }

  update(request: StackRequest): void {
    const goal = goalOf(request, this.#goal.parameters);
    this.#refuseIfBusy();
    if (JSON.stringify(goal) === JSON.stringify(this.#goal))
      throw new StackError("No updates are to be performed.");
    this.#begin("UPDATE", goal, request.ClientRequestToken);
  }

  delete(token: string | undefined): void {
    this.#refuseIfBusy();
    this.#begin("DELETE", NOTHING, token);
  }

  get parameters(): object[] {
    const { template, parameters } = this.#goal;
    return Object.entries(parameters).map(([ParameterKey, value]) => ({
      ParameterKey,
      ParameterValue: shownParameter(template.Parameters[ParameterKey]!, value),
    }));
  }

  get tags(): readonly Tag[] {
    return this.#goal.tags;
  }

  get outputs(): object[] {
    const scope = this.#scope(this.#goal);
    const isMade = !/^(CREATE_IN|ROLLBACK|DELETE)/.test(this.status);
    return Object.entries(isMade ? this.#goal.template.Outputs : {})
      .filter(([, { Condition }]) => Condition === undefined || holds(Condition, scope))
      .map(([OutputKey, output]) => ({ OutputKey, OutputValue: evaluate(output.Value, scope) }));
  }

  #refuseIfBusy(): void {
    if (!this.status.endsWith("_IN_PROGRESS")) return;
    throw new StackError(`Stack:${this.id} is in ${this.status} state and can not be updated.`);
  }

  /** Answers before the change is done, as CloudFormation does. */
  #begin(verb: "CREATE" | "UPDATE" | "DELETE", goal: Goal, token: string | undefined): void {
    const before = this.#goal;
    this.#stackEvent(`${verb}_IN_PROGRESS`, token, "User Initiated");
    void this.#reach(goal, verb, token).then(
      () => this.#stackEvent(`${verb}_COMPLETE`, token),
      async (error: unknown) => {
        if (verb === "DELETE") {
          this.#stackEvent("DELETE_FAILED", token, reasonOf(error));
          return;
        }
        const prefix = verb === "CREATE" ? "" : "UPDATE_";
        this.#stackEvent(`${prefix}ROLLBACK_IN_PROGRESS`, token, reasonOf(error));
        await this.#reach(before, "UPDATE", token).then(
          () => this.#stackEvent(`${prefix}ROLLBACK_COMPLETE`, token),
          (again: unknown) => this.#stackEvent(`${prefix}ROLLBACK_FAILED`, token, reasonOf(again)),
        );
      },
    );
  }

  /** Makes and changes what the goal has, then removes what it has not. */
  async #reach(goal: Goal, verb: string, token: string | undefined): Promise<void> {
    const scope = this.#scope(goal);
    const wanted = inOrder(goal.template.Resources).filter(
      ([, { Condition }]) => Condition === undefined || holds(Condition, scope),
    );
    for (const [name, resource] of wanted) await this.#apply(name, resource, scope, verb, token);
    const names = new Set(wanted.map(([name]) => name));
    for (const [name, made] of [...this.#made].reverse()) {
      if (names.has(name)) continue;
      const event = { name, type: made.type, id: made.id, token };
      await this.#noted("DELETE", event, async () => {
        await resourceTypes[made.type]!.remove?.(made, this.#context);
        return made;
      });
      this.#made.delete(name);
    }
    this.#goal = goal;
  }

  async #apply(
    name: string,
    { Type: type, Properties: declared }: Resource,
    scope: Scope,
    verb: string,
    token: string | undefined,
  ): Promise<void> {
    const before = this.#made.get(name);
    const properties = evaluate(declared, scope) as Properties;
    if (before?.properties === JSON.stringify(properties)) return;
    const done = before === undefined ? "CREATE" : verb;
    const made = await this.#noted(done, { name, type, id: before?.id ?? "", token }, () => {
      const known = resourceTypes[type];
      if (known === undefined) throw new Error(`the local service has no resources ${type}`);
      return known.apply(properties, this.#context, before);
    });
    this.#made.set(name, { ...made, type, properties: JSON.stringify(properties) });
  }

  async #noted(
    verb: string,
    event: { name: string; type: string; id: string; token: string | undefined },
    act: () => Promise<Made> | Made,
  ): Promise<Made> {
    this.#event(event, `${verb}_IN_PROGRESS`);
    try {
      const made = await act();
      this.#event({ ...event, id: made.id }, `${verb}_COMPLETE`);
      return made;
    } catch (error) {
      this.#event(event, `${verb}_FAILED`, reasonOf(error));
      throw new Error(`The following resource(s) failed to ${verb.toLowerCase()}: [${event.name}].`, {
        cause: error,
      });
    }
  }

  #scope({ template, parameters }: Goal): Scope {
    const pseudo: Readonly<Record<string, string>> = {
      "AWS::Partition": "aws",
      "AWS::Region": this.#context.region,
      "AWS::AccountId": ACCOUNT_ID,
      "AWS::StackName": this.name,
    };
    const made = (name: string): Made => {
      const resource = this.#made.get(name);
      if (resource === undefined) throw new StackError(`Template error: unresolved reference ${name}`);
      return resource;
    };
    return {
      ref: (name) => {
        const parameter = template.Parameters[name];
        if (parameter !== undefined) return parameterValue(parameter, parameters[name]!);
        return pseudo[name] ?? made(name).id;
      },
      getAtt: (resource, attribute) => made(resource).attributes[attribute] ?? "",
      conditions: template.Conditions,
    };
  }

  #stackEvent(status: string, token: string | undefined, reason?: string): void {
    this.status = status;
    this.#event({ name: this.name, type: "AWS::CloudFormation::Stack", id: this.id, token }, status, reason);
  }

  #event(
    { name, type, id, token }: { name: string; type: string; id: string; token: string | undefined },
    status: string,
    reason?: string,
  ): void {
    this.events.unshift({
      ...{ EventId: randomUUID(), StackId: this.id, StackName: this.name, LogicalResourceId: name },
      ...{ PhysicalResourceId: id, ResourceType: type, Timestamp: new Date(), ResourceStatus: status },
      ...{ ResourceStatusReason: reason, ClientRequestToken: token },
    });
  }
}

/** Throws StackError for a template or parameters that CloudFormation would refuse. */
function goalOf(
  { TemplateBody: body, Parameters, Tags: tags }: StackRequest,
  before: Readonly<Record<string, string>>,
): Goal {
  const template = parseTemplate(body);
  return { body, template, tags, parameters: resolveParameters(template.Parameters, Parameters, before) };
}

function parseTemplate(body: string): Template {
  try {
    return { ...NOTHING.template, ...(JSON.parse(body) as Template) };
  } catch (error) {
    throw new StackError(`Template format error: JSON not well-formed: ${reasonOf(error)}`);
  }
}

/** Each behind those that it names. */
function inOrder(resources: Readonly<Record<string, Resource>>): [string, Resource][] {
  const ordered = new Map<string, Resource>();
  const visit = (name: string): void => {
    const resource = resources[name];
    if (resource === undefined || ordered.has(name)) return;
    for (const other of namesIn(resource.Properties)) if (other !== name) visit(other);
    ordered.set(name, resource);
  };
  for (const name of Object.keys(resources)) visit(name);
  return [...ordered];
}

/** All that `Ref`, `Fn::GetAtt` and `Fn::Sub` name, in any part of `value`. */
function namesIn(value: Value | undefined): string[] {
  if (typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, part]: [string, Value | undefined]) => {
    if (key === "Ref" && typeof part === "string") return [part];
    if (key === "Fn::GetAtt" && Array.isArray(part)) return [String(part[0])];
    if (key === "Fn::Sub" && typeof part === "string") {
      return [...part.matchAll(/\$\{([^}.]+)/g)].map(([, name]) => name!);
    }
    return namesIn(part);
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
