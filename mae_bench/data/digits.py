"""The 1,797 handwritten digits that scikit-learn ships (Alpaydin and Kaynak, 1998): 8x8, grey levels 0 to 16."""

import numpy as np

from mae_bench.data.arrays import Arrays


def load() -> Arrays:
    """x_train: uint8 [1797, 1, 8, 8]; the source has no test images of its own. Needs no network."""
    import sklearn
    from sklearn.datasets import load_digits

    digits = load_digits()
    return Arrays(
        x_train=digits.images.astype(np.uint8)[:, np.newaxis],
        y_train=digits.target.astype(np.int64),
        x_test=None,
        y_test=None,
        origin=f"scikit-learn {sklearn.__version__}",
    )
