// What takes long to make is made once for each key, also where it is asked for again while it is being made.

export function memoise<K, V>(cache: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  let made = cache.get(key);
  if (!made) cache.set(key, (made = make()));
  return made;
}
