// What may be shown of a storage's URI.

/** `uri` without what stands before its host: as it may be shown, logged and stored. */
export function withoutCredentials(uri: string): string {
  return uri.replace(/\/\/.*@/, "//");
}
