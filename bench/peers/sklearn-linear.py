#!/usr/bin/env python3
"""scikit-learn's LogisticRegression(lbfgs) on a file of two classes, with its own loading:

    sklearn-linear.py FILE.libsvm|FILE.csv [WEIGHTS.json]

Prints JSON: seconds of loading (load_svmlight_file, or numpy.loadtxt) and of fitting, and the accuracy over all rows of the
file; `other` is that of a model in WEIGHTS.json ({"kernel", "bias"}, on the file's own features), over the same rows.
"""

import json
import sys
import time

import numpy as np
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

path = sys.argv[1]
began = time.perf_counter()
if path.endswith(".csv"):
    table = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float32)
    y, x = table[:, 0], table[:, 1:]
else:
    x, y = load_svmlight_file(path, dtype=np.float32)
    x = x.toarray()
loaded = time.perf_counter()
scaled = StandardScaler().fit_transform(x)
model = LogisticRegression(solver="lbfgs", max_iter=200).fit(scaled, y)
fitted = time.perf_counter()
figures = {
    "loadS": loaded - began,
    "fitS": fitted - loaded,
    "cpuS": time.process_time(),
    "iterations": int(model.n_iter_[0]),
    "accuracy": float(model.score(scaled, y)),
}
if len(sys.argv) > 2:
    with open(sys.argv[2]) as file:
        weights = json.load(file)
    says = x @ np.array(weights["kernel"]) + weights["bias"] > 0
    figures["other"] = float((says == (y == y.max())).mean())
print(json.dumps(figures))
