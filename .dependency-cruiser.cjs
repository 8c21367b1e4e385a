// Imports inside src/ point downwards only (docs/architecture.md). A folder's rank is its line in this list:
// it may import folders of lower ranks and itself, never an equal or a higher one.
const ranks = [
  ["wasm"],
  ["kernels", "shard", "storage"],
  ["device"],
  ["graph", "allreduce", "data", "optim", "tfjs", "functions"],
  ["plan", "models", "config"],
  ["algorithms", "run"],
  ["worker", "coordinator", "ps"],
  ["providers", "ui"],
  ["doctor"],
  ["commands", "hooks"],
];

const layers = ranks.flatMap((folders, rank) =>
  folders.map((folder) => {
    const forbidden = [...folders.filter((f) => f !== folder), ...ranks.slice(rank + 1).flat()];
    return {
      name: `src/${folder} is of rank ${rank + 1}`,
      severity: "error",
      from: { path: `^src/${folder}/` },
      to: { path: `^src/(${forbidden.join("|")})/` },
    };
  }),
);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...layers,
    {
      name: "rank 0 imports no folder",
      severity: "error",
      from: { path: "^src/[^/]+\\.ts$", pathNot: "^src/index\\.ts$" },
      to: { path: "^src/[^/]+/" },
    },
    {
      name: "no-circular",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-orphans",
      severity: "error",
      from: {
        orphan: true,
        path: "^src/",
        pathNot: ["^src/commands/", "^src/hooks/", "^src/index\\.ts$", "\\.d\\.ts$"],
      },
      to: {},
    },
    {
      name: "src does not import tests or tools",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|tools)/" },
    },
    {
      name: "only commands import benches",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/commands/" },
      to: { path: "^bench/" },
    },
    {
      name: "no-undeclared-packages",
      severity: "error",
      from: { path: "^src/" },
      to: {
        dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"],
        dependencyTypesNot: ["type-only", "npm-peer"],
      },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
  },
};
