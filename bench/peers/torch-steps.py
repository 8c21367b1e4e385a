#!/usr/bin/env python3
"""The peer of `sltrain bench steps`: the same training steps in PyTorch (Debian: python3-torch, libopenblas0).

    torch-steps.py [--device cpu|cuda|cuda:1]

Says in its first line what it runs on, then answers one line of JSON with one line of JSON:

    {"do": "prepare", "topology": {...}, "loss": "softmax-cross-entropy", "batchSize": 128, "stepsAtOnce": 1}
        -> {"parameters": 61706}, or {"unsupported": "why"}
    {"do": "run", "budgetMs": 300, "minSteps": 3}  -> {"timesMs": [...], "losses": [first, last]}
    {"do": "matmul", "m": 1024, "k": 1024, "n": 1024, "budgetMs": 300}  -> {"medianMs": 0.05}
    {"do": "conv2d", "x": [n, h, w, c], "filter": [h, w, c, filters], "strides": [1, 1], "direction": "forward",
     "budgetMs": 300}  -> {"medianMs": 0.2}; direction: forward, input-gradient or filter-gradient; padding "same"

On CUDA everything is f32 with TF32 off; cuDNN is as PyTorch has it by default (no benchmark mode, not deterministic),
and its tensors NCHW. Steps are launched without waiting; of every `stepsAtOnce` the last is waited for. Kernels are
timed by CUDA events around many launches.

A step is what a PyTorch user writes: zero_grad, forward, mean loss, backward, SGD; the batch lies in memory, images in
PyTorch's own NCHW. Where TensorFlow pads one side more than the other, both sides get the larger padding, as in
PyTorch's own models: the arithmetic is the same. Started by hand, set OMP_NUM_THREADS=1.
"""

import argparse
import ctypes
import json
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

LR = 0.01
ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "relu6": F.relu6,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "softmax": lambda x: torch.softmax(x, -1),
}
# The losses that take logits leave out a final activation of this name.
LINKS = {"softmax-cross-entropy": "softmax", "sigmoid-cross-entropy": "sigmoid"}


def padding_of(layer, extents, window):
    """Symmetric, and such that the output is as large as TensorFlow's."""
    if layer.get("padding", "valid") == "valid":
        return (0, 0)
    totals = [
        max((-(-extent // stride) - 1) * stride + size - extent, 0)
        for extent, stride, size in zip(extents, layer["strides"], window)
    ]
    return tuple(-(-total // 2) for total in totals)


class Flatten(nn.Module):
    def forward(self, x):
        return torch.flatten(x, 1)


class GlobalAverage(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class TokenAndPositionEmbedding(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.tokens = nn.Embedding(layer["vocabularySize"], layer["embeddingDim"])
        self.positions = nn.Embedding(layer["sequenceLength"], layer["embeddingDim"])

    def forward(self, x):
        return self.tokens(x) + self.positions(torch.arange(x.shape[1], device=x.device))


class CausalSelfAttention(nn.Module):
    """As in nanoGPT: by PyTorch's own function where it has one (from 2.0 on), else by a masked softmax."""

    def __init__(self, heads, positions):
        super().__init__()
        self.heads = heads
        self.register_buffer("mask", torch.tril(torch.ones(positions, positions)) == 0)

    def forward(self, qkv):
        batch, positions, features = qkv.shape
        width = features // 3
        q, k, v = (
            part.view(batch, positions, self.heads, width // self.heads).transpose(1, 2)
            for part in qkv.split(width, dim=2)
        )
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) * (1.0 / k.shape[-1] ** 0.5)
            y = torch.softmax(scores.masked_fill(self.mask, float("-inf")), dim=-1) @ v
        return y.transpose(1, 2).contiguous().view(batch, positions, width)


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def module_of(layer, shapes):
    """The layer as PyTorch has it, for inputs of these shapes (N, C, H, W or N, C, or of tokens N, T, C)."""
    kind = layer["className"]
    shape = shapes[0]
    channels = shape[-1] if len(shape) == 3 else shape[1]
    if kind == "Dense":
        return nn.Linear(channels, layer["units"], bias=layer["useBias"])
    if kind in ("Conv2D", "DepthwiseConv2D"):
        dilations = layer.get("dilationRate", [1, 1])
        window = [(size - 1) * rate + 1 for size, rate in zip(layer["kernelSize"], dilations)]
        depthwise = kind == "DepthwiseConv2D"
        return nn.Conv2d(
            channels,
            channels * layer.get("depthMultiplier", 1) if depthwise else layer["filters"],
            layer["kernelSize"],
            stride=layer["strides"],
            padding=padding_of(layer, shape[2:], window),
            dilation=dilations,
            groups=channels if depthwise else 1,
            bias=layer["useBias"],
        )
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        padding = padding_of(layer, shape[2:], layer["poolSize"])
        if kind == "MaxPooling2D":
            return nn.MaxPool2d(layer["poolSize"], layer["strides"], padding)
        return nn.AvgPool2d(layer["poolSize"], layer["strides"], padding, count_include_pad=False)
    if kind == "Embedding":
        return nn.Embedding(layer["inputDim"], layer["outputDim"])
    if kind == "TokenAndPositionEmbedding":
        return TokenAndPositionEmbedding(layer)
    if kind == "CausalSelfAttention":
        return CausalSelfAttention(layer["numHeads"], shape[1])
    if kind == "GlobalAveragePooling2D":
        return GlobalAverage()
    if kind == "Flatten":
        return Flatten()
    if kind == "Dropout":
        return nn.Dropout(layer["rate"])
    if kind == "BatchNormalization":
        norm = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
        return norm(channels, eps=layer["epsilon"], momentum=1 - layer["momentum"])
    if kind == "LayerNormalization":
        return nn.LayerNorm(channels, eps=layer["epsilon"])
    if kind == "LocalResponseNormalization":
        size = 2 * layer["depthRadius"] + 1
        return nn.LocalResponseNorm(size, layer["alpha"] * size, layer["beta"], layer["bias"])
    if kind in ("Add", "Multiply", "Concatenate"):
        return Function(
            {
                "Add": lambda *inputs: sum(inputs[1:], inputs[0]),
                "Multiply": lambda a, b: a * b,
                "Concatenate": lambda *inputs: torch.cat(inputs, 1),
            }[kind]
        )
    if kind == "Activation":
        return Function(ACTIVATIONS[layer["activation"]])
    if kind == "LeakyReLU":
        return nn.LeakyReLU(layer["negativeSlope"])
    if kind == "ZeroPadding2D":
        (top, bottom), (left, right) = layer["padding"]
        return nn.ZeroPad2d((left, right, top, bottom))
    raise NotImplementedError(f"layer {kind}")


class Model(nn.Module):
    """A topology of sltrain (src/models/topology.ts); the activation that the loss does itself is left out."""

    def __init__(self, topology, link, x):
        super().__init__()
        self.steps = []
        self.parts = nn.ModuleList()
        values = {}
        layers = topology["layers"]
        names = [None] + [layer["name"] for layer in layers]
        read = [layer.get("inputs") or [names[index]] for index, layer in enumerate(layers)]
        uses = [source for sources in read for source in sources]
        for index, (layer, sources) in enumerate(zip(layers, read)):
            inputs = [values.get(source, x) for source in sources]
            is_link = index == len(layers) - 1 and layer.get("activation") == link
            part = Function(ACTIVATIONS["linear"])
            if not (is_link and layer["className"] == "Activation"):
                part = module_of(layer, [value.shape for value in inputs])
            fused = layer["className"] != "Activation" and "activation" in layer and not is_link
            activation = ACTIVATIONS[layer["activation"]] if fused else ACTIVATIONS["linear"]
            # What nobody else reads, PyTorch's own models overwrite.
            if layer.get("activation") == "relu" and not is_link:
                if fused:
                    activation = torch.relu_
                elif sources[0] in values and uses.count(sources[0]) == 1:
                    part = nn.ReLU(inplace=True)
            with torch.no_grad():
                values[layer["name"]] = activation(part(*inputs))
            self.parts.append(part)
            self.steps.append((part, activation, sources, layer["name"]))

    def forward(self, x):
        values = {}
        for part, activation, sources, name in self.steps:
            values[name] = activation(part(*[values.get(source, x) for source in sources]))
        return values[name]


class Training:
    def __init__(self, device, topology, loss, batch_size, steps_at_once):
        torch.manual_seed(1)
        self.device = device
        self.steps_at_once = steps_at_once
        shape = topology["inputShape"]
        image = [shape[2], shape[0], shape[1]] if len(shape) == 3 else shape
        first = topology["layers"][0]
        vocabulary = first.get("vocabularySize", first.get("inputDim"))
        if vocabulary is None:
            self.x = torch.randn(batch_size, *image)
        else:
            self.x = torch.randint(vocabulary, (batch_size, *image))
        # Its layers get their shapes from a run on the processor.
        self.model = Model(topology, LINKS.get(loss), self.x)
        self.model.to(device)
        self.x = self.x.to(device)
        outputs = self.model(self.x).shape[1:]
        if loss == "softmax-cross-entropy":
            # Of tokens, there is an answer for each position.
            self.truth = torch.randint(outputs[-1], (batch_size, *outputs[:-1]))
            self.loss = lambda logits, truth: F.cross_entropy(logits.flatten(0, -2), truth.flatten())
        elif loss == "sigmoid-cross-entropy":
            self.truth = torch.randint(2, (batch_size, *outputs)).float()
            self.loss = F.binary_cross_entropy_with_logits
        elif loss == "mean-squared-error":
            self.truth = torch.randn(batch_size, *outputs)
            self.loss = F.mse_loss
        else:
            raise NotImplementedError(f"loss {loss}")
        self.truth = self.truth.to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LR)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model(self.x), self.truth)
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, budget_ms, min_steps):
        times_ms = []
        end = time.perf_counter() + budget_ms / 1000
        began = time.perf_counter()
        losses = []
        while len(times_ms) < min_steps or began < end:
            # The first loss is that of one step.
            steps = self.steps_at_once if times_ms else 1
            for _ in range(steps):
                loss = self.step()
            losses.append(loss.detach())
            synchronise(self.device)
            now = time.perf_counter()
            times_ms.append((now - began) * 1000 / steps)
            began = now
        return {"timesMs": times_ms, "losses": [losses[0].item(), losses[-1].item()]}


def synchronise(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed_ms(device, run, repeats):
    """ms of one of `repeats` runs: by CUDA's own clock, or the processor's."""
    if device.type != "cuda":
        began = time.perf_counter()
        for _ in range(repeats):
            run()
        return (time.perf_counter() - began) * 1000 / repeats
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    for _ in range(repeats):
        run()
    last.record()
    torch.cuda.synchronize(device)
    return first.elapsed_time(last) / repeats


def median_ms(device, run, budget_ms):
    timed_ms(device, run, 3)
    once = max(timed_ms(device, run, 3), 1e-3)
    repeats = max(1, int(budget_ms / 10 / once))
    times = sorted(timed_ms(device, run, repeats) for _ in range(9))
    return times[len(times) // 2]


def matmul_ms(device, request):
    a = torch.randn(request["m"], request["k"], device=device)
    b = torch.randn(request["k"], request["n"], device=device)
    out = torch.empty(request["m"], request["n"], device=device)
    return median_ms(device, lambda: torch.mm(a, b, out=out), request["budgetMs"])


def conv2d_ms(device, request):
    """By the very functions that autograd calls; where TensorFlow's "same" pads one side more, both sides get more."""
    n, height, width, channels = request["x"]
    rows, columns, _, filters = request["filter"]
    strides = request["strides"]
    layer = {"padding": "same", "strides": strides}
    padding = padding_of(layer, (height, width), (rows, columns))
    x = torch.randn(n, channels, height, width, device=device)
    weight = torch.randn(filters, channels, rows, columns, device=device)
    dy = torch.randn_like(F.conv2d(x, weight, stride=strides, padding=padding))

    def gradient(mask):
        return torch.ops.aten.convolution_backward(
            dy, x, weight, None, strides, padding, [1, 1], False, [0, 0], 1, mask
        )

    run = {
        "forward": lambda: F.conv2d(x, weight, stride=strides, padding=padding),
        "input-gradient": lambda: gradient([True, False, False]),
        "filter-gradient": lambda: gradient([False, True, False]),
    }[request["direction"]]
    with torch.no_grad():
        return median_ms(device, run, request["budgetMs"])


def blas():
    """The library behind torch's matrix products, and the kernels that it chose for this CPU by itself."""
    with open("/proc/self/maps") as maps:
        paths = sorted({line.split()[-1] for line in maps if "blas" in line and "/" in line})
    for path in paths:
        library = ctypes.CDLL(path)
        if hasattr(library, "openblas_get_corename"):
            library.openblas_get_corename.restype = ctypes.c_char_p
            library.openblas_get_config.restype = ctypes.c_char_p
            return f"{library.openblas_get_config().decode()}, kernels {library.openblas_get_corename().decode()}"
    return ", ".join(paths) or "built in"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--device", default="cpu")
    device = torch.device(arguments.parse_args().device)
    facts = {}
    if device.type == "cuda":
        if not torch.cuda.is_available():
            sys.exit("Error: this PyTorch finds no CUDA device")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        facts = {
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "gpu": torch.cuda.get_device_name(device),
        }
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    torch.set_num_threads(threads)
    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "threads": threads,
                "blas": blas(),
                "oneDnn": torch.backends.mkldnn.is_available(),
                **facts,
            }
        ),
        flush=True,
    )
    training = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "prepare":
            try:
                training = Training(
                    device,
                    request["topology"],
                    request["loss"],
                    request["batchSize"],
                    request["stepsAtOnce"],
                )
                count = sum(parameter.numel() for parameter in training.model.parameters())
                answer = {"parameters": count}
            except NotImplementedError as error:
                answer = {"unsupported": str(error)}
        elif request["do"] == "matmul":
            answer = {"medianMs": matmul_ms(device, request)}
        elif request["do"] == "conv2d":
            answer = {"medianMs": conv2d_ms(device, request)}
        else:
            answer = training.run(request["budgetMs"], request["minSteps"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
