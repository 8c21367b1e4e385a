"""scikit-learn's logistic regression (lbfgs) on the rows of a file of float32: sklearn-logistic.py FILE ROWS FEATURES DECAY.

A row is its features and its label, 0 or 1. DECAY is half the L2 penalty's factor on the mean loss. Prints a JSON object: the
time of the fit alone, the accuracy on the rows, and the objective.
"""

import json
import sys
import time

import numpy as np
from sklearn.linear_model import LogisticRegression

path, rows, features, decay = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
table = np.fromfile(path, np.float32).reshape(rows, features + 1)
x, y = np.ascontiguousarray(table[:, :-1]), table[:, -1].astype(int)
model = LogisticRegression(C=1 / (rows * decay))
began = time.perf_counter()
model.fit(x, y)
ms = 1000 * (time.perf_counter() - began)
margins = (2 * y - 1) * (x @ model.coef_[0] + model.intercept_[0])
objective = np.logaddexp(0, -margins.astype(np.float64)).mean() + decay / 2 * (model.coef_**2).sum()
print(json.dumps({"ms": ms, "accuracy": float((margins > 0).mean()), "objective": float(objective)}))
