"""Untrusted text, made safe for a terminal, a page or a message. Imports nothing."""

LONGEST_QUOTATION = 120


def printable(text: str) -> str:
    """`text` with every unprintable character (control, direction, line break) replaced by its Python escape."""
    if text.isprintable():  # as nearly every text is
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(value: object) -> str:
    """An untrusted value as a sentence quotes it: printable, and cut off after `LONGEST_QUOTATION` characters."""
    text = printable(str(value)[: LONGEST_QUOTATION + 1])
    return text if len(text) <= LONGEST_QUOTATION else f"{text[:LONGEST_QUOTATION]}…"
