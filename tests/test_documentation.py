"""What the Markdown files say is true: commands run, links lead somewhere, the example is the file."""

import argparse
import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.records.store import Store

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "leaderboard/**/*.md", "tests/**/*.md", "baselines/**/*.md")
    for page in ROOT.glob(pattern)
)

CHEAP_PRESET = "smoke"
"""Run in place of the preset that a command names or leaves to the default; as written it is planned with --dry-run."""
CHEAP_TASKS = {
    "mnist": str(FIXTURES / "mnist_500" / "mnist_500.toml"),
    "cifar10": str(FIXTURES / "cifar10_120" / "cifar10_120.toml"),
}
"""A few of the images in place of all, so that nothing is downloaded."""
NOT_COMMANDS = {"python", "toml", "bash", "yaml", "bibtex", "text"}
ELSEWHERE = {"ray", "slurm", "cuda"}
"""A run that names one of these needs a cluster or a GPU, and is planned only."""
WALKS = {"submitting.md"}
"""Pages whose blocks are one session: they run in their order, in one folder."""
SESSIONS = {"python.md"}
"""Pages of docs/ whose Python is one script."""
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
RERUN = "tests/golden/records/digits/smoke/resnet_vae"
"""Run again where a command would run all published records again."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, or the commands in backticks of its prose (language "inline")."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line or self.text}"


def fenced_blocks(page: Path) -> list[Block]:
    """Every fenced block; its language is "" where the page names none."""
    blocks, opened, lines = [], None, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.startswith("```"):
            lines.append(line)
        elif opened is None:
            opened, lines = (number, line.removeprefix("```").strip()), []
        else:
            blocks.append(Block(page, *opened, "\n".join(lines)))
            opened = None
    assert opened is None, f"{page.name}: the block of line {opened} is never closed"
    return blocks


def prose(page: Path) -> str:
    """The text outside fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def inline_commands(page: Path) -> list[Block]:
    """What stands in backticks and begins like a command of ours; a backtick span may be broken over two lines."""
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page)))
    return [Block(page, 0, "inline", span) for span in spans if re.match(r"(make|mae-bench) ", span)]


FENCED = [block for page in PAGES for block in fenced_blocks(page)]
COMMANDS = [block for block in FENCED if block.language == "sh" and block.page.name not in WALKS]
COMMANDS += [
    Block(page, 1, "sh", "\n".join(block.text for block in fenced_blocks(page) if block.language == "sh"))
    for page in PAGES
    if page.name in WALKS
]
COMMANDS += list({block.text: block for page in PAGES for block in inline_commands(page)}.values())


PLACES = {
    *("--executor", "--address", "--device", "--gpus-per-job", "--cpus-per-job"),
    *("--partition", "--time-minutes", "--max-running", "--sbatch"),
}
"""Options of `run` that name what a reader's machine may have and this one has not."""


def run_make(arguments: list[str]) -> str:
    """What `make` would do, without doing it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--dry-run", "--always-make", *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{shlex.join(command)}: {result.stderr}"
    return result.stdout


def run_mae_bench(arguments: list[str]) -> None:
    """What is only planned has no data at hand, since the fixtures' images are not those of the built-in tasks."""
    data = {"MAE_BENCH_DATA": str(Path("no data").absolute())} if "--dry-run" in arguments else {}
    result = CliRunner(env=data).invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, f"mae-bench {shlex.join(arguments)}\n{result.output}"


def plan_run(arguments: list[str]) -> None:
    """`run --dry-run`, here: a cluster and GPUs that a reader may have are not asked for."""
    main.commands["run"].make_context("run", [*arguments])
    here, words = [], iter(arguments)
    for word in words:
        if word in PLACES:
            next(words)
        elif word != "--cuda-graph":
            here.append(word)
    run_mae_bench(["run", *here, "--dry-run"])


def made_cheap(arguments: list[str]) -> list[str]:
    """The arguments of a `run` with CHEAP_PRESET and CHEAP_TASKS in place of what they name."""
    cheap = [*arguments, "--preset", CHEAP_PRESET]
    for position, argument in enumerate(arguments[:-1]):
        if argument in ("-t", "--tasks"):
            names = arguments[position + 1].split(",")
            cheap[position + 1] = ",".join(CHEAP_TASKS.get(name, name) for name in names)
    return cheap


def rerun_cheaply(arguments: list[str]) -> None:
    """`verify --rerun` of what `made_cheap` left in place of preset small, or of one golden record."""
    cheap = [argument.replace("/small/", f"/{CHEAP_PRESET}/") for argument in arguments]
    if not [argument for argument in cheap if Path(argument).is_dir()]:
        shutil.copytree(ROOT / RERUN, "golden", dirs_exist_ok=True)
        cheap.append(str(min(Path("golden").glob("*.json"))))
    run_mae_bench(["verify", *cheap])


def evaluate_cheaply(arguments: list[str]) -> None:
    """`evaluate` of what `made_cheap` left in place of preset small; wildcards are expanded as a shell would."""
    cheap = [argument.replace("/small/", f"/{CHEAP_PRESET}/") for argument in made_cheap(arguments)]
    found = {argument: sorted(map(str, Path().glob(argument))) for argument in cheap if "*" in argument}
    run_mae_bench([word for argument in cheap for word in found.get(argument, [argument])])


def figures_cheaply(arguments: list[str]) -> None:
    """`figures` of a published board as written, else of what `made_cheap` left, or of two jobs made here."""
    if not Path("results").exists():
        run_mae_bench(["run", *made_cheap(["--models", "mae,vlae"])])
    run_mae_bench(arguments if "leaderboard/results" in arguments else made_cheap(arguments))


CHEAPLY = {"evaluate": evaluate_cheaply, "figures": figures_cheaply}


def run_git(arguments: list[str]) -> None:
    """In a repository with one commit and a remote, made where there is none."""
    who = {f"GIT_{role}_{what}": "reader@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull}
    commands = [["git", *arguments]]
    if not Path(".git").exists():
        begin = ("init --quiet", "init --quiet --bare origin.git", "remote add origin origin.git")
        commands[:0] = [["git", *text.split()] for text in (*begin, "commit --quiet --allow-empty --message Begin")]
    for command in commands:
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{shlex.join(command)}: {result.stderr}"


def extras_in(text: str) -> set[str]:
    """What stands in brackets behind the package, or behind the dot that stands for it."""
    return {name for names in re.findall(r"(?:'\.|mae-bench)\[([a-z,]+)\]", text) for name in names.split(",")}


def plan_installation(arguments: list[str]) -> None:
    """What `pip install` would do here but for dependencies; `uv pip install` takes the same arguments."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index", "--no-build-isolation"]
    result = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"pip install {shlex.join(arguments)}: {result.stderr}"
    assert "Would install mae-bench" in result.stdout
    assert extras_in(shlex.join(arguments)) <= EXTRAS


def check_set_up(words: list[str]) -> None:
    """A command by which a reader gets mae-bench; nothing is installed, and no image is built."""
    match words:
        case ["python3", "-m", "venv", ".venv"] | ["uv", "venv", "--python", "3.11" | "3.12"]:
            assert sys.version_info >= (3, 11)
        case ["source", ".venv/bin/activate"]:
            assert "-m venv .venv" in run_make(["install"])
        case ["pip", "install", *arguments] | ["uv", "pip", "install", *arguments]:
            plan_installation(arguments)
        case ["docker", "build", *options, "."]:
            parser = argparse.ArgumentParser(exit_on_error=False)
            parser.add_argument("--build-arg", action="append")
            parser.add_argument("--tag")
            given = {argument.partition("=")[0] for argument in parser.parse_args(options).build_arg}
            assert given <= set(re.findall(r"^ARG (\w+)=", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
        case ["docker", "run", *options] if "mae-bench" in options:
            check_command(shlex.join(options[options.index("mae-bench") :]))
        case _:
            pytest.fail(f"no check is known for the command: {shlex.join(words)}")


def check_command(command: str) -> None:
    """Run one documented command, in the working directory; a kind of command that is not known here fails."""
    match shlex.split(command):
        case ["make", *arguments]:
            for line in run_make(arguments).splitlines():
                if line.partition(" ")[0].endswith("/bin/mae-bench"):
                    check_command(f"mae-bench {line.partition('/bin/mae-bench')[2]} --dry-run")
        case ["mae-bench", "run", *arguments]:
            plan_run(arguments)
            if not ELSEWHERE & set(re.findall(r"\w+", command)):
                run_mae_bench(["run", *made_cheap(arguments)])
        case ["mae-bench", "verify", *arguments] if "--rerun" in arguments:
            rerun_cheaply(arguments)
        case ["mae-bench", verb, *arguments]:
            CHEAPLY.get(verb, run_mae_bench)([verb, *arguments])
        case ["git", *arguments]:
            run_git(arguments)
        case ["python3" | "source" | "pip" | "uv" | "docker", *_]:
            check_set_up(shlex.split(command))
        case ["mkdir", "-p", folder]:
            Path(folder).mkdir(parents=True, exist_ok=True)
        case ["cp", source, target]:
            shutil.copyfile(source, target)
        case _:
            pytest.fail(f"no check is known for the command: {command}")


@pytest.fixture
def reader_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader would stand: a copy of what commands refer to by a relative path, and the fixtures' images."""
    for folder in ("docs", "leaderboard"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    for task in CHEAP_TASKS.values():
        for prepared in Path(task).parent.glob("*.npz"):
            shutil.copy(prepared, data)
    monkeypatch.setenv("MAE_BENCH_DATA", str(data))
    return tmp_path


@pytest.mark.parametrize("block", COMMANDS, ids=str)
@pytest.mark.usefixtures("reader_folder")
def test_commands_run(block: Block) -> None:
    for command in block.text.splitlines():
        check_command(command)


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf results",
        "make no-such-target",
        "mae-bench run --models no_such_model",
        "mae-bench fly",
        "source elsewhere",
        "mae-bench verify absent --rerun",
        "mae-bench evaluate absent/*/ --tasks digits",
        "mae-bench figures absent",
        "git merge no-such-branch",
        "cp absent.py present.py",
        "pip install -c absent.txt -e .",
        "uv pip install -e '.[absent]'",
        "docker build --build-arg ABSENT=1 .",
        "docker run mae-bench fly",
    ],
)
@pytest.mark.usefixtures("reader_folder")
def test_a_command_that_is_wrong_or_unknown_fails(command: str) -> None:
    with pytest.raises((AssertionError, FileNotFoundError, pytest.fail.Exception)):
        check_command(command)


def test_the_pages_have_commands_to_check() -> None:
    assert {"README.md", "CONTRIBUTING.md", "adapters.md", *WALKS} <= {block.page.name for block in COMMANDS}


@pytest.mark.parametrize("block", FENCED, ids=str)
def test_every_block_says_what_it_is(block: Block) -> None:
    assert block.language in {"sh", *NOT_COMMANDS}, f"{block} is {block.language!r}"


@pytest.mark.parametrize("block", [block for block in FENCED if block.language == "bash"], ids=str)
@pytest.mark.usefixtures("reader_folder")
def test_scripts_parse_and_their_runs_can_be_planned(block: Block) -> None:
    """A script is for a machine that is not here: the shell reads it, and what it runs of ours is planned."""
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    runs = re.findall(r"^mae-bench run .*?(?= &?$)", block.text.replace("\\\n", ""), flags=re.MULTILINE)
    assert runs
    for run in runs:
        check_command(run)


@pytest.mark.parametrize("page", sorted(SESSIONS))
def test_the_python_of_a_page_runs_as_one_script(page: str, reader_folder: Path) -> None:
    blocks = [block for block in fenced_blocks(ROOT / "docs" / page) if block.language == "python"]
    script = reader_folder / "page.py"
    script.write_text("\n".join(block.text for block in blocks), encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(script)],
        cwd=reader_folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout


@pytest.mark.parametrize("block", [block for block in FENCED if block.language == "python"], ids=str)
def test_python_parses(block: Block) -> None:
    ast.parse(textwrap.dedent(block.text))


def test_options_in_prose_exist() -> None:
    helps = "".join(CliRunner().invoke(main, [verb, "--help"]).output for verb in main.commands)
    known = set(re.findall(r"--[a-z][a-z-]+", helps)) | {
        "--strict",
        "--store-ratios",
        "--gpus",
    }  # of mypy, of benchmarks/conftest.py, of docker
    named = {option for page in PAGES for option in re.findall(r"`[^`]*?(--[a-z][a-z-]+)", prose(page))}
    assert named
    assert named <= known


def test_the_quickstart_holds_the_example() -> None:
    example = (ROOT / "docs" / "examples" / "my_vae.py").read_text(encoding="utf-8")
    assert example.rstrip("\n") in [block.text for block in fenced_blocks(ROOT / "docs" / "quickstart.md")]


def test_extras_in_pages_exist() -> None:
    named = extras_in("".join(page.read_text(encoding="utf-8") for page in PAGES))
    assert named
    assert named <= EXTRAS


def test_the_example_answers_every_measure(reader_folder: Path) -> None:
    run_mae_bench(["run", "--models", "docs/examples/my_vae.py", "--preset", CHEAP_PRESET, "--output-dir", "results"])
    (record,) = Store(reader_folder / "results").records()
    assert record.model.name == "MyVAE"
    assert record.not_supported == {}
    assert {"nll", "mpd", "kmeans_10", "knn_100"} <= record.metrics.keys()
    assert all(metric.value is not None for metric in record.metrics.values())


def test_the_page_about_speed_has_the_stored_ratios() -> None:
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    stored = json.loads((ROOT / "benchmarks" / "ratios.json").read_text())
    quoted = re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) \| ([\d.]+) % \|$", page, re.MULTILINE)
    assert quoted == [(name, f"{of['ratio']:.2f}", f"{100 * of['spread']:.1f}") for name, of in stored.items()]


def anchors(page: Path) -> set[str]:
    """Those that GitHub gives the headings of a page, of which no two are alike."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)|[`*\\]", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_exist(page: Path) -> None:
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        led_to = page.parent / path if path else page
        if not led_to.exists() or (anchor and led_to.suffix == ".md" and anchor not in anchors(led_to)):
            missing.append(target)
    assert missing == []
