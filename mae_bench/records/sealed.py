"""JSON that is sealed with a hash of its content, read from untrusted files."""

import json
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import ValidationError

from mae_bench.foundation.canonical import canonical_json
from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.text import quoted
from mae_bench.records.schema import Section

AnySection = TypeVar("AnySection", bound=Section)


def check_seal(kind: type[AnySection], content: Any, seal: str, *, what: str, name: str, remedy: str) -> AnySection:
    """`content` as a `kind`, whose field `seal` must be the SHA-256 of the canonical JSON of the rest.

    Types are strict: true is no number, 1.0 no integer and "1" neither; only an integer may stand for a float.
    RecordError calls the file a `what` named `name`, and states the fault and the remedy.
    """
    try:
        given = canonical_json(_without(seal, content))
        given.encode()
        checked = kind.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = quoted(".".join(str(part) for part in first["loc"]))
        raise RecordError(
            f"{what} {name} does not fit the schema ({where}: {quoted(first['msg'])}); {remedy}."
        ) from error
    except ValueError as error:  # text that cannot be encoded as UTF-8
        raise RecordError(f"{what} {name} cannot be hashed ({quoted(error)}); {remedy}.") from error
    written = checked.model_dump(mode="json", exclude_unset=True)
    as_written = canonical_json(_without(seal, written))
    place = None if as_written == given else _rewritten(content, written)
    if place is not None:
        raise RecordError(
            f"{what} {name} does not fit the schema ({quoted(place)}: mae-bench would write it in another way); "
            f"{remedy}."
        )
    if sha256(as_written.encode()).hexdigest() != getattr(checked, seal):
        raise RecordError(f"{what} {name} was changed after it was written (its hash does not match); {remedy}.")
    return checked


def _without(seal: str, content: Any) -> Any:
    return {key: value for key, value in content.items() if key != seal} if isinstance(content, dict) else content


def _rewritten(given: Any, written: Any, place: str = "") -> str | None:
    """Where the JSON `given` differs from `written`, as a path of keys; None if only integers became floats.

    The schema itself would take true for the number 1 of a version, and "01" for the key of an importance sample.
    """
    if isinstance(given, dict) and isinstance(written, dict):
        if other := given.keys() ^ written.keys():
            return f"{place}.{min(other)}".lstrip(".")
        pairs = [(f"{place}.{key}", value, written[key]) for key, value in given.items()]
    elif isinstance(given, list) and isinstance(written, list) and len(given) == len(written):
        pairs = [(f"{place}.{index}", *both) for index, both in enumerate(zip(given, written, strict=True))]
    else:
        alike = type(given) is type(written) or (type(given), type(written)) == (int, float)
        return None if alike and given == written else place.lstrip(".")
    faults = (_rewritten(one, other, where) for where, one, other in pairs)
    return next((fault for fault in faults if fault is not None), None)
