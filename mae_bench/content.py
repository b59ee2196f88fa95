"""Where `tasks/` and `baselines/` lie: beside the package in a checkout, inside it in an installed wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def content_folder(name: str) -> Path:
    """The folder `name` ("tasks" or "baselines"), whether this is a checkout or a wheel."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name
