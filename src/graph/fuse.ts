// Peephole rewriting: puts one node in the place of two where that saves a pass over memory. Results are the same
// bits, save that gradients through `conv2d-max-pool` are summed in another order.

import type { Op, Tensor } from "../kernels/op.ts";
import { conv2d, type Conv2dParams } from "../kernels/ops/conv2d.ts";
import { conv2dMaxPool, type Conv2dMaxPoolParams } from "../kernels/ops/conv2d-max-pool.ts";
import { reluGrad } from "../kernels/ops/elementwise.ts";
import { fill, type FillParams } from "../kernels/ops/fill.ts";
import {
  softmaxCrossEntropy,
  softmaxCrossEntropyGrad,
  softmaxCrossEntropyWithGrad,
} from "../kernels/ops/losses.ts";
import { maxPool, maxPoolGrad, poolGeometry, type PoolParams } from "../kernels/ops/pooling.ts";
import { reshape } from "../kernels/ops/reshape.ts";
import { elementCount } from "../kernels/tensor.ts";
import type { Graph, GraphNode } from "./graph.ts";

/** What a rule sees of the graph around its node. */
interface Surroundings {
  /** The node that computes `tensor`, if nobody but the rule's own node sees any of its results. */
  readonly ownProducer: (tensor: Tensor) => GraphNode | undefined;
  readonly producer: (tensor: Tensor) => GraphNode | undefined;
  /** The nodes that have `tensor` among their inputs. */
  readonly readers: (tensor: Tensor) => readonly GraphNode[];
  /** Makes a node with new outputs. */
  readonly make: <P extends object>(op: Op<P>, inputs: readonly Tensor[], params: P) => GraphNode;
}

interface Rewrite {
  /** Another node, which goes. */
  readonly removed: GraphNode;
  /** What stands in the node's place; the last one computes the node's outputs. */
  readonly nodes: readonly GraphNode[];
}

type Rule = (node: GraphNode, surroundings: Surroundings) => Rewrite | undefined;

/**
 * Up to so many elements of all filters together, visiting the winners alone takes less time than dense gradients: it
 * needs fewer products by the size of the window, but each winner goes through its whole filter, which must stay in
 * cache. Windows of 3x3 on 16 channels or more are Winograd's, who needs few products too. Both as measured.
 */
function maximumFilterElements([height, width, channels]: readonly number[]): number {
  return height === 3 && width === 3 && channels! >= 16 ? 24 * 1024 : 64 * 1024;
}

/** max-pool(conv2d(x, w)) -> conv2d-max-pool(x, w): the convolution's output need not be kept. */
const poolWithConvolution: Rule = (node, { ownProducer, make }) => {
  const convolution = node.op === maxPool ? ownProducer(node.inputs[0]!) : undefined;
  if (convolution?.op !== conv2d) return undefined;
  const { dilations, ...params } = convolution.params as Conv2dParams;
  const { poolSize, strides } = node.params as PoolParams;
  const filter = convolution.inputs[1]!.type;
  const { vertical, horizontal } = poolGeometry(
    maxPool.name,
    node.inputs[0]!.type.shape,
    node.params as PoolParams,
  );
  const tiled =
    poolSize.every((size, axis) => size === strides[axis]) &&
    [vertical, horizontal].every(({ before, after }) => before === 0 && after === 0);
  const dilated = dilations?.some((dilation) => dilation !== 1) ?? false;
  if (!tiled || dilated || elementCount(filter) > maximumFilterElements(filter.shape)) return undefined;
  const fused = make<Conv2dMaxPoolParams>(conv2dMaxPool, convolution.inputs, { ...params, poolSize });
  return { removed: convolution, nodes: [{ ...fused, outputs: [node.outputs[0]!, fused.outputs[1]!] }] };
};

/** relu-grad(y, op(...)) -> op(..., mask = y) where the op can do it on its way out. */
const maskOnTheWayOut: Rule = (node, { ownProducer }) => {
  const producer = node.op === reluGrad ? ownProducer(node.inputs[1]!) : undefined;
  if (producer === undefined || producer.op.maskOperand !== producer.inputs.length) return undefined;
  const inputs = [...producer.inputs, node.inputs[0]!];
  return { removed: producer, nodes: [{ ...producer, inputs, outputs: node.outputs }] };
};

/** relu-grad(y, view(dy)) -> view(relu-grad(view(y), dy)): brings a mask to the op before the view. */
const maskBeforeView: Rule = (node, { ownProducer, make }) => {
  const view = node.op === reluGrad ? ownProducer(node.inputs[1]!) : undefined;
  if (view?.op !== reshape) return undefined;
  const dy = view.inputs[0]!;
  const y = make(reshape, [node.inputs[0]!], { shape: dy.type.shape });
  const masked = make(reluGrad, [y.outputs[0]!, dy], {});
  return { removed: view, nodes: [y, masked, { ...view, inputs: masked.outputs, outputs: node.outputs }] };
};

/**
 * relu-grad(x, max-pool-grad(x, y, dy)) -> max-pool-grad(x, y, relu-grad(y, dy)): what a cell has won with is y, so
 * the smaller tensor tells as well which dy pass.
 */
const maskBeforePool: Rule = (node, { ownProducer, make }) => {
  const pool = node.op === reluGrad ? ownProducer(node.inputs[1]!) : undefined;
  if (pool?.op !== maxPoolGrad || pool.inputs[0]!.id !== node.inputs[0]!.id) return undefined;
  const [x, y, dy] = pool.inputs as [Tensor, Tensor, Tensor];
  const masked = make(reluGrad, [y, dy], {});
  return {
    removed: pool,
    nodes: [masked, { ...pool, inputs: [x, y, masked.outputs[0]!], outputs: node.outputs }],
  };
};

/**
 * softmax-cross-entropy(x, labels), softmax-cross-entropy-grad(x, labels, 1) -> softmax-cross-entropy-with-grad(x,
 * labels), or of the same with weights: the exponentials are needed once.
 */
const lossWithGradient: Rule = (node, { producer, readers, make }) => {
  if (node.op !== softmaxCrossEntropy) return undefined;
  const [logits] = node.inputs as [Tensor, Tensor];
  const gradient = readers(logits).find(({ op, inputs }) => {
    const operands = inputs.toSpliced(2, 1);
    const same =
      operands.length === node.inputs.length && operands.every((x, i) => x.id === node.inputs[i]!.id);
    if (op !== softmaxCrossEntropyGrad || !same) return false;
    const dLoss = producer(inputs[2]!);
    return dLoss?.op === fill && (dLoss.params as FillParams).value === 1;
  });
  if (gradient === undefined) return undefined;
  const fused = make(softmaxCrossEntropyWithGrad, node.inputs, node.params);
  return { removed: gradient, nodes: [{ ...fused, outputs: [...node.outputs, ...gradient.outputs] }] };
};

const rules: readonly Rule[] = [
  poolWithConvolution,
  maskOnTheWayOut,
  maskBeforeView,
  maskBeforePool,
  lossWithGradient,
];

/**
 * Applies the rules until none fits. `kept` tensors and those of the graph's own interface keep their identity, and
 * nothing is computed later than before: a node stands where its results were made, or the last of its operands.
 */
export function fuse(graph: Graph, kept: readonly Tensor[]): Graph {
  for (let fused = graph; ;) {
    const next = rewriteOnce(fused, kept);
    if (next === undefined) return fused;
    fused = next;
  }
}

function rewriteOnce(graph: Graph, kept: readonly Tensor[]): Graph | undefined {
  const uses = new Map<number, number>();
  const use = ({ id }: Tensor): Map<number, number> => uses.set(id, (uses.get(id) ?? 0) + 1);
  const producers = new Map<number, GraphNode>();
  const readers = new Map<number, GraphNode[]>();
  kept.forEach(use);
  for (const node of graph.nodes) {
    node.inputs.forEach(use);
    for (const { id } of node.inputs) readers.set(id, [...(readers.get(id) ?? []), node]);
    for (const { id } of node.outputs) producers.set(id, node);
  }
  let { tensorCount } = graph;
  const surroundings: Surroundings = {
    ownProducer({ id }) {
      const producer = producers.get(id);
      const seen = producer?.outputs.reduce((sum, output) => sum + (uses.get(output.id) ?? 0), 0);
      return seen === 1 ? producer : undefined;
    },
    producer: ({ id }) => producers.get(id),
    readers: ({ id }) => readers.get(id) ?? [],
    make(op, inputs, params) {
      const types = op.infer(
        inputs.map(({ type }) => type),
        params,
      );
      return { op, inputs, params, outputs: types.map((type) => ({ id: tensorCount++, type })) };
    },
  };
  for (const [index, node] of graph.nodes.entries())
    for (const rule of rules) {
      const rewrite = rule(node, surroundings);
      if (rewrite === undefined) continue;
      const nodes = graph.nodes.toSpliced(index, 1, ...rewrite.nodes);
      return { ...graph, nodes: nodes.filter((other) => other !== rewrite.removed), tensorCount };
    }
  return undefined;
}
