"""How this process allocates: what a pass frees, the next one takes again, without asking the system."""

import ctypes

# Of mallopt(3).
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_KEPT = 2**31 - 1
"""Bytes that may lie free before they are given back: all that the parameter can say."""
_FROM_HEAP = (2**30, 2**25)
"""Blocks below this size come from the heap. Older versions of glibc take no more than the second."""


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks of megabytes. Does nothing with another C library.

    By itself it maps each such block anew and unmaps it when it is freed, so that every activation of every pass is
    paid for twice, in page faults too. Numbers and peak memory stay the same.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS, musl; Windows
        return
    mallopt(_TRIM_THRESHOLD, _KEPT)
    any(mallopt(_MMAP_THRESHOLD, size) for size in _FROM_HEAP)
