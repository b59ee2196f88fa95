"""Boards as LaTeX: one table to the letter, and no character that LaTeX reads as something else."""

from mae_bench.boards.aggregate import boards
from mae_bench.report.latex import render_latex
from mae_bench.report.layout import Layout, TextCell, lay_out

GOLDEN = r"""% vlae (seed 0): partial: cut at 50% {x}
\begin{table}
\caption{digits, preset small. A \textbackslash{}caption.}
\begin{tabular}{llr}
\toprule
model & seeds & NLL $\downarrow$ \\
\midrule
free\_bits \& \#1 & 2 & \textbf{20.1 $\pm$ 0.2} \\
m\^{}2 & reported & -- \\
\bottomrule
\end{tabular}
\end{table}
"""


def test_one_table_to_the_letter():
    layout = Layout(
        heading="digits, preset small",
        caption="A \\caption.",
        headings=("model", "seeds", "NLL ↓"),
        rows=(
            (TextCell("free_bits & #1"), TextCell("2"), TextCell("20.1 ± 0.2", bold=True, value=20.1)),
            (TextCell("m^2"), TextCell("reported"), TextCell("–")),
        ),
        notes=("vlae (seed 0): partial: cut at 50% {x}",),
    )
    assert render_latex([layout]) == GOLDEN.replace(r"\^{}", r"\textasciicircum{}")


def test_a_note_stays_a_comment_whatever_a_record_says(make_record):
    hostile = make_record("m", 0, {"nll": (None, None, "a\n\\input{/etc/passwd}\r\\x")})
    text = render_latex(lay_out(board) for board in boards([hostile], []))
    assert [line for line in text.splitlines() if "input" in line and not line.startswith("% ")] == []
    assert "passwd" in text
