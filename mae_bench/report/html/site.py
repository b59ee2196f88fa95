"""The files of a site, written so that nothing but the site's own files is overwritten or removed."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path, PurePosixPath

from mae_bench.boards.aggregate import Board
from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import UsageError
from mae_bench.report.html.compare_page import render_comparison
from mae_bench.report.html.index_page import render_index
from mae_bench.report.html.model_page import render_model
from mae_bench.report.html.pages import ASSETS, INDEX, render_board
from mae_bench.report.html.pictures import picture_addresses
from mae_bench.report.html.view import BoardView, addresses, board_folder, view_board
from mae_bench.review.badges import Badges

LISTING = "site/files.txt"
"""The file that names every file of the site, one a line, so that a later site knows what it may replace and remove."""
ASSET_FILES = (
    "style.css",
    "board.js",
    "compare.js",
    "copy.js",
    "welch.js",
    "datatables/dataTables.min.js",
    "datatables/LICENSE.txt",
)


def write_site(folder: Path, boards: Sequence[Board], badges: Badges, results: Path) -> Path:
    """Write the site of `boards` to `folder` and return its first page, `<folder>/index.html`.

    Files of an earlier site that no longer belong are removed. Pages link to the records if their folder `results` lies
    within `folder`. The same records give the same bytes. UsageError, before anything is written, if a file that no
    earlier site listed stands in the way (`check_site`).
    """
    check_site(folder, boards)
    earlier, pages = _listed(folder), render_site(boards, badges, _within(folder, results), results)
    # Listed before they are written: an interrupted site owns all that it left behind.
    write_atomically(folder / LISTING, _listing({*earlier, *pages}))
    for name, content in pages.items():
        write_atomically(folder / name, content)
    for name in sorted(earlier - pages.keys()):
        _remove(folder, name)
    write_atomically(folder / LISTING, _listing(set(pages)))
    return folder / INDEX


def render_site(
    boards: Sequence[Board], badges: Badges, records: Path | None = None, results: Path | None = None
) -> dict[str, bytes]:
    """Every file of the site but its listing, by its path in the folder.

    records: the folder that pages link to. results: the store that has the pictures, None for a site without.
    """
    assets = files("mae_bench.report.html") / "assets"
    views = [view_board(board, badges, results) for board in boards]
    pictures = (picture for view in views for of_row in view.pictures for picture in of_row)
    return (
        {name: page().encode() for name, page in _pages(views, records)}
        | {picture.address: picture.content for picture in pictures}
        | {f"{ASSETS}/{name}": assets.joinpath(name).read_bytes() for name in ASSET_FILES}
    )


def check_site(folder: Path, boards: Sequence[Board]) -> None:
    """UsageError if a file that no earlier site listed stands in the way of the site of `boards`."""
    earlier = _listed(folder)
    ours = {*earlier, LISTING} if earlier else set()
    pages = (address for board in boards for address in addresses(board))
    pictures = (address for board in boards for address in picture_addresses(board, board_folder(board)))
    for name in (INDEX, *pages, *pictures, *(f"{ASSETS}/{name}" for name in ASSET_FILES), LISTING):
        path = folder / name
        there = next(place for place in (path, *path.parents) if place.exists())
        if not (there.is_dir() if there != path else path.is_file() and name in ours):
            raise in_the_way(there)


def in_the_way(path: Path) -> UsageError:
    """The error that refuses to replace what is at `path`."""
    return UsageError(f"{path} is there already and was not written by mae-bench; give another folder or move it.")


def _pages(views: Sequence[BoardView], records: Path | None) -> Iterator[tuple[str, Callable[[], str]]]:
    """Every page's path in the folder, with what renders it."""
    yield INDEX, partial(render_index, views)
    for view in views:
        yield view.address, partial(render_board, view)
        if view.can_compare:
            yield view.comparison, partial(render_comparison, view)
        for page, numbers in view.models().items():
            yield view.model_address(page), partial(render_model, view, page, numbers, records)


def _within(folder: Path, results: Path) -> Path | None:
    """`results` as seen from `folder`; None if it lies elsewhere."""
    inside, outside = results.resolve(), folder.resolve()
    return inside.relative_to(outside) if inside.is_relative_to(outside) else None


def _listing(names: set[str]) -> bytes:
    return "".join(f"{name}\n" for name in sorted(names)).encode()


def _listed(folder: Path) -> set[str]:
    """What an earlier site lists. Anybody may have written the list, so only what a site could have made counts."""
    try:
        lines = (folder / LISTING).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    return {line for line in lines if line == INDEX or line.startswith("site/")}


def _remove(folder: Path, name: str) -> None:
    """Delete the file, and its folders below `site` if that leaves them empty; nothing that a link leads to."""
    path = folder / name
    if path.parent.resolve() != folder.resolve() / PurePosixPath(name).parent or not path.is_file():
        return
    path.unlink()
    for parent in path.parents:
        if parent in (folder, folder / "site") or any(parent.iterdir()):
            return
        parent.rmdir()
