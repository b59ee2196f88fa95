"""The site of the pages, as `make docs` built it: it reads as GitHub does, holds together, and asks no other host."""

import importlib.util
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown import markdown
from markdown_it import MarkdownIt

import mae_bench
import mae_bench.vae

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
COUNTED = {"h1", "h2", "h3", "li", "table", "tr", "td", "th", "pre", "code", "strong", "em", "p", "img"}
EXTENSIONS = ["attr_list", "tables", "pymdownx.superfences"]
"""Of mkdocs.yml, those that change what is a paragraph, a list or a table."""

_spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
assert _spec is not None and _spec.loader is not None
hooks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hooks)

PAGES = sorted([*(ROOT / "docs").glob("**/*.md"), *(ROOT / path for path in hooks.PAGES)])
REPOSITORY = "https://example.org/owner/mae-bench"


class Elements(HTMLParser):
    """What a page consists of, and what it points to: (element, attribute, address)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.addresses: list[tuple[str, str, str]] = []
        self.anchors: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += tag in COUNTED
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.addresses.append((tag, name, value))
            if name in ("id", "name") and value:
                self.anchors.add(value)


@pytest.fixture(scope="module")
def built() -> dict[Path, Elements]:
    pages = {path: Elements(path.read_text(encoding="utf-8")) for path in SITE.rglob("*.html")}
    assert pages, "build the site first: make docs"
    return pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_the_same_parts_here_and_on_github(page: Path) -> None:
    """Lists that are not nested, tables that are not recognised and the like would be lost on one of the two."""
    text = page.read_text(encoding="utf-8")
    name = hooks.PAGES.get(page.relative_to(ROOT).as_posix(), page.name)
    site = markdown(hooks.for_site(text, name, set(), REPOSITORY), extensions=EXTENSIONS)
    github = MarkdownIt("commonmark").enable(["table"]).render(text)
    assert Elements(site).count - Counter(p=99) == Elements(github).count - Counter(p=99)
    assert "\\|" not in re.sub(r"<pre>.*?</pre>", "", site, flags=re.DOTALL)


def test_every_link_within_the_site_leads_to_a_page_and_an_anchor(built: dict[Path, Elements]) -> None:
    lost = []
    for path, page in built.items():
        for _, _, address in page.addresses:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and target in built and anchor not in built[target].anchors):
                lost.append(f"{path.relative_to(SITE)}: {address}")
    assert lost == []


def test_no_page_asks_another_host_for_anything(built: dict[Path, Elements]) -> None:
    """Links may leave the site; what a browser loads by itself may not."""
    loaded = [
        f"{path.relative_to(SITE)}: {address}"
        for path, page in built.items()
        for tag, name, address in page.addresses
        if (name == "src" or tag == "link") and urlsplit(address).netloc
    ]
    assert loaded == []
    styles = "".join(path.read_text(encoding="utf-8") for path in SITE.rglob("*.css"))
    assert re.findall(r"url\(['\"]?(?:https?:)?//[^)]*\)|@import[^;]*//[^;]*", styles) == []


def test_the_leaderboard_is_on_the_site_as_it_was_published() -> None:
    published = (ROOT / "leaderboard" / "site" / "files.txt").read_text(encoding="utf-8").split()
    pages = [name for name in published if name.endswith(".html")]
    assert pages
    for name in pages:
        assert (SITE / "leaderboard" / name).read_bytes() == (ROOT / "leaderboard" / name).read_bytes()


def test_the_reference_has_every_public_name(built: dict[Path, Elements]) -> None:
    anchors = {anchor for path, page in built.items() if "reference" in path.parts for anchor in page.anchors}
    names = {f"mae_bench.{name}" for name in mae_bench.__all__}
    names |= {f"mae_bench.vae.{name}" for name in mae_bench.vae.__all__}
    assert names - anchors == set()


@pytest.mark.parametrize(
    ("page", "target", "leads_to"),
    [
        ("tasks.md", "protocol.md#data", "protocol.md#data"),
        ("tasks.md", "#built-in-tasks", "#built-in-tasks"),
        ("tasks.md", "../README.md", "index.md"),
        ("tasks.md", "../leaderboard/README.md#mnist", "leaderboard/index.html#mnist"),
        ("tasks.md", "../mae_bench/data", f"{REPOSITORY}/blob/HEAD/mae_bench/data"),
        ("tasks.md", "https://example.org/a", "https://example.org/a"),
        ("index.md", "docs/tasks.md", "tasks.md"),
        ("contributing.md", "CHANGELOG.md", "changelog.md"),
        ("reference/scripts.md", "../tasks.md", "../tasks.md"),
    ],
)
def test_a_link_leads_to_the_site_where_that_has_the_page_and_else_to_the_repository(
    page: str, target: str, leads_to: str
) -> None:
    present = {"index.md", "tasks.md", "protocol.md", "changelog.md", "leaderboard/index.html"}
    assert hooks.site_target(target, page, present, REPOSITORY) == leads_to


def test_a_link_to_a_file_that_nothing_shows_is_its_text() -> None:
    text = "See [the `loop`](../mae_bench/job/training.py) and [tasks](tasks.md).\n\n```sh\n[a](b)\n```\n"
    shown = hooks.for_site(text, "training.md", {"tasks.md"}, "")
    assert shown == "See the `loop` and [tasks](tasks.md).\n\n```sh\n[a](b)\n```\n"
