/** Processor time of this process so far, of all its threads: the collector of garbage works on another core. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
