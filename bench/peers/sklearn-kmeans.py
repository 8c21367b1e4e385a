"""scikit-learn's k-means on the rows of a file of float32: sklearn-kmeans.py FILE ROWS FEATURES CLUSTERS ITERATIONS.

Starts at the first rows, so that it can be compared step by step. Prints a JSON object: the time of the fit alone, and the
inertia it ends with, mean over the rows.
"""

import json
import sys
import time
import warnings

import numpy as np
from sklearn.cluster import KMeans

path, rows, features, clusters, iterations = sys.argv[1], *map(int, sys.argv[2:6])
x = np.fromfile(path, np.float32).reshape(rows, features)
warnings.filterwarnings("ignore")
model = KMeans(clusters, init=x[:clusters].copy(), n_init=1, max_iter=iterations, tol=0)
began = time.perf_counter()
model.fit(x)
print(json.dumps({"ms": 1000 * (time.perf_counter() - began), "iterations": model.n_iter_, "inertia": model.inertia_ / rows}))
