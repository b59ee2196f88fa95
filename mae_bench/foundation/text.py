"""Text from outside, made fit for a terminal, a page or a message. Imports nothing."""

LONGEST_QUOTATION = 120


def printable(text: str) -> str:
    """`text` with every character that is not printable (control, direction, line breaks) as its Python escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(value: object) -> str:
    """What stands for a stranger's value within a sentence: printable, and cut off after `LONGEST_QUOTATION`."""
    text = printable(str(value)[: LONGEST_QUOTATION + 1])
    return text if len(text) <= LONGEST_QUOTATION else f"{text[:LONGEST_QUOTATION]}…"
