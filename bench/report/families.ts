// Ops grouped as a reader looks for them.

export interface Family {
  readonly name: string;
  readonly ops: RegExp;
}

/** The first that matches; the last takes what is left. At most as many as the style sheet has hues. */
export const families: readonly Family[] = [
  { name: "Depthwise convolution", ops: /^depthwise/ },
  { name: "Convolution", ops: /^conv2d/ },
  { name: "Products", ops: /^(dense|matmul|sparse-|kmeans)/ },
  { name: "Pooling", ops: /pool/ },
  { name: "Normalisation", ops: /norm|moving-average/ },
  { name: "Optimisers", ops: /-update$/ },
  { name: "Losses and softmax", ops: /entropy|error|hinge|softmax/ },
  { name: "Element by element, and the rest", ops: /./ },
];

export function familyOf(op: string): number {
  return families.findIndex(({ ops }) => ops.test(op));
}
