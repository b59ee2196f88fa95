"""A site of the published records and of hostile ones, and a browser that may read files and nothing else."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from mae_bench.boards.aggregate import boards
from mae_bench.foundation.content import content_folder
from mae_bench.planning.registry import known_tasks
from mae_bench.planning.task import load_task
from mae_bench.records.pictures import draw_sheet, replace_pictures
from mae_bench.records.schema import Record
from mae_bench.records.store import Store
from mae_bench.report.html.site import write_site
from mae_bench.review.badges import Badges

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "leaderboard" / "results"
HOSTILE = ROOT / "tests" / "records" / "hostile" / "shown"
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT_FLAGS = ["--no-sandbox"]
"""Chromium's sandbox does not start for the superuser."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page there is: the published boards, some with pictures; one with hostile, partial and foreign rows."""
    folder, store = tmp_path_factory.mktemp("site"), Store(tmp_path_factory.mktemp("store"))
    published = Store(PUBLISHED).records()
    task = load_task(content_folder("tasks") / "digits.toml")
    hostile = [_changed(record, task={"version": task.version}) for record in Store(HOSTILE).records()]
    protocol = {"protocol": task.resolved("small")}
    digits = next(record for record in published if record.task.name == task.name)
    cut = [_changed(digits, training={"status": "partial", "reason": "stopped by --max-minutes"}, seed=7)]
    foreign = [_changed(digits, precision="float16", **protocol)]
    everything = [*published, *hostile, *cut, *foreign]
    hashes = frozenset(record.record_hash for record in published)
    verified = frozenset(record.record_hash for record in published if record.model.name == "mae")
    grey = np.random.default_rng(0).integers(256, size=(8, 8, 1, 28, 28), dtype=np.uint8)
    sheet = draw_sheet(list(grey))
    for record in published:
        if record.model.name in ("mae", "vlae"):
            replace_pictures(store.path_of(record), {"samples": sheet, "reconstructions": sheet})
    return write_site(folder, boards(everything, known_tasks()), Badges(hashes, verified), store.root).parent


def _changed(record: Record, **changes: object) -> Record:
    content = record.model_dump()
    for name, value in changes.items():
        content[name] = {**content[name], **value} if isinstance(value, dict) else value
    return Record.model_validate(content)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    path = shutil.which("chromium")
    if path is None:
        pytest.exit("these tests need Chromium as the command chromium: apt-get install chromium", returncode=1)
    with sync_playwright() as playwright:
        flags = FLAGS + (ROOT_FLAGS if os.geteuid() == 0 else [])
        running = playwright.chromium.launch(executable_path=path, args=flags)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser, site: Path) -> Iterator[Callable[..., Page]]:
    """`open_page(address, width=1280, scheme="light", **context)`: a page of the site.

    When the test ends, it fails if a page wrote an error or a warning to its console, or asked for anything but a file.
    """
    contexts, faults = [], []

    def told(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            faults.append(f"console: {message.text}")

    def asked(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            faults.append(f"request: {request.url}")

    def open_address(address: str, width: int = 1280, scheme: str = "light", **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", told)
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on("request", asked)
        page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
        path, fragment = re.fullmatch("([^#]*)(#.*)?", address).groups("")
        page.goto((site / path).as_uri() + fragment)
        return page

    yield open_address
    for context in contexts:
        context.close()
    assert faults == []
