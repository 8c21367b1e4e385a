#!/usr/bin/env python3
"""Golden losses and gradients, by PyTorch: `python3 test/golden/make.py` rewrites the *.json beside it, all or those named.

Needs Debian's python3-torch and python3-numpy; tests read the committed values only. The models are written down
here a second time, by hand, so that a mistake in sltrain's builder shows. All is computed in float64: the values do
not depend on the machine. Data and initial parameters come from sltrain's own streams (src/random.ts).
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

STEPS = 10
MOMENTUM = 0.9
# A tensor with more than ALL_UP_TO elements gives SAMPLES of them, evenly spread, besides its sum and its norm.
SAMPLES = 50
ALL_UP_TO = 200


def hash_name(name):
    """FNV-1a."""
    value = 0x811C9DC5
    for character in name:
        value = ((value ^ ord(character)) * 0x01000193) & 0xFFFFFFFF
    return value


class Random:
    """sltrain's streams under one seed."""

    def __init__(self, seed):
        self.seed = seed

    def philox(self, c0, c1, c2, c3, name):
        """Philox4x32-10: four words for each of the counters (broadcast), in a last axis; `name` is half of the key."""
        c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(c, dtype=np.uint64) for c in (c0, c1, c2, c3)))
        key0, key1 = self.seed, hash_name(name)
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
        return np.stack([c0, c1, c2, c3], axis=-1)

    def u32(self, stream, count):
        """The first numbers of `new RandomStream(seed, "golden/STREAM")`."""
        return self.philox(np.arange(-(-count // 4)), 0, 0, 0, f"golden/{stream}").reshape(-1)[:count]

    def symmetric(self, stream, shape):
        """Uniform in [-1, 1), with 24 bits: exact in float32."""
        count = math.prod(shape)
        uniform = (self.u32(stream, count) >> np.uint64(8)).astype(np.float64) / 2**24
        return (2 * uniform - 1).reshape(shape)

    def parameter(self, name, shape):
        """Kernels within Glorot's limits, scales within 0.1 of 1, biases of 0; rounded to float32, as sltrain does."""
        limit = 0.1
        if len(shape) > 1:
            window = math.prod(shape[:-2])
            limit = math.sqrt(6 / (window * shape[-2] + window * shape[-1]))
        centre = 1 if name.endswith("/gamma") else 0
        values = (centre + self.symmetric(name, shape) * limit).astype(np.float32)
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


def max_pool(x, size, stride, padding):
    return nhwc(F.max_pool2d(pad(nchw(x), size, (stride, stride), padding, -math.inf), size, stride))


def avg_pool(x, size, stride, padding):
    """Sums over the windows, divided by their cells inside the image."""
    image = nchw(x)
    sums = F.avg_pool2d(pad(image, size, (stride, stride), padding, 0.0), size, stride)
    cells = F.avg_pool2d(pad(torch.ones_like(image), size, (stride, stride), padding, 0.0), size, stride)
    return nhwc(sums / cells)


class Net:
    """Layers that name, make and keep their parameters as Keras does; images are NHWC."""

    def __init__(self, random):
        self.random = random
        self.parameters = {}
        self.statistics = {}
        self.counts = {}
        self.training = True
        self.step = 0
        self.margin = math.inf

    def forward(self, model, x, training=True):
        self.training = training
        self.counts = {}
        return model(self, x)

    def name(self, base):
        count = self.counts.get(base, 0)
        self.counts[base] = count + 1
        return base if count == 0 else f"{base}_{count}"

    def parameter(self, name, shape):
        if name not in self.parameters:
            self.parameters[name] = self.random.parameter(name, shape)
        return self.parameters[name]

    def dense(self, x, units):
        return self.linear(x, units) + self.parameter(f"{self.last_dense}/bias", [units])

    def linear(self, x, units):
        self.last_dense = self.name("dense")
        return x @ self.parameter(f"{self.last_dense}/kernel", [x.shape[-1], units])

    def conv(self, x, filters, size, strides=(1, 1), padding="same", bias=True):
        name = self.name("conv2d")
        kernel = self.parameter(f"{name}/kernel", [size, size, x.shape[3], filters])
        offset = self.parameter(f"{name}/bias", [filters]) if bias else None
        padded = pad(nchw(x), size, strides, padding, 0.0)
        return nhwc(F.conv2d(padded, kernel.permute(3, 2, 0, 1), offset, stride=strides))

    def depthwise(self, x, size, strides=(1, 1), padding="same"):
        name = self.name("depthwise_conv2d")
        channels = x.shape[3]
        kernel = self.parameter(f"{name}/depthwise_kernel", [size, size, channels, 1])
        padded = pad(nchw(x), size, strides, padding, 0.0)
        return nhwc(F.conv2d(padded, kernel.permute(2, 3, 0, 1), stride=strides, groups=channels))

    def batch_norm(self, x, momentum, epsilon):
        """The moving variance is of the biased one, as in Keras 3."""
        name = self.name("batch_normalization")
        channels = x.shape[-1]
        gamma = self.parameter(f"{name}/gamma", [channels])
        beta = self.parameter(f"{name}/beta", [channels])
        rows = x.reshape(-1, channels)
        statistics = {"moving_mean": rows.mean(0), "moving_variance": rows.var(0, unbiased=False)}
        for (suffix, value), initial in zip(statistics.items(), (0.0, 1.0)):
            key = f"{name}/{suffix}"
            old = self.statistics.setdefault(key, torch.full([channels], initial, dtype=torch.float64))
            if self.training:
                self.statistics[key] = momentum * old + (1 - momentum) * value.detach()
            else:
                statistics[suffix] = old
        mean, variance = statistics.values()
        return (x - mean) / torch.sqrt(variance + epsilon) * gamma + beta

    def layer_norm(self, x, epsilon):
        name = self.name("layer_normalization")
        gamma, beta = (self.parameter(f"{name}/{part}", [x.shape[-1]]) for part in ("gamma", "beta"))
        return F.layer_norm(x, [x.shape[-1]], gamma, beta, epsilon)

    def token_and_position_embedding(self, tokens, vocabulary, width):
        name = self.name("token_and_position_embedding")
        rows = self.parameter(f"{name}/embeddings", [vocabulary, width])
        positions = self.parameter(f"{name}/position_embeddings", [tokens.shape[1], width])
        return F.embedding(tokens, rows) + positions

    def relu(self, x):
        """Notes how near to its kink the relu came: what is nearer than float32's errors may fall to either side."""
        self.margin = min(self.margin, x.detach().abs().min().item())
        return torch.relu(x)

    def relu6(self, x):
        """With the kink at 6 as well."""
        self.margin = min(self.margin, (x.detach() - 6).abs().min().item())
        return self.relu(x).clamp(max=6.0)

    def dropout(self, x, rate, layer):
        """`layer` is the layer's place in the model. As src/kernels/ops/dropout.ts says."""
        if not self.training:
            return x
        batch, elements = x.shape
        blocks = np.arange(-(-elements // 4))
        words = self.random.philox(blocks, self.step, np.arange(batch)[:, None], layer, "dropout")
        kept = words.reshape(batch, -1)[:, :elements] >> np.uint64(8) >= round(rate * 2**24)
        return x * torch.tensor(kept) / (1 - rate)


def flat(x):
    return x.reshape(x.shape[0], -1)


def linear(units):
    return lambda net, x: net.dense(flat(x), units)


def mlp(net, x):
    return net.dense(net.relu(net.dense(flat(x), 512)), 10)


def lenet5(net, x):
    x = max_pool(net.relu(net.conv(x, 6, 5)), 2, 2, "valid")
    x = max_pool(net.relu(net.conv(x, 16, 5, padding="valid")), 2, 2, "valid")
    x = net.relu(net.dense(flat(x), 120))
    return net.dense(net.relu(net.dense(x, 84)), 10)


def feng_a(net, x):
    for _ in range(5):
        x = net.relu(net.dense(x, 100))
    return net.dense(x, 1)


def tanh_avg_pool(net, x):
    x = avg_pool(torch.tanh(net.conv(x, 5, 3, (2, 1))), 3, 2, "same")
    x = torch.sigmoid(net.conv(x, 4, 2, padding="valid"))
    return net.dense(torch.tanh(net.dense(flat(x), 12)), 3)


def conv_norm(net, x, filters, size, stride=1):
    return net.batch_norm(net.conv(x, filters, size, (stride, stride), bias=False), 0.9, 1e-5)


def residual_stages(net, x, blocks, width, bottleneck):
    for stage, count in enumerate(blocks):
        filters = width * 2**stage
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            shortcut = x
            if bottleneck:
                x = net.relu(conv_norm(net, x, filters, 1))
                x = net.relu(conv_norm(net, x, filters, 3, stride))
                x = conv_norm(net, x, 4 * filters, 1)
            else:
                x = net.relu(conv_norm(net, x, filters, 3, stride))
                x = conv_norm(net, x, filters, 3)
            if x.shape != shortcut.shape:
                shortcut = conv_norm(net, shortcut, x.shape[3], 1, stride)
            x = net.relu(x + shortcut)
    return x


def small_resnet(blocks, width):
    def model(net, x):
        x = net.relu(conv_norm(net, x, width, 3))
        return net.dense(residual_stages(net, x, blocks, width, False).mean((1, 2)), 10)

    return model


def resnet(blocks, width, bottleneck):
    def model(net, x):
        x = max_pool(net.relu(conv_norm(net, x, width, 7, 2)), 3, 2, "same")
        return net.dense(residual_stages(net, x, blocks, width, bottleneck).mean((1, 2)), 10)

    return model


def cifar_cnn(net, x):
    def norm(x):
        """alpha counts per element of the window there, as a mean here."""
        return nhwc(F.local_response_norm(nchw(x), 9, alpha=9 * 0.001 / 9, beta=0.75, k=1.0))

    x = norm(max_pool(net.relu(net.conv(x, 64, 5)), 3, 2, "same"))
    x = max_pool(norm(net.relu(net.conv(x, 64, 5))), 3, 2, "same")
    x = net.relu(net.dense(flat(x), 384))
    return net.dense(net.relu(net.dense(x, 192)), 10)


def mobilenet(filters):
    """`filters`: the stem's, and the channels and stride of each block."""

    def norm(net, x):
        return net.relu6(net.batch_norm(x, 0.99, 1e-3))

    def model(net, x):
        stem, *blocks = filters
        x = norm(net, net.conv(x, stem, 3, (2, 2), bias=False))
        for channels, stride in blocks:
            x = norm(net, net.depthwise(x, 3, (stride, stride)))
            x = norm(net, net.conv(x, channels, 1, bias=False))
        return net.dense(x.mean((1, 2)), 10)

    return model


MOBILENET_THIN = [4, (8, 1), (16, 2), (16, 1), (32, 2), (32, 1), (64, 2)]


def vgg19(width, units):
    def model(net, x):
        for count, filters in ((2, width), (2, 2 * width), (4, 4 * width), (4, 8 * width), (4, 8 * width)):
            for _ in range(count):
                x = net.relu(net.conv(x, filters, 3))
            x = max_pool(x, 2, 2, "valid")
        x = net.dropout(net.relu(net.dense(flat(x), units)), 0.5, 23)
        x = net.dropout(net.relu(net.dense(x, units)), 0.5, 25)
        return net.dense(x, 10)

    return model


def causal_self_attention(qkv, heads):
    batch, positions, features = qkv.shape
    q, k, v = qkv.reshape(batch, positions, 3, heads, -1).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
    hidden = torch.ones(positions, positions, dtype=torch.bool).triu(1)
    y = torch.softmax(scores.masked_fill(hidden, -math.inf), -1) @ v
    return y.transpose(1, 2).reshape(batch, positions, features // 3)


def gpt(layers, heads, width, vocabulary):
    def model(net, tokens):
        x = net.token_and_position_embedding(tokens, vocabulary, width)
        for _ in range(layers):
            attended = causal_self_attention(net.dense(net.layer_norm(x, 1e-5), 3 * width), heads)
            x = x + net.dense(attended, width)
            x = x + net.dense(F.gelu(net.dense(net.layer_norm(x, 1e-5), 4 * width)), width)
        return net.linear(net.layer_norm(x, 1e-5), vocabulary)

    return model


# By name: the model, one sample's shape (NHWC without N), the loss, and what differs from 32 samples a batch, seed 1 and
# a learning rate of 0.05. Deep models are thin ones here, with a seed that keeps clear of relu's kink, and shallow
# where rounding errors would grow.
SOFTMAX = "softmax-cross-entropy"
FEW = {"batchSize": 4}
# What a recipe has beside: by the names of sltrain's settings.
CLIPPED = {
    "labelSmoothing": 0.1,
    "clipNorm": 0.3,
    "weightDecay": 0.01,
    "decayExcept": "vectors",
    "schedule": "cosine",
}
CLAMPED = {"labelSmoothing": 0.3, "clipValue": 0.002, "weightDecay": 0.05, "schedule": "exponential:0.8"}
# Of the inputs, those nearer to 0 are kept and the others are zeros.
SPARSE = {"keptBelow": 0.125}
MODELS = {
    "lr": (linear(10), [28, 28, 1], SOFTMAX, {}),
    "softmax": (linear(2), [20], SOFTMAX, {}),
    "svm": (linear(4), [20], "hinge", {"seed": 3}),
    "svm-squared": (linear(1), [20], "squared-hinge", {"lr": 0.02}),
    "lr-sparse": (linear(1), [90], "sigmoid-cross-entropy", {**SPARSE, "lr": 0.5}),
    "softmax-sparse": (linear(3), [90], SOFTMAX, {**SPARSE, "lr": 0.5}),
    "svm-sparse": (linear(4), [90], "hinge", {**SPARSE, "seed": 3}),
    "mlp": (mlp, [28, 28, 1], SOFTMAX, {}),
    "lenet5": (lenet5, [28, 28, 1], SOFTMAX, {}),
    "lenet5-recipe": (lenet5, [28, 28, 1], SOFTMAX, CLIPPED),
    "mlp-recipe": (mlp, [28, 28, 1], SOFTMAX, CLAMPED),
    "feng-a": (feng_a, [20], "sigmoid-cross-entropy", {}),
    "tanh-avg-pool": (tanh_avg_pool, [11, 9, 3], "mean-squared-error", {}),
    "cifar-cnn": (cifar_cnn, [8, 9, 3], SOFTMAX, {**FEW, "lr": 0.02}),
    "resnet20": (small_resnet([3, 3, 3], 8), [9, 8, 1], SOFTMAX, {**FEW, "seed": 35, "lr": 0.001}),
    "resnet32": (small_resnet([5, 5, 5], 4), [8, 9, 3], SOFTMAX, {**FEW, "seed": 46, "lr": 0.0003}),
    "resnet34": (resnet([2, 3, 2, 2], 4, False), [33, 32, 3], SOFTMAX, {**FEW, "seed": 49, "lr": 0.0001}),
    "resnet50": (resnet([1, 2, 1, 1], 4, True), [32, 33, 3], SOFTMAX, {**FEW, "seed": 15, "lr": 0.0001}),
    "mobilenet": (mobilenet(MOBILENET_THIN), [32, 33, 3], SOFTMAX, {**FEW, "seed": 21, "lr": 0.0003}),
    "gpt-nano": (gpt(2, 3, 12, 11), [29], SOFTMAX, {**FEW, "vocabulary": 11}),
    "vgg19": (vgg19(2, 16), [32, 32, 3], SOFTMAX, {"batchSize": 8}),
}


def mean_loss(name, logits, random, smoothing=0.0):
    # A run of tokens has as many answers as it has positions.
    logits = logits.reshape(-1, logits.shape[-1])
    batch, outputs = logits.shape
    if name == "softmax-cross-entropy":
        labels = random.u32("labels", batch) % np.uint64(outputs)
        return F.cross_entropy(logits, torch.tensor(labels.astype(np.int64)), label_smoothing=smoothing)
    if name in ("hinge", "squared-hinge"):
        if outputs == 1:
            signs = 2.0 * (random.u32("targets", batch) & np.uint64(1)).astype(np.float64)[:, None] - 1
        else:
            labels = (random.u32("labels", batch) % np.uint64(outputs)).astype(np.int64)
            signs = 2.0 * np.eye(outputs)[labels] - 1
        slack = F.relu(1 - torch.tensor(signs) * logits)
        return (slack if name == "hinge" else slack**2).sum() / batch
    if name == "sigmoid-cross-entropy":
        bits = random.u32("targets", batch * outputs) & np.uint64(1)
        return F.binary_cross_entropy_with_logits(
            logits, torch.tensor(bits.astype(np.float64)).reshape(logits.shape), reduction="sum"
        ) / batch
    return F.mse_loss(logits, torch.tensor(random.symmetric("targets", logits.shape)))


def digits(value):
    """Nine significant digits hold a float32."""
    return float(f"{value:.9g}")


def describe(tensor, is_one_of_many):
    flat_tensor = tensor.reshape(-1)
    length = flat_tensor.numel()
    all_up_to, samples = (8, 4) if is_one_of_many else (ALL_UP_TO, SAMPLES)
    count = length if length <= all_up_to else samples
    indices = [(2 * i + 1) * length // (2 * count) for i in range(count)]
    return {
        "length": length,
        "sum": digits(flat_tensor.sum().item()),
        "norm": digits(flat_tensor.norm().item()),
        "max": digits(flat_tensor.abs().max().item()),
        "samples": [digits(flat_tensor[index].item()) for index in indices],
    }


def describe_all(tensors):
    return {name: describe(tensor, len(tensors) > 20) for name, tensor in tensors.items()}


def samples(random, shape, vocabulary):
    """Numbers, or tokens of a model that has a vocabulary."""
    if vocabulary is None:
        return torch.tensor(random.symmetric("x", shape))
    tokens = random.u32("x", math.prod(shape)) % np.uint64(vocabulary)
    return torch.tensor(tokens.astype(np.int64).reshape(shape))


def decay_groups(net, settings):
    """Vectors apart, where they do not decay."""
    decay = settings.get("weightDecay", 0.0)
    spares = settings.get("decayExcept") == "vectors"
    tensors = list(net.parameters.values())
    return [
        {"params": [t for t in tensors if t.dim() > 1], "weight_decay": decay},
        {"params": [t for t in tensors if t.dim() <= 1], "weight_decay": 0.0 if spares else decay},
    ]


def scheduler_of(optimizer, schedule):
    name, _, parameter = schedule.partition(":")
    if name == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS)
    if name == "exponential":  # A step is an epoch here.
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=float(parameter))
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


def golden(model, shape, loss_name, settings):
    """Ten steps on one batch."""
    settings = {"batchSize": 32, "seed": 1, "lr": 0.05, "momentum": MOMENTUM, **settings}
    random = Random(settings["seed"])
    x = samples(random, [settings["batchSize"], *shape], settings.get("vocabulary"))
    if "keptBelow" in settings:
        x = torch.where(x.abs() < settings["keptBelow"], x, torch.zeros_like(x))
    net = Net(random)
    net.forward(model, x, training=False)
    optimizer = torch.optim.SGD(decay_groups(net, settings), lr=settings["lr"], momentum=MOMENTUM)
    scheduler = scheduler_of(optimizer, settings.get("schedule", "constant"))
    smoothing = settings.get("labelSmoothing", 0.0)
    losses = []
    first = {}
    for net.step in range(STEPS):
        loss = mean_loss(loss_name, net.forward(model, x), random, smoothing)
        optimizer.zero_grad()
        loss.backward()
        gradients = {name: tensor.grad.clone() for name, tensor in net.parameters.items()}
        if "clipValue" in settings:
            torch.nn.utils.clip_grad_value_(net.parameters.values(), settings["clipValue"])
        if "clipNorm" in settings:
            torch.nn.utils.clip_grad_norm_(net.parameters.values(), settings["clipNorm"])
        optimizer.step()
        scheduler.step()
        losses.append(digits(loss.item()))
        if net.step == 0:
            evaluated = mean_loss(loss_name, net.forward(model, x, training=False), random)
            first = {
                "evaluationLoss": digits(evaluated.item()),
                "gradients": describe_all(gradients),
                "statistics": describe_all(net.statistics),
            }
    print(f"relu's kink is {net.margin:.1e} away")
    return {**settings, "loss": loss_name, "losses": losses, **first}


if __name__ == "__main__":
    for name, case in ((name, MODELS[name]) for name in sys.argv[1:] or MODELS):
        result = golden(*case)
        print(name, result["losses"])
        (Path(__file__).parent / f"{name}.json").write_text(json.dumps(result) + "\n")
