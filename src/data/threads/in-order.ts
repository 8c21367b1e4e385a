// Work on items that may be done by others: begun ahead of its turn, taken in the items' order.

/**
 * Each item with its result, `ahead` of them under way at a time. A result that fails is told to who awaits it, in its turn.
 */
export function* inOrder<Item, Result>(
  items: Iterable<Item>,
  ahead: number,
  work: (item: Item) => Promise<Result>,
): Generator<readonly [item: Item, result: Promise<Result>]> {
  const underWay: (readonly [Item, Promise<Result>])[] = [];
  for (const item of items) {
    const result = work(item);
    // Whoever stops early does not hear of the others.
    result.catch(() => undefined);
    underWay.push([item, result]);
    if (underWay.length === ahead) yield underWay.shift()!;
  }
  yield* underWay;
}
