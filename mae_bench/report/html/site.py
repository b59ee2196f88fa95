"""The files of a site, written so that what is not the site's own is neither overwritten nor removed."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path, PurePosixPath

from mae_bench.atomic import write_atomically
from mae_bench.errors import UsageError
from mae_bench.records.aggregate import Board
from mae_bench.report.badges import Badges
from mae_bench.report.html.model_page import render_model
from mae_bench.report.html.pages import ASSETS, INDEX, board_address, labels, model_address, render_board, render_index

LISTING = "site/files.txt"
"""Names every file of the site, one a line, so that a later site knows what it may replace and remove."""
ASSET_FILES = ("style.css", "board.js", "datatables/dataTables.min.js", "datatables/LICENSE.txt")


def write_site(folder: Path, boards: Sequence[Board], badges: Badges, results: Path) -> Path:
    """Write the site of `boards` to `folder` and return its first page, `<folder>/index.html`.

    Files of an earlier site that do not belong any more are removed. Where the records lie in `results` within
    `folder`, pages link to them. The same records give the same bytes. UsageError, before anything is written, where a
    file stands in the way that no earlier site listed.
    """
    pages = render_site(boards, badges, _within(folder, results))
    earlier = _listed(folder)
    for name in pages:
        if name not in earlier and (folder / name).exists():
            raise UsageError(
                f"{folder / name} is there already and was not written by mae-bench; give another folder or move it."
            )
    # Listed before they are written: an interrupted site owns all that it left behind.
    write_atomically(folder / LISTING, _listing({*earlier, *pages}))
    for name, content in pages.items():
        write_atomically(folder / name, content)
    for name in sorted(earlier - pages.keys()):
        _remove(folder, name)
    write_atomically(folder / LISTING, _listing(set(pages)))
    return folder / INDEX


def render_site(boards: Sequence[Board], badges: Badges, records: Path | None = None) -> dict[str, bytes]:
    """Every file of the site but its listing, by its path in the folder. records: the folder that pages link to."""
    pages = {INDEX: render_index(boards, badges)}
    for board in boards:
        pages[board_address(board)] = render_board(board, badges)
        for label in labels(board):
            pages[model_address(board, label)] = render_model(board, label, badges, records)
    assets = files("mae_bench.report.html") / "assets"
    return {name: page.encode() for name, page in pages.items()} | {
        f"{ASSETS}/{name}": assets.joinpath(name).read_bytes() for name in ASSET_FILES
    }


def _within(folder: Path, results: Path) -> Path | None:
    """`results` as seen from `folder`; None where it lies elsewhere."""
    inside, outside = results.resolve(), folder.resolve()
    return inside.relative_to(outside) if inside.is_relative_to(outside) else None


def _listing(names: set[str]) -> bytes:
    return "".join(f"{name}\n" for name in sorted(names)).encode()


def _listed(folder: Path) -> set[str]:
    """What an earlier site lists; anybody may have written the list, so only what a site could have made counts."""
    try:
        lines = (folder / LISTING).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    return {line for line in lines if line == INDEX or line.startswith("site/")}


def _remove(folder: Path, name: str) -> None:
    """Delete the file, and its folders below `site` where that leaves them empty; nothing that a link leads to."""
    path = folder / name
    if path.parent.resolve() != folder.resolve() / PurePosixPath(name).parent or not path.is_file():
        return
    path.unlink()
    for parent in path.parents:
        if parent in (folder, folder / "site") or any(parent.iterdir()):
            return
        parent.rmdir()
