// `npm run image`: builds Containerfile with whichever of buildah, podman and docker is here. The image is for machines with
// GPUs and holds what `npm run build` makes of these sources.
//
//   node tools/build-image.ts [--tag sltrain:gpu] [--engine buildah|podman|docker] [--base IMAGE] [-- ARGS OF THE ENGINE]
import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ENGINES = ["buildah", "podman", "docker"] as const;

const root = fileURLToPath(new URL("..", import.meta.url));
const { values, positionals } = parseArgs({
  options: {
    tag: { type: "string", default: "sltrain:gpu" },
    engine: { type: "string" },
    /** In place of the Containerfile's: Debian with Node 24 and npm. */
    base: { type: "string" },
  },
  allowPositionals: true,
});

const engine = values.engine ?? ENGINES.find((name) => spawnSync(name, ["--version"]).status === 0);
if (engine === undefined) {
  console.error(
    `expected one of ${ENGINES.join(", ")} to build an image with, got none: apt-get install buildah`,
  );
  process.exit(1);
}
execFileSync(process.execPath, ["tools/build.ts"], { cwd: root, stdio: "inherit" });
const args = [
  ...["build", "--file", "Containerfile", "--tag", values.tag],
  // Docker finds it by its name.
  ...(engine === "docker" ? [] : ["--ignorefile", "Containerfile.dockerignore"]),
  ...(values.base === undefined ? [] : ["--build-arg", `BASE=${values.base}`]),
  ...positionals,
  ".",
];
console.log([engine, ...args].join(" "));
const { status } = spawnSync(engine, args, { cwd: root, stdio: "inherit" });
process.exitCode = status ?? 1;
