// CloudFormation's intrinsic functions, as far as our template uses them: how to write them, for the template, and how
// to evaluate them, for the local service:
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html

export type Value =
  string | number | boolean | readonly Value[] | { readonly [name: string]: Value | undefined };

export function ref(name: string): Value {
  return { Ref: name };
}

export function getAtt(resource: string, attribute: string): Value {
  return { "Fn::GetAtt": [resource, attribute] };
}

/** `${Name}` and `${Resource.Attribute}` stand for values. */
export function sub(text: string): Value {
  return { "Fn::Sub": text };
}

export function join(...parts: readonly Value[]): Value {
  return { "Fn::Join": ["", parts] };
}

/** Without `otherwise` nothing: a property or an item of a list that is not there. */
export function ifSet(condition: string, value: Value, otherwise: Value = ref("AWS::NoValue")): Value {
  return { "Fn::If": [condition, value, otherwise] };
}

/** The condition that a parameter is not empty, as text or as a list. */
export function isSet(parameter: string, type: string): Value {
  const text = type === "CommaDelimitedList" ? { "Fn::Join": ["", ref(parameter)] } : ref(parameter);
  return { "Fn::Not": [{ "Fn::Equals": [text, ""] }] };
}

/** Where a template's names are looked up. */
export interface Scope {
  /** Of a parameter, a pseudo parameter or a resource. */
  readonly ref: (name: string) => Value;
  readonly getAtt: (resource: string, attribute: string) => Value;
  readonly conditions: Readonly<Record<string, Value>>;
}

/** `value` with its functions replaced by what they give; undefined for AWS::NoValue. */
export function evaluate(value: Value | undefined, scope: Scope): Value | undefined {
  if (value === undefined || typeof value !== "object") return value;
  if (isList(value)) {
    return value.map((item) => evaluate(item, scope)).filter((item) => item !== undefined);
  }
  const [first, ...others] = Object.entries(value);
  const call = first && others.length === 0 ? functions[first[0]] : undefined;
  if (call) return call(first![1]!, scope);
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, property]) => {
      const evaluated = evaluate(property, scope);
      return evaluated === undefined ? [] : [[name, evaluated]];
    }),
  );
}

type Call = (argument: Value, scope: Scope) => Value | undefined;

const functions: Readonly<Record<string, Call>> = {
  Ref: (name, scope) => (name === "AWS::NoValue" ? undefined : scope.ref(text(name))),
  "Fn::GetAtt": (path, scope) => {
    const [resource, attribute] = items(path).map(text);
    return scope.getAtt(resource!, attribute!);
  },
  "Fn::Sub": (pattern, scope) =>
    text(pattern).replace(/\$\{([^}.]+)(?:\.([^}]+))?\}/g, (_, name: string, attribute?: string) =>
      text(attribute === undefined ? scope.ref(name) : scope.getAtt(name, attribute)),
    ),
  "Fn::Join": (argument, scope) => {
    const [separator, parts] = items(argument);
    return items(evaluate(parts, scope)).map(text).join(text(separator));
  },
  "Fn::If": (argument, scope) => {
    const [condition, then, otherwise] = items(argument);
    return evaluate(holds(text(condition), scope) ? then! : otherwise!, scope);
  },
  "Fn::Equals": (argument, scope) => {
    const [a, b] = items(argument).map((item) => text(evaluate(item, scope)));
    return a === b;
  },
  "Fn::Not": (argument, scope) => evaluate(items(argument)[0], scope) !== true,
};

export function holds(condition: string, scope: Scope): boolean {
  const definition = scope.conditions[condition];
  if (definition === undefined) throw new Error(`Template error: unresolved condition ${condition}`);
  return evaluate(definition, scope) === true;
}

function isList(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}

function items(value: Value | undefined): readonly Value[] {
  if (isList(value)) return value;
  throw new Error(`Template error: expected a list, got ${JSON.stringify(value)}`);
}

function text(value: Value | undefined): string {
  if (value !== undefined && typeof value !== "object") return String(value);
  throw new Error(`Template error: expected text, got ${JSON.stringify(value)}`);
}
