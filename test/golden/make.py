#!/usr/bin/env python3
"""Golden losses and gradients, by PyTorch: `python3 test/golden/make.py` rewrites the *.json beside it.

Needs Debian's python3-torch and python3-numpy; tests read the committed values only. The models are written down
here a second time, by hand, so that a mistake in sltrain's builder shows. All is computed in float64: the values do
not depend on the machine. Data and initial parameters come from sltrain's own streams (src/random.ts).
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

BATCH_SIZE = 32
STEPS = 10
LR = 0.05
MOMENTUM = 0.9
SEED = 1
# A tensor with more elements gives this many of them, evenly spread, besides its sum and its norm.
SAMPLES = 50
ALL_UP_TO = 200

# input: one sample's shape (NHWC without N). Layers:
#   ("flatten",), ("dense", units, activation), ("max-pool" | "avg-pool", size, stride, padding),
#   ("conv", filters, kernel size, strides, padding, activation)
MODELS = {
    "mlp": {
        "input": [28, 28, 1],
        "loss": "softmax-cross-entropy",
        "layers": [("flatten",), ("dense", 512, "relu"), ("dense", 10, None)],
    },
    "lenet5": {
        "input": [28, 28, 1],
        "loss": "softmax-cross-entropy",
        "layers": [
            ("conv", 6, 5, (1, 1), "same", "relu"),
            ("max-pool", 2, 2, "valid"),
            ("conv", 16, 5, (1, 1), "valid", "relu"),
            ("max-pool", 2, 2, "valid"),
            ("flatten",),
            ("dense", 120, "relu"),
            ("dense", 84, "relu"),
            ("dense", 10, None),
        ],
    },
    "feng-a": {
        "input": [20],
        "loss": "sigmoid-cross-entropy",
        "layers": [("dense", 100, "relu")] * 5 + [("dense", 1, None)],
    },
    "tanh-avg-pool": {
        "input": [11, 9, 3],
        "loss": "mean-squared-error",
        "layers": [
            ("conv", 5, 3, (2, 1), "same", "tanh"),
            ("avg-pool", 3, 2, "same"),
            ("conv", 4, 2, (1, 1), "valid", "sigmoid"),
            ("flatten",),
            ("dense", 12, "tanh"),
            ("dense", 3, None),
        ],
    },
}


def random_u32(stream, count):
    """The first numbers of `new RandomStream(SEED, stream)`: Philox4x32-10 with counters (block, 0, 0, 0)."""
    name_hash = 0x811C9DC5
    for character in stream:
        name_hash = ((name_hash ^ ord(character)) * 0x01000193) & 0xFFFFFFFF
    blocks = -(-count // 4)
    c0 = np.arange(blocks, dtype=np.uint64)
    c1 = c2 = c3 = np.zeros(blocks, dtype=np.uint64)
    key0, key1 = SEED, name_hash
    low = np.uint64(0xFFFFFFFF)
    high = np.uint64(32)
    for _ in range(10):
        product0 = c0 * np.uint64(0xD2511F53)
        product1 = c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (product1 >> high) ^ c1 ^ np.uint64(key0),
            product1 & low,
            (product0 >> high) ^ c3 ^ np.uint64(key1),
            product0 & low,
        )
        key0 = (key0 + 0x9E3779B9) & 0xFFFFFFFF
        key1 = (key1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).reshape(-1)[:count]


def symmetric(stream, shape):
    """Uniform in [-1, 1), with 24 bits: exact in float32."""
    count = math.prod(shape)
    uniform = (random_u32(stream, count) >> np.uint64(8)).astype(np.float64) / 2**24
    return (2 * uniform - 1).reshape(shape)


def parameter(name, shape):
    """Kernels within Glorot's limits, biases within 0.1; rounded to float32, as sltrain holds them."""
    limit = 0.1
    if len(shape) > 1:
        window = math.prod(shape[:-2])
        limit = math.sqrt(6 / (window * shape[-2] + window * shape[-1]))
    values = (symmetric(f"golden/{name}", shape) * limit).astype(np.float32)
    return torch.tensor(values.astype(np.float64), requires_grad=True)


def same_padding(extent, window, stride):
    """TensorFlow's: the odd cell goes behind."""
    total = max((-(-extent // stride) - 1) * stride + window - extent, 0)
    return total // 2, total - total // 2


def pad(image, window, strides, padding, value):
    """`image` is NCHW here."""
    if padding == "valid":
        return image
    top, bottom = same_padding(image.shape[2], window, strides[0])
    left, right = same_padding(image.shape[3], window, strides[1])
    return F.pad(image, (left, right, top, bottom), value=value)


def nchw(image):
    return image.permute(0, 3, 1, 2)


def nhwc(image):
    return image.permute(0, 2, 3, 1)


def conv(x, kernel, bias, strides, padding):
    padded = pad(nchw(x), kernel.shape[0], strides, padding, 0.0)
    return nhwc(F.conv2d(padded, kernel.permute(3, 2, 0, 1), bias, stride=strides))


def max_pool(x, size, stride, padding):
    return nhwc(F.max_pool2d(pad(nchw(x), size, (stride, stride), padding, -math.inf), size, stride))


def avg_pool(x, size, stride, padding):
    """Sums over the windows, divided by their cells inside the image."""
    image = nchw(x)
    sums = F.avg_pool2d(pad(image, size, (stride, stride), padding, 0.0), size, stride)
    cells = F.avg_pool2d(pad(torch.ones_like(image), size, (stride, stride), padding, 0.0), size, stride)
    return nhwc(sums / cells)


ACTIVATIONS = {None: lambda x: x, "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
LAYER_NAMES = {"dense": "dense", "conv": "conv2d"}


def forward(layers, x, parameters):
    """The logits. Fills `parameters` on the first call."""
    seen = {}

    def weights(kind, kernel_shape):
        base = LAYER_NAMES[kind]
        count = seen.get(base, 0)
        seen[base] = count + 1
        name = base if count == 0 else f"{base}_{count}"
        for suffix, shape in (("kernel", kernel_shape), ("bias", kernel_shape[-1:])):
            key = f"{name}/{suffix}"
            if key not in parameters:
                parameters[key] = parameter(key, shape)
        return parameters[f"{name}/kernel"], parameters[f"{name}/bias"]

    for kind, *settings in layers:
        if kind == "flatten":
            x = x.reshape(x.shape[0], -1)
        elif kind == "dense":
            units, activation = settings
            kernel, bias = weights(kind, [x.shape[1], units])
            x = ACTIVATIONS[activation](x @ kernel + bias)
        elif kind == "conv":
            filters, size, strides, padding, activation = settings
            kernel, bias = weights(kind, [size, size, x.shape[3], filters])
            x = ACTIVATIONS[activation](conv(x, kernel, bias, strides, padding))
        else:
            x = {"max-pool": max_pool, "avg-pool": avg_pool}[kind](x, *settings)
    return x


def mean_loss(name, logits):
    batch, outputs = logits.shape
    if name == "softmax-cross-entropy":
        labels = random_u32("golden/labels", batch) % np.uint64(outputs)
        return F.cross_entropy(logits, torch.tensor(labels.astype(np.int64)))
    if name == "sigmoid-cross-entropy":
        bits = random_u32("golden/targets", batch * outputs) & np.uint64(1)
        return F.binary_cross_entropy_with_logits(
            logits, torch.tensor(bits.astype(np.float64)).reshape(logits.shape), reduction="sum"
        ) / batch
    return F.mse_loss(logits, torch.tensor(symmetric("golden/targets", logits.shape)))


def digits(value):
    """Nine significant digits hold a float32."""
    return float(f"{value:.9g}")


def describe(gradient):
    flat = gradient.reshape(-1)
    length = flat.numel()
    count = length if length <= ALL_UP_TO else SAMPLES
    indices = [(2 * i + 1) * length // (2 * count) for i in range(count)]
    return {
        "length": length,
        "sum": digits(flat.sum().item()),
        "norm": digits(flat.norm().item()),
        "max": digits(flat.abs().max().item()),
        "samples": [digits(flat[index].item()) for index in indices],
    }


def golden(model):
    """Ten steps on one batch."""
    x = torch.tensor(symmetric("golden/x", [BATCH_SIZE, *model["input"]]))
    parameters = {}
    forward(model["layers"], x, parameters)
    optimizer = torch.optim.SGD(parameters.values(), lr=LR, momentum=MOMENTUM)
    losses = []
    gradients = {}
    for step in range(STEPS):
        loss = mean_loss(model["loss"], forward(model["layers"], x, parameters))
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            gradients = {name: describe(tensor.grad) for name, tensor in parameters.items()}
        optimizer.step()
        losses.append(digits(loss.item()))
    return {
        "batchSize": BATCH_SIZE,
        "seed": SEED,
        "lr": LR,
        "momentum": MOMENTUM,
        "loss": model["loss"],
        "losses": losses,
        "gradients": gradients,
    }


if __name__ == "__main__":
    for name, model in MODELS.items():
        result = golden(model)
        print(name, result["losses"])
        (Path(__file__).parent / f"{name}.json").write_text(json.dumps(result) + "\n")
