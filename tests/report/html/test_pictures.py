"""The pictures of a site: on the page of their model, on the first page those of leaders, and none that is missing."""

from posixpath import dirname, join, normpath

import numpy as np
import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.records.pictures import draw_sheet, replace_pictures
from mae_bench.records.store import Store
from mae_bench.report.html.site import LISTING, render_site, write_site
from mae_bench.review.badges import NO_BADGES

SAMPLES = draw_sheet([np.zeros((8, 1, 8, 8), dtype=np.uint8)] * 8)
PAIRS = draw_sheet([np.ones((4, 1, 8, 17), dtype=np.uint8)] * 8, gap=4)


@pytest.fixture
def store(make_record, tmp_path):
    """MAE leads and has no pictures in seed 0; VLAE has samples; PCA, which is last, has all."""
    store = Store(tmp_path / "results")
    drawn = {("mae", 1): {"samples": SAMPLES, "reconstructions": PAIRS}, ("vlae", 0): {"samples": SAMPLES}}
    for place, model in enumerate(("mae", "vlae", "pca")):
        for seed in (0, 1):
            path = store.save(make_record(model, seed, {"nll": 20.0 + place + seed / 10}))
            replace_pictures(path, drawn.get((model, seed), {}))
    return store


def images_of(pages, name, read_page):
    """The images of a page, with their paths from the folder of the site."""
    images = [attributes for tag, attributes in read_page(pages[name]).elements if tag == "img"]
    return [image | {"src": normpath(join(dirname(name), image["src"]))} for image in images]


@pytest.fixture
def render(store, digits_task):
    """`render()`: the files of the site with the pictures that now lie in the store."""
    return lambda: render_site(boards(store.records(), [digits_task]), NO_BADGES, None, store.root)


def test_a_models_page_shows_those_of_its_first_seed_that_has_them(render, store, read_page):
    pages = render()
    (name,) = [name for name in pages if "/mae-" in name]
    samples, pairs = images_of(pages, name, read_page)
    (key,) = [record.key for record in store.records() if (record.model.name, record.seed) == ("mae", 1)]
    assert samples["src"] == f"site/digits-v2-small/{key}.samples.png" and pages[samples["src"]] == SAMPLES
    assert pairs["src"] == f"site/digits-v2-small/{key}.reconstructions.png" and pages[pairs["src"]] == PAIRS
    assert (samples["width"], samples["height"]) == ("213", "213"), "three pixels of the page for each of 71"
    assert (pairs["width"], pairs["height"]) == ("240", "213")
    for image in (samples, pairs):
        assert image["loading"] == "lazy" and image["alt"]
    assert "Of seed 1." in read_page(pages[name]).text
    (other,) = [name for name in pages if "/pca-" in name]
    assert images_of(pages, other, read_page) == [] and "Pictures" not in read_page(pages[other]).text


def test_the_first_page_shows_the_best_ranked_model_of_a_task_that_has_samples(render, store, read_page):
    (image,) = images_of(render(), "index.html", read_page)
    assert "mae" in image["alt"].lower() and "digits, preset small" in image["alt"]
    for record in store.records():
        if record.model.name == "mae":
            replace_pictures(store.path_of(record), {"reconstructions": PAIRS})
    (image,) = images_of(render(), "index.html", read_page)
    assert "VLAE" in image["alt"]


def test_without_pictures_the_pages_are_as_they_were(render, store, digits_task, read_page):
    bare = render_site(boards(store.records(), [digits_task]), NO_BADGES)
    for path in store.root.rglob("*.png"):
        path.unlink()
    assert render() == bare
    assert not any(images_of(bare, name, read_page) for name in bare if name.endswith(".html"))


def test_pictures_that_are_gone_leave_the_site(store, digits_task, tmp_path):
    found, folder = boards(store.records(), [digits_task]), tmp_path / "site"
    write_site(folder, found, NO_BADGES, store.root)
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    assert len(written) == 3 and written < set((folder / LISTING).read_text().splitlines())
    for path in store.root.rglob("*.png"):
        path.unlink()
    write_site(folder, found, NO_BADGES, store.root)
    assert not list(folder.rglob("*.png")) and ".png" not in (folder / LISTING).read_text()
