"""The files of a site: the same bytes for the same records, links that lead somewhere, and nobody else's files."""

import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.task import load_task
from mae_bench.records.store import Store
from mae_bench.report.html import site as site_module
from mae_bench.report.html.site import LISTING, render_site, write_site
from mae_bench.report.submission import render_board_folder
from mae_bench.review.badges import NO_BADGES, read_badges

ROOT = Path(__file__).resolve().parents[3]


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def digits_boards(make_record, digits_task):
    return boards([make_record(model, seed) for model in ("mae", "vlae") for seed in (0, 1)], [digits_task])


def test_the_same_records_give_the_same_bytes(make_record, digits_task, tmp_path):
    curve = {1: 21.0, 4: 20.5, 16: 20.25}
    records = [
        make_record(model, seed, {"nll": 20.1 + seed, "kl": 3.0, "knn_100": 0.5}, nll_by_samples=curve)
        for model in ("mae", "vlae")
        for seed in (0, 1)
    ]
    once, again = tmp_path / "once", tmp_path / "again"
    write_site(once, boards(records, [digits_task]), NO_BADGES, tmp_path / "results")
    write_site(again, boards(records[::-1], [digits_task]), NO_BADGES, tmp_path / "results")
    write_site(again, boards(records[::-1], [digits_task]), NO_BADGES, tmp_path / "results")
    assert contents(once) == contents(again)
    assert (once / LISTING).read_text().splitlines() == sorted(contents(once).keys() - {LISTING})
    assert not any(str(tmp_path).encode() in content for content in contents(once).values())


def test_every_link_leads_to_a_file_of_the_folder(honest_record, digits_task, read_page, tmp_path):
    store = Store(tmp_path / "results")
    for model in ("mae", "vlae"):
        store.save(honest_record(model, params={"eta": 1.0}))
    render_board_folder(tmp_path, [digits_task])
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) == 5
    linked = set()
    for page in pages:
        for address in read_page(page.read_bytes()).links():
            if address not in ("#content", "data:,"):
                target = urljoin(page.relative_to(tmp_path).as_posix(), address)
                assert (tmp_path / target).is_file() and ".." not in target, (page, address)
                linked.add(target)
    records = {path.relative_to(tmp_path).as_posix() for path in store.root.rglob("*.json")}
    assert records < linked and {page.relative_to(tmp_path).as_posix() for page in pages} < linked


def test_records_that_lie_elsewhere_are_not_linked(digits_boards, tmp_path):
    write_site(tmp_path / "site", digits_boards, NO_BADGES, tmp_path / "results")
    assert not any(b".json" in page for name, page in contents(tmp_path / "site").items() if name.endswith("html"))


def test_a_later_site_removes_the_pages_of_an_earlier_one_and_no_others(
    digits_boards, make_record, digits_task, tmp_path
):
    write_site(tmp_path, digits_boards, NO_BADGES, tmp_path / "results")
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "site" / "notes.html").write_text("mine")
    before = contents(tmp_path)
    smoke = boards([make_record(preset="smoke")], [digits_task])
    write_site(tmp_path, smoke, NO_BADGES, tmp_path / "results")
    after = contents(tmp_path)
    assert after["README.md"] == after["site/notes.html"] == b"mine"
    assert not any(name.startswith("site/digits-v2-small/") for name in after)
    assert not (tmp_path / "site" / "digits-v2-small").exists()
    (tmp_path / "site" / "digits-v2-smoke" / "mine.txt").write_text("mine")
    write_site(tmp_path, digits_boards, NO_BADGES, tmp_path / "results")
    assert (tmp_path / "site" / "digits-v2-smoke" / "mine.txt").exists()
    assert {name: content for name, content in contents(tmp_path).items() if "smoke" not in name} == before


@pytest.mark.parametrize("name", ["index.html", "site/assets/style.css"])
def test_a_strangers_file_in_the_way_is_named_and_nothing_is_written(digits_boards, tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=re.escape(name)):
        write_site(tmp_path, digits_boards, NO_BADGES, tmp_path / "results")
    assert contents(tmp_path) == {name: b"mine"}


def test_an_interrupted_site_can_be_written_again(digits_boards, tmp_path, monkeypatch):
    written = []

    def interrupted(path, content):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(site_module, "write_atomically", interrupted)
        write_site(tmp_path / "site", digits_boards, NO_BADGES, tmp_path / "results")
    write_site(tmp_path / "site", digits_boards, NO_BADGES, tmp_path / "results")
    write_site(tmp_path / "other", digits_boards, NO_BADGES, tmp_path / "results")
    assert contents(tmp_path / "site") == contents(tmp_path / "other")


def test_a_listing_that_somebody_else_wrote_removes_nothing_outside(digits_boards, tmp_path):
    folder, outside = tmp_path / "board", tmp_path / "outside"
    (folder / "site").mkdir(parents=True)
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    (folder / "README.md").write_text("kept")
    (folder / "site" / "linked").symlink_to(outside)
    names = ["site/../../outside/kept.txt", str(outside / "kept.txt"), "../outside/kept.txt", "site/linked/kept.txt"]
    (folder / LISTING).write_text("".join(f"{name}\n" for name in [*names, "README.md", "site", "site/assets"]))
    write_site(folder, digits_boards, NO_BADGES, tmp_path / "results")
    assert (outside / "kept.txt").exists() and (folder / "README.md").exists()


def test_models_whose_names_differ_little_have_pages_of_their_own(make_record, digits_task):
    records = [make_record("mae", 0, params={"name": name}) for name in ("a", "A", "a/b", "a.b", "../a")]
    pages = [name for name in render_site(boards(records, [digits_task]), NO_BADGES) if "/mae-" in name]
    assert len({name.casefold() for name in pages}) == 5
    assert all(re.fullmatch(r"site/digits-v2-small/mae-[0-9a-f]{12}\.html", name) for name in pages)


def test_the_published_site_is_the_rendering_of_its_records():
    folder = ROOT / "leaderboard"
    tasks = [load_task(path) for path in sorted(content_folder("tasks").glob("*.toml"))]
    found, results = boards(Store(folder / "results").records(), tasks), folder / "results"
    pages = render_site(found, read_badges(results, tasks), Path("results"), results)
    listed = (folder / LISTING).read_text().splitlines()
    assert sorted(pages) == listed, "render it: mae-bench submit leaderboard/results"
    stale = [name for name in listed if (folder / name).read_bytes() != pages[name]]
    assert stale == [], "render it: mae-bench submit leaderboard/results"
