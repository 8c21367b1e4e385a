// Many requests of one call, a few at a time.

/**
 * Runs `run(0)` to `run(count - 1)`, at most `limit` at once, and begins no more after a failure. All that began have
 * ended when it settles, for they use the caller's memory; then it throws the first failure.
 */
export async function sideBySide(
  count: number,
  limit: number,
  run: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const runner = async (): Promise<void> => {
    while (next < count) {
      try {
        await run(next++);
      } catch (error) {
        next = count;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(count, limit) }, runner));
  const failed = ended.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
