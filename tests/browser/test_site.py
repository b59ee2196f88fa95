"""The site as a reader meets it: by mouse, by keyboard, on a phone, with and without JavaScript."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from mae_bench.boards.significance import holm, welch
from mae_bench.boards.spread import Sample
from mae_bench.planning.registry import known_tasks

VERSIONS = {task.name: task.version for task in known_tasks()}
MNIST = f"site/mnist-v{VERSIONS['mnist']}-small/index.html"
DIGITS = f"site/digits-v{VERSIONS['digits']}-small/index.html"
COMPARE = MNIST.replace("index", "compare")
COLUMNS = {"KNN 100": "higher", "NLL": "lower", "KL": "none"}


def kinds_of_page(site):
    """One address of every kind of page, the page of a hostile model and that of two kinds of run among them."""
    models = site.joinpath(DIGITS).parent.glob("*-*.html")
    hostile = sorted(models, key=lambda path: len(path.read_bytes()))
    model = next(site.joinpath(MNIST).parent.glob("vlae-*.html"))
    return [
        "index.html",
        MNIST,
        DIGITS,
        COMPARE,
        *(path.relative_to(site).as_posix() for path in (model, hostile[0], hostile[-2])),
    ]


def heading(page, title):
    """The cell of the heading that begins with `title`, and the number of its column."""
    cells = page.locator("#board thead tr:nth-child(2) th")
    texts = [re.split(r"[\n,↓↑]", text)[0].strip() for text in cells.all_inner_texts()]
    return cells.nth(texts.index(title)), texts.index(title)


def column(page, place, kind="ranked"):
    """The text of a column's cells, in the order shown, of the rows of this kind."""
    return [
        row.locator("th, td").nth(place).inner_text().split(" ±")[0].strip()
        for row in page.locator(f"#board tbody tr.{kind}").all()
    ]


def kinds(page):
    return [row.get_attribute("class").split()[0] for row in page.locator("#board tbody tr").all()]


def numbers(texts):
    return [float(text) for text in texts if text != "–"]


@pytest.mark.parametrize("title", COLUMNS)
def test_the_first_click_sorts_best_first_the_second_worst_first_the_third_restores_the_ranking(open_page, title):
    page = open_page(MNIST)
    cell, place = heading(page, title)
    ranking, order = column(page, 0), kinds(page)
    measured = numbers(column(page, place))
    assert len(measured) > 3
    descending_first = COLUMNS[title] == "higher"
    for descending in (descending_first, not descending_first):
        cell.locator(".dt-column-order").click()
        expect(cell).to_have_attribute("aria-sort", "descending" if descending else "ascending")
        values = numbers(column(page, place))
        assert values == sorted(measured, reverse=descending)
        reported = column(page, place, "reported")
        found = numbers(reported)
        assert found and found == sorted(found, reverse=descending)
        assert "–" not in reported[: len(found)]
        assert kinds(page) == order
    cell.locator(".dt-column-order").click()
    expect(cell).not_to_have_attribute("aria-sort", re.compile("."))
    assert column(page, 0) == ranking


def test_rows_that_are_not_ranked_stay_apart_and_say_why(open_page):
    page = open_page(DIGITS)
    cell = heading(page, "NLL")[0]
    cell.locator(".dt-column-order").click()
    expect(cell).to_have_attribute("aria-sort", "ascending")
    found = kinds(page)
    ranked = found.count("ranked")
    assert set(found[:ranked]) == {"ranked"} and {"partial", "not-comparable"} == set(found[ranked:])
    reasons = page.locator("#board tr.partial .reason").all_inner_texts()
    assert reasons == ["partial: stopped by --max-minutes"]
    assert any(
        "precision float16" in text for text in page.locator("#board tr.not-comparable .reason").all_inner_texts()
    )


def test_filtering_by_text_and_by_kind(open_page):
    page = open_page(MNIST)
    count, rows = page.locator("#count"), page.locator("#board tbody tr").count()
    assert count.inner_text() == f"{rows} of {rows} rows shown"
    page.get_by_label("Filter rows").fill("vlae")
    assert all("vlae" in row.lower() for row in page.locator("#board tbody th").all_inner_texts())
    assert count.inner_text() == f"5 of {rows} rows shown"
    page.get_by_label("Filter rows").fill("free_bits=0.01")  # what the short name leaves out
    assert column(page, 0) == ["VLAE"]
    page.get_by_label("Filter rows").fill("vlae")
    page.get_by_label("Hide reported rows").check()
    assert kinds(page) == ["ranked", "ranked"]
    page.get_by_label("Filter rows").fill("verified")
    assert {label.split()[0] for label in column(page, 0)} == {"MAE"}
    page.get_by_label("Filter rows").fill("no such row")
    assert count.inner_text() == f"0 of {rows} rows shown"
    page.get_by_label("Hide reported rows").uncheck()
    page.get_by_label("Filter rows").fill("")
    assert count.inner_text() == f"{rows} of {rows} rows shown"


def test_sorting_by_keyboard(open_page):
    page = open_page(MNIST)
    cell, place = heading(page, "NLL")
    page.get_by_label("Hide reported rows").focus()
    for _ in range(4):
        page.keyboard.press("Tab")
        if cell.evaluate("cell => cell.contains(document.activeElement)"):
            break
    else:
        pytest.fail("the heading was not reached by the tabulator key")
    for direction in ("ascending", "descending"):
        page.keyboard.press("Enter")
        expect(cell).to_have_attribute("aria-sort", direction)
    values = numbers(column(page, place))
    assert len(values) > 3 and values == sorted(values, reverse=True)


def test_the_first_stop_of_the_keyboard_skips_to_the_content(open_page):
    page = open_page(MNIST)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_every_link_leads_to_a_file_and_its_place(open_page, site):
    page = open_page("index.html")
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri())
        for link in page.locator("a").evaluate_all("links => links.map(link => link.href)"):
            address, _, fragment = link.removeprefix(site.as_uri()).partition("#")
            assert link.startswith(site.as_uri()) and (site / address.lstrip("/")).is_file(), link
            assert not fragment or page.locator(f"#{fragment}").count() == 1


def test_a_reader_comes_from_the_first_page_to_a_model_and_back(open_page):
    page = open_page("index.html")
    page.get_by_role("link", name="mnist, preset small", exact=True).click()
    page.get_by_role("link", name=re.compile("^MAE")).first.click()
    assert page.locator("h1").inner_text().strip().startswith("MAE η=")
    assert page.locator(".command").inner_text().startswith("mae-bench run --models 'mae[")
    page.get_by_role("link", name="Leaderboard").click()
    assert page.url.endswith("/index.html") and page.locator(".card").count() >= 2


def test_pictures_of_leaders_and_of_a_model_are_shown_whole(open_page):
    page = open_page("index.html")
    leaders = page.locator(".pictures img")
    assert 1 < leaders.count() <= 4
    leaders.first.scroll_into_view_if_needed()
    size = "image => [image.complete, image.naturalWidth, image.width, image.height]"
    expect(leaders.first).to_have_js_property("complete", True)
    assert leaders.first.evaluate(size) == [True, 231, 231, 231]
    tops = leaders.evaluate_all("images => images.map(image => image.getBoundingClientRect().top)")
    assert len(set(tops)) == 1, "they stand in a row"
    page.locator(".pictures a").first.click()
    assert page.locator(".pictures img").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_fault(open_page, site, scheme):
    for address in kinds_of_page(site):
        page = open_page(address, scheme=scheme)
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        if address == MNIST:
            heading(page, "NLL")[0].locator(".dt-column-order").click()
        # Without preload: the checker would fetch the style sheet, which the page's policy forbids.
        found = Axe().run(page, options={"preload": False}).response["violations"]
        serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert serious == [], address


def test_light_and_dark_differ(open_page):
    colours = {open_page(MNIST, scheme=s).evaluate("getComputedStyle(document.body).color") for s in ("light", "dark")}
    assert len(colours) == 2


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_no_page_is_wider_than_the_screen(open_page, site, width):
    for address in kinds_of_page(site):
        page = open_page(address, width=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_the_table_scrolls_by_keyboard_within_its_region(open_page):
    page = open_page(MNIST, width=360)
    region = page.get_by_role("region", name=re.compile("mean ± standard deviation"))
    region.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("region => region.scrollLeft > 0", arg=region.element_handle())


def test_models_stay_in_sight_while_the_table_scrolls(open_page):
    page = open_page(MNIST)
    for family in ("density", "posterior", "probes"):
        page.locator(f"#show-{family}").check()
    page.locator(".wide").evaluate("region => region.scrollTo(1500, 200)")
    for cells in ("#board thead th.model", "#board tbody tr:nth-child(12) th.model", "#board thead tr:first-child td"):
        on_top = """cell => {
            const { x, y, width, height } = cell.getBoundingClientRect();
            const shown = (part) => document.elementFromPoint(x + part * width, y + height / 2);
            return [0.1, 0.5, 0.9].every((part) => cell.contains(shown(part)));
        }"""
        assert page.locator(cells).evaluate(on_top), cells


def test_the_title_of_a_group_stays_in_sight_while_its_columns_do(open_page):
    page = open_page(MNIST)
    page.locator("#show-probes").check()
    page.locator(".wide").evaluate("region => region.scrollTo(region.scrollWidth, 300)")
    title = page.locator("#board .group", has_text="Representation")
    region = page.locator(".wide").bounding_box()
    box = title.bounding_box()
    assert region["x"] < box["x"] and box["x"] + box["width"] < region["x"] + region["width"]
    assert box["y"] >= region["y"]


def test_the_compact_columns_fit_and_the_others_come_when_asked_for(open_page):
    page = open_page(MNIST)
    texts = page.locator("#board thead tr:nth-child(2) th:visible").all_inner_texts()
    assert [re.split(r"[\n,↓↑]", text)[0].strip() for text in texts] == [
        "model", "NLL", "KL", "active units", "K-Means 10", "KNN 100", "linear 100", "status", "seeds",
    ]  # fmt: skip
    assert page.locator(".wide").evaluate("region => region.scrollWidth <= region.clientWidth")
    page.get_by_label("Posterior geometry").check()
    posterior, density = (page.locator(f"#board th[data-kind].g-{family}").first for family in ("posterior", "density"))
    assert posterior.is_visible() and not density.is_visible()
    page.get_by_label("Posterior geometry").uncheck()
    assert not posterior.is_visible()


def test_a_phone_shows_model_and_score_first(open_page):
    page = open_page(MNIST, width=390)
    cells = page.locator("#board tbody tr").first.locator("th, td")
    score, status = (
        cells.nth(1).bounding_box(),
        cells.filter(has_text="submitted").or_(cells.filter(has_text="verified")),
    )
    assert score["x"] + score["width"] <= 390
    assert status.first.bounding_box()["x"] > score["x"]


def test_pointing_at_a_mark_names_its_row_and_clicking_selects_it_everywhere(open_page):
    page = open_page(MNIST)
    group = page.locator("#plot-rate-distortion .series.look-one-layer[data-row^='resnet_vae']")
    key = group.get_attribute("data-row")
    dot = group.locator(".dot").first
    dot.hover()
    note = page.locator(".note")
    assert note.inner_text().startswith("ResNet VAE: rate: KL, nats ")
    dot.click()
    row = page.locator(f"[id='{key}']")
    expect(row).to_have_class(re.compile("selected"))
    assert row.get_by_role("checkbox").is_checked()
    assert (
        page.locator(f".series.selected[data-row='{key}']").count()
        == page.locator(f".series[data-row='{key}']").count()
        > 3
    )
    assert page.locator("#picked").inner_text().startswith("Selected: ResNet VAE.")
    page.mouse.move(5, 5)
    assert not note.is_visible()
    page.get_by_role("button", name="Clear").click()
    assert page.locator(".selected").count() == 0 and not page.locator("#picked").is_visible()


def test_two_selected_rows_lead_to_the_page_that_compares_them(open_page):
    page = open_page(MNIST)
    for name in ("Select MAE η=1, γ=0.5", "Select VLAE"):
        page.get_by_label(name, exact=True).check()
    page.get_by_role("link", name="Compare them").click()
    assert page.locator("#comparison thead th").all_inner_texts()[1].startswith("MAE η=1, γ=0.5")
    assert page.get_by_label("First row").locator("option:checked").inner_text() == "MAE η=1, γ=0.5"
    assert page.get_by_label("Second row").locator("option:checked").inner_text() == "VLAE"
    page.get_by_label("Third row").select_option(label="ResNet VAE")
    assert page.locator("#comparison thead th").count() == 8
    page.reload()
    assert page.get_by_label("Third row").locator("option:checked").inner_text() == "ResNet VAE"


def test_differences_and_their_verdicts_are_those_of_scipy(open_page, site):
    text = re.search(r'id="data">(.*?)</script>', (site / COMPARE).read_text(encoding="utf-8"), re.DOTALL)[1]
    data = json.loads(text)
    first, second = (next(row for row in data["rows"] if row["name"] == name) for name in ("MAE η=1, γ=0.5", "VLAE"))
    page = open_page(f"{COMPARE}#{first['key']},{second['key']}")
    pairs = list(zip(data["metrics"], first["values"], second["values"], strict=True))
    tested = [None if not (a[1] or b[1]) else welch(Sample(*a), Sample(*b)) for _, a, b in pairs]
    rejected = iter(holm([p for p in tested if p is not None], data["alpha"]))
    words = []
    for (metric, a, b), p in zip(pairs, tested, strict=True):
        if p is None:
            words.append("not tested")
        elif not next(rejected):
            words.append(f"not separated, p = {p:.2g}")
        else:
            better = (b[0] < a[0]) == (metric["direction"] == "lower")
            words.append("apart" if metric["direction"] == "none" else "better" if better else "worse")
    shown = page.locator("#comparison .verdict").all_inner_texts()
    assert [text if text.startswith("not sep") else text.split(",")[0] for text in shown] == words
    assert {"not separated", "worse", "apart", "not tested"} <= {word.split(",")[0] for word in words}
    change = page.locator("#comparison tbody tr").first.locator("td").nth(2).inner_text()
    assert float(change.replace("−", "-")) == pytest.approx(second["values"][0][0] - first["values"][0][0], abs=0.006)


@pytest.mark.parametrize("seeds", [(2, 2), (3, 5), (2, 30), (200, 3)])
def test_welch_in_the_page_is_welch_in_scipy(open_page, seeds):
    page = open_page(COMPARE)
    for shift in (0.0, 0.01, 1.0, 5.0, 40.0):
        for spread in (0.0, 0.3, 7.0):
            pair = Sample(10.0, 1.0, seeds[0]), Sample(10.0 + shift, spread, seeds[1])
            found = page.evaluate("([a, b]) => welch(a, b)", [list(one) for one in pair])
            assert found == pytest.approx(welch(*pair), rel=1e-9, abs=1e-14)
    assert page.evaluate("welch([1, null, 1], [2, 0.5, 3])") is None
    assert page.evaluate("welch([1, 0, 2], [2, 0, 3])") is None
    p_values = [0.001, 0.04, None, 0.012, 0.03]
    assert page.evaluate("p => holm(p, 0.05)", p_values) == [True, False, False, True, False]
    assert holm([p for p in p_values if p is not None]) == [True, False, True, False]


def test_a_command_is_copied(open_page):
    page = open_page(MNIST, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the command").first.click()
    expect(page.get_by_role("button", name="Copy the command").first).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator(".command").first.inner_text()


def test_without_javascript_all_is_there(open_page):
    with_it, page = open_page(MNIST), open_page(MNIST, java_script_enabled=False)
    for part in ("#board tbody tr", "figure svg[role=img]"):
        assert page.locator(part).count() == with_it.locator(part).count() > 3
    assert not page.locator("#controls").is_visible() and not page.locator(".pick").first.is_visible()
    page.get_by_label("Posterior geometry").check()
    assert page.locator("#board td.g-posterior").first.is_visible()
    assert "ResNet VAE: rate: KL" in " ".join(page.locator("#plot-rate-distortion title").all_text_contents())
    page = open_page(COMPARE, java_script_enabled=False)
    assert page.get_by_role("link", name="The board").is_visible()


def test_hostile_text_is_text(open_page, site):
    page = open_page(DIGITS)
    text = page.locator("body").inner_text()
    assert "<script" in text.lower() and "\u202e" not in text and "\\u202e" in text
    assert (
        page.locator("#board img, #board iframe, #board script, #board tbody [onerror], #board [onclick]").count() == 0
    )
    for path in site.joinpath(DIGITS).parent.glob("*.html"):
        page = open_page(path.relative_to(site).as_posix())
        assert (
            page.locator(
                "script:not([src], [type='application/json']), img:not(.picture), iframe, [style], [onerror]"
            ).count()
            == 0
            or path.name == "index.html"
        )
