"""What scikit-learn's LogisticRegression comes to on rows of synthetic twins: `python3 test/golden/make-linear.py`.

Writes linear.json: the accuracy on the training rows, which the model was fitted to with scikit-learn's default penalty. The
rows are those that sltrain makes of seed 1; columns that are not one-hot or words are standardised, as sltrain does.
"""

import json
import pathlib
import subprocess
import tempfile

import sklearn
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
TWINS = {"higgs": 20000, "a9a": 8000, "w8a": 12000, "rcv1": 2000, "covtype": 8000}
STANDARDISED = {"higgs", "covtype"}


def accuracy(name, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rows.svm"
        subprocess.run(["node", HERE / "../../bench/data/write-twin.ts", name, str(rows), "libsvm", path], check=True)
        x, y = load_svmlight_file(path)
    if name in STANDARDISED:
        x = StandardScaler().fit_transform(x.toarray())
    return LogisticRegression(max_iter=1000).fit(x, y).score(x, y)


twins = [{"name": name, "rows": rows, "accuracy": accuracy(name, rows)} for name, rows in TWINS.items()]
golden = {"madeBy": f"make-linear.py, scikit-learn {sklearn.__version__}", "twins": twins}
(HERE / "linear.json").write_text(json.dumps(golden, indent=2) + "\n")
