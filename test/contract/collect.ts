// An async iterable as an array (Array.fromAsync is not yet in the library types that src/ compiles with).

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
