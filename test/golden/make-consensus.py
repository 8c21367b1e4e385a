"""Optima of k-means and regularised linear models by scikit-learn: `python3 test/golden/make-consensus.py`.

Writes breast-cancer.csv, which scikit-learn brings along (UCI, Wisconsin Diagnostic, CC BY 4.0: 569 rows, 30 features, the
class last), and consensus.json: objectives on all its rows, standardised by mean and deviation of the file's own numbers.
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

HERE = pathlib.Path(__file__).parent
CSV = HERE / "breast-cancer.csv"
WEIGHT_DECAY = 0.01
L1 = 0.02


def rows():
    raw = load_breast_cancer()
    names = [name.replace(" ", "_") for name in raw.feature_names] + ["label"]
    table = [",".join(names)]
    for features, label in zip(raw.data, raw.target):
        table.append(",".join([f"{value:.6g}" for value in features] + [str(label)]))
    CSV.write_text("\n".join(table) + "\n")
    read = np.loadtxt(CSV, delimiter=",", skiprows=1)
    x, y = read[:, :-1], read[:, -1].astype(int)
    return (x - x.mean(0)) / x.std(0), y


def penalty(weights):
    return WEIGHT_DECAY / 2 * (weights**2).sum()


def main():
    x, y = rows()
    n = len(y)
    sign = 2 * y - 1
    kmeans = {
        str(k): KMeans(k, n_init=100, tol=0, max_iter=1000, random_state=0).fit(x).inertia_ / n
        for k in (2, 3, 5)
    }
    from_first_rows = {
        str(k): KMeans(k, init=x[:k], n_init=1, tol=0, max_iter=1000).fit(x).inertia_ / n for k in (2, 5, 10)
    }

    # The intercept is not penalised, in none of the three.
    exact = dict(tol=1e-10, max_iter=100000)
    # scikit-learn's objective is C times the sum of losses, plus half the squared norm (or the 1-norm).
    ridge = LogisticRegression(C=1 / (n * WEIGHT_DECAY), **exact).fit(x, y)
    margins = sign * (x @ ridge.coef_[0] + ridge.intercept_[0])
    logistic = np.log1p(np.exp(-margins)).mean() + penalty(ridge.coef_)

    lasso = LogisticRegression(C=1 / (n * L1), penalty="l1", solver="saga", **exact).fit(x, y)
    margins = sign * (x @ lasso.coef_[0] + lasso.intercept_[0])
    sparse = np.log1p(np.exp(-margins)).mean() + L1 * np.abs(lasso.coef_).sum()

    # LinearSVC penalises the intercept as one more weight, of a feature that is intercept_scaling: so little that it
    # does not matter.
    svc = LinearSVC(C=1 / (n * WEIGHT_DECAY), loss="squared_hinge", dual=False, intercept_scaling=1e3, **exact)
    svc.fit(x, y)
    margins = sign * (x @ svc.coef_[0] + svc.intercept_[0])
    squared = (np.maximum(0, 1 - margins) ** 2).mean() + penalty(svc.coef_)

    golden = {
        "scikit-learn": sklearn.__version__,
        "weightDecay": WEIGHT_DECAY,
        "l1": L1,
        "inertia": kmeans,
        "inertiaFromFirstRows": from_first_rows,
        "logistic": logistic,
        "logisticL1": sparse,
        "nonZerosL1": int((np.abs(lasso.coef_) > 1e-6).sum()),
        "squaredHinge": squared,
    }
    (HERE / "consensus.json").write_text(json.dumps(golden, indent=2) + "\n")


main()
