// What takes long to make is made once for each key, also where it is asked for again while it is being made.

export function memoise<V>(cache: Map<number, Promise<V>>, key: number, make: () => Promise<V>): Promise<V> {
  let made = cache.get(key);
  if (!made) cache.set(key, (made = make()));
  return made;
}
