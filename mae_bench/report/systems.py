"""How the built-in models are called and grouped wherever people read boards. Does not import torch."""

import ast
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from mae_bench.boards.aggregate import Board, Row
from mae_bench.foundation.canonical import canonical_json
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.text import printable
from mae_bench.report.layout import row_label

OTHER = "other"
FAMILIES = {
    "mae": "MAE",
    "autoregressive-decoder": "VAE with an autoregressive decoder",
    "one-layer": "VAE with one layer of latents",
    "hierarchy": "VAE with several layers of latents",
    "without-latents": "autoregressive, without latents",
    "flow": "flow or mixture, without latents",
    "yardstick": "yardstick",
    OTHER: "other model",
}
"""The families of models, each with a colour and a mark of its own on every page: key -> what the legend says."""
SYSTEMS = {
    "mae": ("MAE", "mae"),
    "vlae": ("VLAE", "autoregressive-decoder"),
    "resnet_vae": ("ResNet VAE", "one-layer"),
    "vae": ("VAE", "one-layer"),
    "iwae": ("IWAE", "one-layer"),
    "beta_vae": ("β-VAE", "one-layer"),
    "infovae": ("InfoVAE", "one-layer"),
    "vampprior": ("VampPrior", "one-layer"),
    "iaf_vae": ("IAF VAE", "one-layer"),
    "sa_vae": ("SA-VAE", "one-layer"),
    "dvae": ("Discrete VAE", "one-layer"),
    "lvae": ("LVAE", "hierarchy"),
    "conv_draw": ("Conv DRAW", "hierarchy"),
    "vdvae": ("VDVAE", "hierarchy"),
    "pixelcnn": ("PixelCNN", "without-latents"),
    "gated_pixelcnn": ("Gated PixelCNN", "without-latents"),
    "pixelrnn": ("PixelRNN", "without-latents"),
    "pixelcnn_pp": ("PixelCNN++", "without-latents"),
    "pixelsnail": ("PixelSNAIL", "without-latents"),
    "real_nvp": ("Real NVP", "flow"),
    "gmm": ("GMM", "flow"),
    "chance": ("chance", "yardstick"),
    "pca": ("PCA", "yardstick"),
    "png": ("PNG", "yardstick"),
    "raw_pixels": ("raw pixels", "yardstick"),
    "pixel_histogram": ("pixel histogram", "yardstick"),
}
"""The title and the family of each built-in model. A model that is not here keeps its own name and is an `other`."""
GREEK = {"alpha": "α", "beta": "β", "eta": "η", "gamma": "γ"}
ALWAYS_SHOWN = {"mae": ("eta", "gamma")}
"""Parameters that are part of a model's short name at their defaults too, as in the paper's tables."""


@dataclass(frozen=True)
class Naming:
    """How pages call one row.

    short: without the parameters at their defaults. full: as on the command line. page: of the model, which rows of one
    label share. key: of the row alone; like `page`, fit for a file name and for an address.
    """

    short: str
    full: str
    family: str
    page: str
    key: str


def name_rows(board: Board) -> list[Naming]:
    """The naming of every measured row of `board`, in its order. Rows whose short names agree keep their full ones."""
    rows = (*board.rows, *board.unranked)
    short = [_short_row_label(row) for row in rows]
    times, seen = Counter(short), Counter[str]()
    namings = []
    for row, one in zip(rows, short, strict=True):
        full, page = row_label(row), page_name(row)
        seen[page] += 1
        key = page if seen[page] == 1 else f"{page}-{seen[page]}"
        namings.append(Naming(one if times[one] == 1 else full, full, family_of(row.name), page, key))
    return namings


def page_name(row: Row) -> str:
    """The model's name and a hash of its label."""
    return f"{row.name}-{sha256(row.label.encode()).hexdigest()[:12]}"


def family_of(name: str) -> str:
    """The family of the model `name`, a key of FAMILIES."""
    return SYSTEMS.get(name, ("", OTHER))[1]


def short_label(name: str, params: Mapping[str, Any]) -> str:
    """ "MAE η=1, γ=0.5": the model's title, and its parameters without those at their defaults."""
    title = SYSTEMS.get(name, (name, OTHER))[0]
    defaults, always = written_defaults(name), ALWAYS_SHOWN.get(name, ())
    shown = [
        f"{GREEK.get(key, key)}={_short_value(value)}"
        for key, value in sorted(params.items())
        if key in always or key not in defaults or defaults[key] != value
    ]
    return printable(" ".join([title, ", ".join(shown)]).strip())


@cache
def written_defaults(name: str) -> dict[str, Any]:
    """The defaults of the constructor of the built-in model `name`, read from its text; empty for any other model."""
    path = content_folder("baselines") / f"{name}.py"
    if name not in SYSTEMS or not path.is_file():
        return {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constructors = [
        node.args
        for owner in tree.body
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    ]
    found: dict[str, Any] = {}
    for arguments in constructors:
        names = [argument.arg for argument in arguments.args]
        if names[1:3] != ["data", "preset"]:  # a layer of the model, not the model
            continue
        optional = [*names[len(names) - len(arguments.defaults) :], *(one.arg for one in arguments.kwonlyargs)]
        values = [*arguments.defaults, *arguments.kw_defaults]
        found |= {name: ast.literal_eval(value) for name, value in zip(optional, values, strict=True) if value}
    return found


def _short_row_label(row: Row) -> str:
    """The short label with what tells the row from its like, as `row_label` has it."""
    apart = row_label(row).removeprefix(printable(row.label))
    return short_label(row.name, row.params) + apart


def _short_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else canonical_json(value)
