"""Whether an NLL from so many importance samples settles the order of rows. Does not import torch."""

from collections.abc import Iterable
from itertools import pairwise


def samples_note(rows: Iterable[tuple[str, float | None, float | None]]) -> str | None:
    """A sentence if a row's NLL may still fall by more than what separates it from a better one; None if none may.

    rows: the label, the NLL and by how much the last factor of four in importance samples has lowered it, nats, in any
    order. The next factor of four takes off less, but no one knows how much less.
    """
    known = sorted((nll, label, fall) for label, nll, fall in rows if nll is not None and fall is not None)
    unsettled = [
        f"{label} ({nll:.2f}, falling by {fall:.2f}) and {better_label} ({better:.2f})"
        for (better, better_label, _), (nll, label, fall) in pairwise(known)
        if fall > nll - better
    ]
    if not unsettled:
        return None
    return (
        "More importance samples may change the order of rows. The last factor of four in samples lowered the NLL of "
        f"one by more than what separates it from the next better row: {'; '.join(unsettled)}."
    )
