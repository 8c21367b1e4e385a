// Answers and refusals as AWS's query protocol writes them:
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html

export type XmlValue = string | number | boolean | Date | readonly XmlValue[] | XmlObject | undefined;
export interface XmlObject {
  readonly [name: string]: XmlValue;
}

/** `<ActionResponse><ActionResult>…`; lists have `member`s, what is undefined is left out. */
export function answerXml(action: string, result: XmlObject, requestId: string): string {
  return element(`${action}Response`, {
    [`${action}Result`]: result,
    ResponseMetadata: { RequestId: requestId },
  });
}

export function refusalXml(code: string, message: string, requestId: string): string {
  return element("ErrorResponse", {
    Error: { Type: "Sender", Code: code, Message: message },
    RequestId: requestId,
  });
}

function element(name: string, value: XmlValue): string {
  if (value === undefined) return "";
  return `<${name}>${content(value)}</${name}>`;
}

function content(value: XmlValue): string {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((item: XmlValue) => element("member", item)).join("");
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([name, property]: [string, XmlValue]) => element(name, property))
      .join("");
  }
  return String(value).replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
