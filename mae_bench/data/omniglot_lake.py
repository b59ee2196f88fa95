"""OMNIGLOT, all drawings of Lake, Salakhutdinov & Tenenbaum (2015), 28x28, from a prepared omniglot.npz or the authors'
two archives of 105x105 drawings. Not the images of `mae_bench.data.omniglot`.
"""

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from mae_bench.data.arrays import Arrays, Labels, Pixels
from mae_bench.data.download import data_folder, fetch
from mae_bench.data.prepared import Parts, damaged, read_npz, to_arrays

NAME = "Lake et al.'s OMNIGLOT"
PREPARED = "omniglot.npz"
MIRRORS = ("https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",)
PARTS = {
    "background": ("images_background.zip", "md5:68d2efa1b9178cc56df9314c21c6e718"),
    "evaluation": ("images_evaluation.zip", "md5:6b91aef0f799c5bb55b94e3f2daec811"),
}
"""Part -> archive and its hash as torchvision states it; the task's own SHA-256 then checks what it holds."""
PAIRS = [(f"x_{part}", f"alphabet_{part}") for part in PARTS]
SIZE = (28, 28)


def load() -> Arrays:
    """x_train: uint8 [32460, 1, 28, 28], ink 255 on 0, sorted by alphabet, character and drawer: the 30 background
    alphabets, then the 20 for evaluation; y_train: the alphabet, 0 to 49. The source has no test images of its own.

    A prepared file (x_background, x_evaluation: uint8 [N, 28, 28]; alphabet_background, alphabet_evaluation: [N]) wins
    over a download. DataError if the set is missing or damaged.
    """
    prepared = data_folder() / PREPARED
    if prepared.exists():
        return to_arrays(read_npz(prepared, NAME, PAIRS), NAME, str(prepared), SIZE, train=PAIRS, test=())
    parts: Parts = {}
    alphabets = 0
    for (x, alphabet), (file_name, known_hash) in zip(PAIRS, PARTS.values(), strict=True):
        images, labels = read_archive(fetch(file_name, MIRRORS, known_hash, prepared=PREPARED))
        parts |= {x: images, alphabet: labels + alphabets}
        alphabets += 1 + labels.max()
    return to_arrays(parts, NAME, "the two archives", SIZE, train=PAIRS, test=())


def read_archive(path: Path) -> tuple[Pixels, Labels]:
    """Images, uint8 [N, 28, 28], and alphabets, int64 [N], numbered by name, of an archive of PNGs, black on white.

    Its members are FOLDER/ALPHABET/CHARACTER/DRAWING.png; FOLDER is the archive's own name. Each output pixel is the
    mean of the pixels whose centres it covers, three or four in each direction (Pillow's box filter). DataError if
    damaged.
    """
    from PIL import Image, ImageChops

    try:
        with ZipFile(path) as archive:
            drawings = sorted(Path(name) for name in archive.namelist() if name.endswith(".png"))
            drawings = [drawing for drawing in drawings if drawing.parts[0] == path.stem]
            images = []
            for drawing in drawings:
                with Image.open(BytesIO(archive.read(drawing.as_posix())), formats=["PNG"]) as image:
                    ink = ImageChops.invert(image.convert("L"))
                    images.append(np.asarray(ink.resize(SIZE, Image.Resampling.BOX)))
        names = [drawing.parts[1] for drawing in drawings]
        return np.stack(images), np.unique(names, return_inverse=True)[1].astype(np.int64)
    except Exception as error:  # damage shows in zipfile, zlib, Pillow or NumPy, each with errors of its own
        raise damaged(NAME, path.name, f"{type(error).__name__}: {error}") from error
