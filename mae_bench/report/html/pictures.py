"""The pictures of a board's models on its site: those beside the records, written anew, each under the record's key."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mae_bench.boards.aggregate import Board, Row
from mae_bench.records.pictures import KINDS, read_pictures
from mae_bench.records.store import Store

SHOWN = 270
"""Pixels of a page each way that a picture fills at most, unless it has more; each of its own becomes a square."""
ALTS = {
    "samples": "A square of images drawn from the model",
    "reconstructions": "Pairs of images: a test image and what the model makes of it",
}
CAPTIONS = {
    "samples": "Samples: the first images that the model draws; none is chosen.",
    "reconstructions": "Reconstructions: the first test images, each with what the model makes of it at its right.",
}


@dataclass(frozen=True)
class PagePicture:
    """A picture as pages show it. address: in the site's folder. width, height: on the page."""

    kind: str
    seed: int
    address: str
    content: bytes
    width: int
    height: int

    @property
    def alt(self) -> str:
        """What it shows, for those who do not see it."""
        return ALTS[self.kind]

    @property
    def caption(self) -> str:
        """What it shows."""
        return CAPTIONS[self.kind]


def row_pictures(row: Row, folder: str, results: Path | None) -> tuple[PagePicture, ...]:
    """Those of the first seed of `row` that has any.

    folder: of the board, in the site's folder. results: the store of the records, None for no pictures. One that may
    not be shown (`mae_bench.records.pictures.read_picture`) is left out.
    """
    if results is None:
        return ()
    store = Store(results)
    found = ((record, read_pictures(store.path_of(record))[0]) for record in row.records)
    record, pictures = next(((record, pictures) for record, pictures in found if pictures), (None, {}))
    if record is None:
        return ()
    return tuple(
        PagePicture(
            kind,
            record.seed,
            _address(folder, record.key, kind),
            picture.content,
            *(side * max(1, SHOWN // max(picture.width, picture.height)) for side in (picture.width, picture.height)),
        )
        for kind, picture in pictures.items()
    )


def picture_addresses(board: Board, folder: str) -> Iterator[str]:
    """Where a picture of any of the board's records would lie in the site's folder."""
    for row in (*board.rows, *board.unranked):
        for record in row.records:
            yield from (_address(folder, record.key, kind) for kind in KINDS)


def _address(folder: str, key: str, kind: str) -> str:
    return f"{folder}/{key}.{kind}.png"
