"""Where `tasks/`, `baselines/` and `docs/examples/` are: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def content_folder(name: str) -> Path:
    """The folder `name` ("tasks", "baselines" or "docs/examples"), whether this is a checkout or a wheel."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name
