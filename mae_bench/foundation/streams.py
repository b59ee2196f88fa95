"""Standard output and standard error that take every text. Imports no package."""

import codecs
import io
import sys
from encodings import ascii as ascii_codec


def print_every_text() -> None:
    """From now on, a character that the encoding of stdout or stderr lacks is printed as its replacement, "?".

    An arrow in a table, a path or what a model prints is no reason to lose what has been computed.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # click takes ASCII for a mistake and writes UTF-8 in its place, between what others write
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_ASCII if is_ascii else None, errors="replace")


_ASCII = "mae_bench_ascii"


def _find_codec(name: str) -> codecs.CodecInfo | None:
    """ASCII under the name `_ASCII`."""
    found = ascii_codec.getregentry() if name == _ASCII else None
    if found:
        found.name = name
    return found


codecs.register(_find_codec)
