"""The site as a reader meets it: by mouse, by keyboard, on a phone, with and without JavaScript."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from mae_bench.planning.registry import known_tasks

VERSIONS = {task.name: task.version for task in known_tasks()}
MNIST = f"site/mnist-v{VERSIONS['mnist']}-small/index.html"
DIGITS = f"site/digits-v{VERSIONS['digits']}-small/index.html"
COLUMNS = {"KNN 100": "higher", "NLL": "lower", "KL": "none"}


def kinds_of_page(site):
    """One address of every kind of page, the page of a hostile model and that of two kinds of run among them."""
    hostile = sorted(site.joinpath(DIGITS).parent.glob("*.html"), key=lambda path: len(path.read_bytes()))
    model = next(site.joinpath(MNIST).parent.glob("vlae-*.html"))
    return [
        "index.html",
        MNIST,
        DIGITS,
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
    page.get_by_label("Hide reported rows").check()
    assert kinds(page) == ["ranked", "ranked"]
    page.get_by_label("Filter rows").fill("verified")
    assert {label.split("[")[0] for label in column(page, 0)} == {"mae"}
    page.get_by_label("Filter rows").fill("no such row")
    assert count.inner_text() == f"0 of {rows} rows shown"
    page.get_by_label("Hide reported rows").uncheck()
    page.get_by_label("Filter rows").fill("")
    assert count.inner_text() == f"{rows} of {rows} rows shown"


def test_sorting_by_keyboard(open_page):
    page = open_page(MNIST)
    cell, place = heading(page, "NLL")
    page.get_by_label("Hide reported rows").focus()
    for _ in range(8):
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
    for path in sorted(site.rglob("*.html")):
        page = open_page(path.relative_to(site).as_posix())
        for link in page.locator("a").evaluate_all("links => links.map(link => link.href)"):
            address, _, fragment = link.removeprefix(site.as_uri()).partition("#")
            assert link.startswith(site.as_uri()) and (site / address.lstrip("/")).is_file(), link
            assert not fragment or page.locator(f"#{fragment}").count() == 1


def test_a_reader_comes_from_the_first_page_to_a_model_and_back(open_page):
    page = open_page("index.html")
    page.get_by_role("link", name="mnist, preset small", exact=True).click()
    page.get_by_role("link", name=re.compile("^mae")).first.click()
    assert page.locator("h1").inner_text().startswith("mae[")
    assert page.locator(".command").inner_text().startswith("mae-bench run --models 'mae[")
    page.get_by_role("link", name="Leaderboard").click()
    assert page.url.endswith("/index.html") and page.locator(".card").count() >= 2


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
    page.locator(".wide").evaluate("region => region.scrollTo(1500, 200)")
    for cells in ("#board thead th.model", "#board tbody tr:nth-child(12) th.model"):
        on_top = """cell => {
            const { x, y, width, height } = cell.getBoundingClientRect();
            const shown = (part) => document.elementFromPoint(x + part * width, y + height / 2);
            return [0.1, 0.5, 0.9].every((part) => cell.contains(shown(part)));
        }"""
        assert page.locator(cells).evaluate(on_top), cells


def test_without_javascript_all_is_there(open_page):
    with_it, page = open_page(MNIST), open_page(MNIST, java_script_enabled=False)
    for part in ("#board tbody tr", "figure svg[role=img]"):
        assert page.locator(part).count() == with_it.locator(part).count() > 3
    assert not page.locator("#controls").is_visible()


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
            page.locator("script:not([src]), img, iframe, [style], [onerror]").count() == 0 or path.name == "index.html"
        )
