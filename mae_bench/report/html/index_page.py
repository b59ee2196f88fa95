"""The first page of a site: who leads on every board, by how much, and whether to believe it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from mae_bench.boards.aggregate import Board
from mae_bench.boards.ranks import Ranking, rank_models
from mae_bench.report.html.drawing import draw_strip
from mae_bench.report.html.pages import INDEX, joined, render
from mae_bench.report.html.pictures import PagePicture
from mae_bench.report.html.preset import preset_place
from mae_bench.report.html.view import BoardView, Heading, PageRow
from mae_bench.report.layout import NO_BOARDS, TextCell, format_value
from mae_bench.report.systems import family_of, short_label
from mae_bench.review.verification import BADGES

INTEREST = ("mnist", "cifar10", "omniglot_lake", "omniglot", "mnist_static", "fashion_mnist", "kmnist")
"""Tasks in the order in which people look for them; any other comes after these."""
BEST = 3
"""How many rows a card shows."""
LEADERS = 4
"""How many pictures there are at most, of different tasks."""
PROBES = ("knn_100", "linear_100")
"""The columns of a card beside the likelihood."""
RANKED_BY = {"likelihood": None, "KNN 100": "knn_100", "linear 100": "linear_100"}
"""By what models are ranked over tasks: the words, and the metric; None for each board's own likelihood."""


@dataclass(frozen=True)
class Card:
    """A board on the first page.

    leader: its name and what the test says of its lead; None if no row has a value. headings, rows: of the table, each
    row with its cells. strip: the sparkline over the rows; ends: the lowest and the highest value under it.
    """

    view: BoardView
    standing: str | None
    headings: tuple[Heading, ...]
    rows: tuple[tuple[PageRow, tuple[TextCell, ...]], ...]
    strip: Markup | None
    ends: tuple[str, str]

    @property
    def counts(self) -> str:
        """How many rows of each kind there are."""
        ranked, others = len(self.view.board.rows), len(self.view.board.unranked)
        kinds = {"ranked": ranked, "not ranked": others, "reported": len(self.view.board.reported)}
        return joined([f"{number} {kind}" for kind, number in kinds.items() if number]) or "no row"


@dataclass(frozen=True)
class Leader:
    """The best ranked row of a task that has a picture of samples. heading: of its board."""

    row: PageRow
    heading: str
    picture: PagePicture


def render_index(views: Sequence[BoardView]) -> str:
    """The first page: what this is, the best rows of every board, mean ranks over tasks, what the badges mean."""
    ordered = sorted(views, key=_interest)
    measured = [view for view in ordered if view.board.rows or view.board.unranked]
    return render(
        INDEX,
        "index.html",
        cards=[_card(view) for view in measured],
        unmeasured=[view for view in ordered if view not in measured],
        leaders=_leaders(measured),
        rankings=_rankings([view.board for view in measured]),
        badges=BADGES,
        nothing=None if views else NO_BOARDS,
        title="Leaderboard",
    )


def _interest(view: BoardView) -> tuple[int, str, int, int, str]:
    board = view.board
    place = INTEREST.index(board.task) if board.task in INTEREST else len(INTEREST)
    return (place, board.task, -board.version, preset_place(board.preset), board.preset)


def _leaders(views: Sequence[BoardView]) -> list[Leader]:
    """One of each task, from its first board with samples of a ranked row, in the order of `views`."""
    found: dict[str, Leader] = {}
    for view in views:
        for row, pictures in zip(view.rows, view.pictures, strict=False):
            samples = next((picture for picture in pictures if picture.kind == "samples"), None)
            if row.kind == "ranked" and samples is not None:
                found.setdefault(view.board.task, Leader(row, view.layout.heading, samples))
    return list(found.values())[:LEADERS]


def _card(view: BoardView) -> Card:
    board = view.board
    columns = [column for metric in (board.primary, *PROBES) if (column := view.column(metric)) is not None]
    ranked = [row for row in view.rows if row.kind == "ranked"]
    values = [
        (mean, row.naming.family, f"{row.naming.short}: {format_value(board.primary, mean)}")
        for row, measured in zip(view.rows, board.rows, strict=False)
        if (mean := measured.cells[board.primary].mean if board.primary in measured.cells else None) is not None
    ]
    ends = [format_value(board.primary, end([value for value, _, _ in values])) for end in (min, max) if values]
    return Card(
        view=view,
        standing=_standing(board),
        headings=tuple(view.headings[column] for column in columns),
        rows=tuple((row, tuple(row.cells[column] for column in columns)) for row in ranked[:BEST]),
        strip=draw_strip(values) if len(values) > 1 else None,
        ends=(ends[0], ends[1]) if values else ("", ""),
    )


def _standing(board: Board) -> str | None:
    """What the test over seeds says of the first row."""
    first = board.rows[0] if board.rows else None
    if first is None or first.cells[board.primary].mean is None:
        return None
    if len(board.rows) == 1:
        return "is the only ranked row"
    tied = sum(row.cells[board.primary].bold for row in board.rows) - 1
    if not first.cells[board.primary].bold:
        return "leads; not tested, since that takes two seeds"
    if tied:
        return f"leads, tied with {tied} {'other' if tied == 1 else 'others'}"
    return "leads, ahead of every other row that has two seeds or more"


@dataclass(frozen=True)
class RankingTable:
    """Mean ranks over boards of one preset: title, sentences beneath, headings, and (name, family, cells) a row."""

    title: str
    notes: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]


def _rankings(boards: Sequence[Board]) -> list[RankingTable]:
    """A table for each preset and each of `RANKED_BY` for which models share boards, of each task's newest version."""
    found = []
    newest: dict[tuple[str, str], Board] = {}
    for board in boards:  # of one task and preset, the newest version comes first
        newest.setdefault((board.task, board.preset), board)
    by_preset = sorted(newest.values(), key=lambda board: (preset_place(board.preset), board.preset))
    for preset, group in groupby(by_preset, key=lambda board: board.preset):
        shared = list(group)
        for words, metric in RANKED_BY.items():
            ranking = rank_models(shared, lambda board, metric=metric: metric or board.primary)  # type: ignore[misc]
            if ranking is not None:
                found.append(_ranking_table(preset, words, ranking))
    return found


def _ranking_table(preset: str, words: str, ranking: Ranking) -> RankingTable:
    names = {row.label: row for board in ranking.boards for row in board.rows}
    rows = [
        (
            short_label(names[model.label].name, names[model.label].params),
            family_of(names[model.label].name),
            (f"{model.mean:.2f}", f"{model.low:.1f} to {model.high:.1f}", *(f"{rank:g}" for rank in model.ranks)),
        )
        for model in ranking.models
    ]
    tasks = joined([board.task for board in ranking.boards])
    test = (
        "Friedman's test needs three models and three tasks."
        if ranking.p_value is None
        else f"Friedman's test that ranks are due to chance: p = {ranking.p_value:.2g}."
    )
    others = "1 more model is" if ranking.left_out == 1 else f"{ranking.left_out} more models are"
    out = f"{others} ranked on only some of these tasks, and left out. " * bool(ranking.left_out)
    return RankingTable(
        title=f"By {words}, preset {preset}",
        notes=(f"{len(rows)} models that were all measured on {tasks}. {out}{test}",),
        headings=("mean rank", "95 % interval", *(board.task for board in ranking.boards)),
        rows=tuple(rows),
    )
