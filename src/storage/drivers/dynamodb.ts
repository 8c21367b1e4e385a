// dynamodb://TABLE[/PREFIX]. An object is an item, its first segment the hash key and the rest the sort key, so that a
// listing within a folder is a query. Objects above an item's 400 KB lie in part items under an id of their own, which
// the object's item names once all are there: readers see all of it or nothing. A writer that is killed in between
// leaves parts that nobody names. Requests are our own, as for S3 (s3.ts has the figures).

import { randomBytes } from "node:crypto";
import { SltrainError } from "../../errors.ts";
import {
  ConditionFailed,
  DynamoTable,
  keyAttributes,
  type Attribute,
  type Item,
  type ItemKey,
} from "../aws/dynamo-table.ts";
import { checkFolder, checkKey, keyPrefix } from "../keys.ts";
import { bytesWithin, slices } from "../parts.ts";
import { REQUEST_PRICES } from "../prices.ts";
import { destination, resolveRange } from "../read.ts";
import { sideBySide } from "../side-by-side.ts";
import type { GetRef, PutOptions, PutOutcome, Storage } from "../storage.ts";
import { withoutCredentials } from "../uri.ts";
import { pollUntilPresent } from "../wait.ts";

/** An item holds 409,600 bytes, its key and the names of its attributes included. */
const ITEM_BYTES = 408_000;
const MAX_PARTS = 10_000;
/** No segment of a key begins with a dot. */
const PARTS_COLLECTION = ".parts/";
/** Keys of one segment; a hash key is never empty. */
const ROOT_COLLECTION = "./";
const DELETES_AT_ONCE = 16;
/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html */
const LOCATION = /^\/\/([A-Za-z0-9_.-]{3,255})(?:\/(.*))?$/;

/** An object's item: `bytes` (absent if empty), or where its parts are. */
interface Head extends Item {
  readonly bytes: { readonly B: string };
  readonly parts: { readonly S: string };
  readonly size: { readonly N: string };
}

/** Throws "storage-unknown" for a location of another form, "storage-region" and "storage-denied". Sends nothing. */
export async function open(location: string): Promise<Storage> {
  const [tableName, prefix] = parseLocation(location);
  const table = await DynamoTable.open(tableName, process.env);

  const itemKey = (key: string): ItemKey => {
    checkKey(key);
    const slash = key.indexOf("/") + 1;
    return slash === 0
      ? { collection: prefix + ROOT_COLLECTION, name: key }
      : { collection: prefix + key.slice(0, slash), name: key.slice(slash) };
  };

  const partKeys = (head: Partial<Head>): ItemKey[] =>
    head.parts === undefined ? [] : partKeysOf(head.parts.S, Number(head.size?.N));

  async function readHead(key: string): Promise<Partial<Head> | undefined> {
    const input = { Key: keyAttributes(itemKey(key)), ConsistentRead: true };
    return (await table.send<{ Item?: Partial<Head> }>("GetItem", input, `get ${key}`)).Item;
  }

  /** Stores a head, or deletes it, whatever was there; parts of what was there are deleted. */
  async function replace(operation: "PutItem" | "DeleteItem", input: object, what: string): Promise<void> {
    try {
      // Most objects have no parts, and the old value need not come back.
      await table.send(operation, { ...input, ConditionExpression: "attribute_not_exists(parts)" }, what);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      const { Attributes: old = {} } = await table.send<{ Attributes?: Partial<Head> }>(
        operation,
        { ...input, ReturnValues: "ALL_OLD" },
        what,
      );
      await table.deleteAll(partKeys(old), what);
    }
  }

  /** The attributes of a head for `parts`, whose part items are then stored. */
  async function storeParts(parts: readonly Uint8Array[], sizeBytes: number, what: string): Promise<Item> {
    if (sizeBytes === 0) return {};
    if (sizeBytes <= ITEM_BYTES) return { bytes: binary(parts) };
    const id = randomBytes(16).toString("base64url");
    const bodies = slices(parts, ITEM_BYTES);
    const keys = partKeysOf(id, sizeBytes);
    const itemAt = (i: number): Item => ({ ...keyAttributes(keys[i]!), bytes: binary(bodies[i]!) });
    try {
      await table.putAll(keys.length, itemAt, ITEM_BYTES, what);
    } catch (error) {
      // Whether that works or not, the put's own failure is what the caller must know.
      await Promise.allSettled([table.deleteAll(keys, what)]);
      throw error;
    }
    return { parts: { S: id }, size: { N: `${sizeBytes}` } };
  }

  /** False if some parts have gone: another writer has replaced the object meanwhile. */
  async function readParts(
    head: Partial<Head>,
    { begin, end }: { begin: number; end: number },
    bytes: Uint8Array,
    what: string,
  ): Promise<boolean> {
    const first = Math.floor(begin / ITEM_BYTES);
    const keys = partKeys(head).slice(first, Math.ceil(end / ITEM_BYTES));
    const indices = new Map(keys.map(({ collection }, i) => [collection, first + i]));
    let found = 0;
    await table.getAll(
      keys,
      ITEM_BYTES,
      (item) => {
        found++;
        const part = bytesOf(item.bytes);
        const partBegin = indices.get((item.collection as { S: string }).S)! * ITEM_BYTES;
        const from = Math.max(0, begin - partBegin);
        const to = Math.min(part.byteLength, end - partBegin);
        bytes.set(part.subarray(from, to), partBegin + from - begin);
      },
      what,
    );
    return found === keys.length;
  }

  /** Keys that begin with `start`, in order within a folder. */
  async function* listItems(start: string): AsyncGenerator<string[]> {
    const slash = start.indexOf("/") + 1;
    const names = { "#c": "collection", "#n": "name" };
    const projection = { ProjectionExpression: "#c, #n", ExpressionAttributeNames: names };
    const query = {
      ...{ ...projection, ConsistentRead: true },
      KeyConditionExpression: "#c = :c" + (slash < start.length ? " AND begins_with(#n, :n)" : ""),
      ExpressionAttributeValues: {
        ":c": { S: prefix + start.slice(0, slash) },
        ...(slash < start.length && { ":n": { S: start.slice(slash) } }),
      },
    };
    const scan = {
      ...{ ...projection, ConsistentRead: true },
      FilterExpression: "begins_with(#c, :c) AND NOT begins_with(#c, :parts)",
      ExpressionAttributeValues: { ":c": { S: prefix }, ":parts": { S: PARTS_COLLECTION } },
    };
    const [operation, input] = slash > 0 ? (["Query", query] as const) : (["Scan", scan] as const);
    let ExclusiveStartKey: Item | undefined;
    do {
      const page = await table.send<{ Items?: Item[]; LastEvaluatedKey?: Item }>(
        operation,
        { ...input, ...(ExclusiveStartKey && { ExclusiveStartKey }) },
        `list ${start}`,
      );
      yield (page.Items ?? []).map(({ collection, name }) => {
        const folder = (collection as { S: string }).S.slice(prefix.length);
        return (folder === ROOT_COLLECTION ? "" : folder) + (name as { S: string }).S;
      });
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
  }

  const storage: Storage = {
    uri: `dynamodb:${location}`,
    capabilities: {
      durable: true,
      shared: true,
      conditionalPut: true,
      rangeGet: true,
      list: true,
      batchKeys: 1,
      blockingWait: false,
      maxValueBytes: ITEM_BYTES * MAX_PARTS,
      prices: REQUEST_PRICES.dynamodb,
    },

    async put(key: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<PutOutcome> {
      const target = keyAttributes(itemKey(key));
      const what = `put ${key}`;
      const sizeBytes = bytesWithin(ITEM_BYTES * MAX_PARTS, key, parts);
      const head: Partial<Head> = await storeParts(parts, sizeBytes, what);
      const input = { Item: { ...target, ...head } };
      if (options.ifAbsent !== true) {
        await replace("PutItem", input, what);
        return "stored";
      }
      try {
        const condition = "attribute_not_exists(#n)";
        const names = { ExpressionAttributeNames: { "#n": "name" } };
        await table.send("PutItem", { ...input, ConditionExpression: condition, ...names }, what);
        return "stored";
      } catch (error) {
        if (!(error instanceof ConditionFailed)) throw error;
        await table.deleteAll(partKeys(head), what);
        return "exists";
      }
    },

    async get(ref: GetRef, into?: Uint8Array): Promise<Uint8Array | undefined> {
      let head = await readHead(ref.key);
      while (head !== undefined) {
        const inline = head.parts === undefined ? bytesOf(head.bytes) : undefined;
        const range = resolveRange(ref, inline?.byteLength ?? Number(head.size?.N));
        const bytes = destination(ref, range.end - range.begin, into);
        if (inline !== undefined) {
          bytes.set(inline.subarray(range.begin, range.end));
          return bytes;
        }
        if (await readParts(head, range, bytes, `get ${ref.key}`)) return bytes;
        const next = await readHead(ref.key);
        if (next?.parts?.S === head.parts?.S) throw damaged(ref.key, tableName);
        head = next;
      }
      return undefined;
    },

    waitFor: (refs, options) => pollUntilPresent(storage, refs, options),

    delete: (keys) =>
      sideBySide(keys.length, DELETES_AT_ONCE, (i) => {
        const key = keys[i]!;
        return replace("DeleteItem", { Key: keyAttributes(itemKey(key)) }, `delete ${key}`);
      }),

    async *list(start: string): AsyncGenerator<string> {
      if (start.includes("/")) {
        for await (const page of listItems(start)) yield* page;
        return;
      }
      const keys = (await Array.fromAsync(listItems(start))).flat();
      yield* keys.filter((key) => key.startsWith(start)).sort();
    },

    async deleteFolder(folder: string): Promise<void> {
      checkFolder(folder);
      for await (const page of listItems(folder)) await storage.delete(page);
    },

    close() {
      table.close();
      return Promise.resolve();
    },
  };
  return storage;
}

function partKeysOf(id: string, sizeBytes: number): ItemKey[] {
  // A hash key each: a partition of DynamoDB's takes 1 MB a second.
  return Array.from({ length: Math.ceil(sizeBytes / ITEM_BYTES) }, (_, i) => ({
    collection: `${PARTS_COLLECTION}${id}/${i}`,
    name: "part",
  }));
}

function binary(parts: readonly Uint8Array[]): Attribute {
  return { B: Buffer.concat(parts).toString("base64") };
}

function bytesOf(attribute: Attribute | undefined): Uint8Array {
  return attribute !== undefined && "B" in attribute ? Buffer.from(attribute.B, "base64") : new Uint8Array(0);
}

function parseLocation(location: string): [table: string, prefix: string] {
  const [, table, folder = ""] = LOCATION.exec(location) ?? [];
  if (table !== undefined) return [table, keyPrefix(folder)];
  throw new SltrainError({
    code: "storage-unknown",
    message: `storage: expected dynamodb://TABLE or dynamodb://TABLE/PREFIX, but got ${JSON.stringify(withoutCredentials(`dynamodb:${location}`))}`,
    suggestions: ["A table's name has 3 to 255 letters, digits, dots, hyphens and underscores."],
  });
}

function damaged(key: string, table: string): SltrainError {
  return new SltrainError({
    code: "storage-failed",
    message: `storage get ${key}: expected all parts of it in dynamodb://${table}, but some are missing`,
    suggestions: [
      "Something else deletes items of this table (a time to live?): give sltrain one of its own.",
    ],
  });
}
