"""How the pages of docs/ become a site: mkdocs calls these while it builds (mkdocs.yml).

Pages are written for the repository, where every relative link leads to a file. On the site a link to a page of the
site stays one; the README is the start page, the leaderboard comes along as it is, and any other file of the repository
is shown where the repository is, if REPOSITORY_URL says where. Without that variable such a link is shown as its text.
"""

import ast
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "leaderboard/figures/README.md": "published-figures.md",
}
"""Files outside docs/ that are pages, and their names on the site."""
COPIES = (
    "leaderboard/index.html",
    "leaderboard/site/**/*",
    "leaderboard/results/**/*.json",
    "leaderboard/figures/**/*.png",
)
"""Files outside docs/ that come along under their own names."""
INSTEAD = {"leaderboard/README.md": "leaderboard/index.html"}
"""Files whose contents the site shows in another form."""
REFERENCE = {
    "reference/scripts.md": (
        "Scripts and notebooks",
        "mae_bench",
        "run Results load_results load_data evaluate ENGINE_VERSION __version__",
    ),
    "reference/adapters.md": ("The contract with a model", "mae_bench", ""),
    "reference/parts.md": ("Parts of models", "mae_bench.vae", ""),
    "reference/testing.md": ("Tests of an adapter", "mae_bench.testing", "check_adapter check_file AdapterFault"),
}
"""The pages of the Python reference: title, module and its names there; "" for all that are on no other page."""
FENCED = re.compile(r"^( *```.*?^ *```)$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)")
TABLE_ROW = re.compile(r"^\|.*$", re.MULTILINE)
SPAN = re.compile(r"`[^`]+`")
NESTED = re.compile(r"^ {2,3}(?=[-*] |\d+\. )", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """A link to the repository at the foot of each page, where it is known."""
    if config.extra["repository"]:
        config.extra["social"] = [
            {"icon": "fontawesome/brands/git-alt", "link": config.extra["repository"], "name": "The repository"}
        ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and files that lie outside docs/, and the Python reference."""
    for outside, name in PAGES.items():
        files.append(File.generated(config, name, content=(ROOT / outside).read_text(encoding="utf-8")))
    for pattern in COPIES:
        for path in sorted(path for path in ROOT.glob(pattern) if path.is_file()):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    for name, (title, module, names) in REFERENCE.items():
        files.append(File.generated(config, name, content=reference_page(title, module, names.split())))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with links that lead somewhere on the site, and lists nested as Python-Markdown wants them."""
    present = {file.src_uri for file in files}
    return for_site(markdown, page.file.src_uri, present, config.extra["repository"])


def for_site(markdown: str, name: str, present: set[str], repository: str) -> str:
    """`markdown` of the page that the site calls `name`; links and lists in code stay as they are."""

    def change(link: re.Match[str]) -> str:
        target = site_target(link["target"], name, present, repository)
        if target is None:
            return link["text"]
        return f"{link['image']}[{link['text']}]({target})"

    texts = FENCED.split(markdown)
    texts[::2] = [_as_python_markdown(LINK.sub(change, text)) for text in texts[::2]]
    return "".join(texts)


def _as_python_markdown(text: str) -> str:
    """What GitHub writes otherwise: lists nested by two or three spaces, and a bar in the code of a table."""

    def bare_bars(row: re.Match[str]) -> str:
        return SPAN.sub(lambda span: span[0].replace("\\|", "|"), row[0])

    return NESTED.sub("    ", TABLE_ROW.sub(bare_bars, text))


def site_target(target: str, name: str, present: set[str], repository: str) -> str | None:
    """Where a link of the page `name` leads on the site; None if to a file that is neither there nor to be shown."""
    parts = urlsplit(target)
    if parts.scheme or not parts.path:
        return target
    home = home_of(name)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(home), parts.path))
    path = INSTEAD.get(path, path)
    site = PAGES.get(path, path.removeprefix("docs/"))
    anchor = f"#{parts.fragment}" if parts.fragment else ""
    if site in present:
        return posixpath.relpath(site, posixpath.dirname(name) or ".") + anchor
    if not repository:
        return None
    return f"{repository}/blob/HEAD/{path}{anchor}"


def home_of(name: str) -> str:
    """The path in the repository of the page that the site calls `name`."""
    outside = {site: path for path, site in PAGES.items()}
    return outside.get(name, f"docs/{name}")


def reference_page(title: str, module: str, names: Sequence[str]) -> str:
    """A page for mkdocstrings: an entry for each name."""
    elsewhere = {f"{of}.{name}" for _, of, told in REFERENCE.values() for name in told.split()}
    shown = names or [name for name in public_names(module) if f"{module}.{name}" not in elsewhere]
    entries = "\n\n".join(f"::: {module}.{name}" for name in shown)
    return f"# {title}\n\n{entries}\n"


def public_names(module: str) -> list[str]:
    """`__all__` of a package of ours, read without importing it, since that would need torch."""
    source = ROOT.joinpath(*module.split("."), "__init__.py").read_text(encoding="utf-8")
    (names,) = (
        ast.literal_eval(statement.value)
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
    )
    return list(names)
