// What tests need from the system beyond npm's packages, as data. `npm test` installs it when it is root on Debian.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { LAVAPIPE_DRIVER, LAVAPIPE_PACKAGES, unpackLavapipe } from "./lavapipe.ts";

interface Requirement {
  /** All there if the requirement is met. */
  readonly paths: readonly string[];
  readonly aptPackages: readonly string[];
  /** What the packages alone don't bring; runs after them. */
  readonly install?: () => void;
}

const requirements: Readonly<Record<string, Requirement>> = {
  "fashion-mnist": {
    paths: ["/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"],
    aptPackages: ["dataset-fashion-mnist"],
  },
  // Servers (test/servers/), by the scheme that they are reached with.
  s3: {
    paths: ["/usr/bin/radosgw", "/usr/bin/ceph-mon", "/usr/bin/ceph-osd"],
    aptPackages: ["radosgw", "ceph-mon", "ceph-osd"],
  },
  redis: { paths: ["/usr/bin/redis-server"], aptPackages: ["redis-server"] },
  memcached: { paths: ["/usr/bin/memcached"], aptPackages: ["memcached"] },
  lavapipe: { paths: [LAVAPIPE_DRIVER], aptPackages: LAVAPIPE_PACKAGES, install: unpackLavapipe },
};

export function missingRequirements(): string[] {
  return Object.keys(requirements).filter(
    (name) => !requirements[name]!.paths.every((path) => existsSync(path)),
  );
}

/** Those of the system that are not installed. */
export function missingServers(): readonly {
  readonly scheme: string;
  readonly aptPackages: readonly string[];
}[] {
  const schemes = ["s3", "redis", "memcached"];
  return missingRequirements()
    .filter((name) => schemes.includes(name))
    .map((scheme) => ({ scheme, aptPackages: requirements[scheme]!.aptPackages }));
}

/** Installs what is missing if this is root on Debian; says in one line what to install otherwise. */
export function installRequirements(): void {
  const missing = missingRequirements().map((name) => requirements[name]!);
  const packages = missing.flatMap(({ aptPackages }) => aptPackages);
  if (packages.length === 0) return;
  const isRootOnDebian = process.getuid?.() === 0 && existsSync("/etc/debian_version");
  if (!isRootOnDebian) {
    console.log(`some tests are skipped; to run them: sudo apt-get install ${packages.join(" ")}`);
    return;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [
    ["update", "-qq"],
    ["install", "-y", "-qq", "--no-install-recommends", ...packages],
  ]) {
    const { status } = spawnSync("apt-get", args, { stdio: ["ignore", "ignore", "inherit"], env });
    if (status !== 0)
      console.log(`apt-get ${args[0]} failed with ${status}: ${packages.join(" ")} may be missing`);
  }
  for (const { install } of missing) install?.();
}
