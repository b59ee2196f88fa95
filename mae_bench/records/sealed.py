"""JSON that is sealed with a hash of its content, read from untrusted files."""

from typing import Any, TypeVar

from pydantic import ValidationError

from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.text import quoted
from mae_bench.records.schema import Section, content_hash

AnySection = TypeVar("AnySection", bound=Section)


def check_seal(kind: type[AnySection], content: Any, seal: str, *, what: str, name: str, remedy: str) -> AnySection:
    """`content` as a `kind`, whose field `seal` must be the SHA-256 of the canonical JSON of the rest.

    RecordError calls the file a `what` named `name`, and states the fault and the remedy.
    """
    try:
        checked = kind.model_validate(content)
        intact = content_hash(checked, seal) == getattr(checked, seal)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = quoted(".".join(str(part) for part in first["loc"]))
        raise RecordError(
            f"{what} {name} does not fit the schema ({where}: {quoted(first['msg'])}); {remedy}."
        ) from error
    except ValueError as error:  # text that cannot be encoded as UTF-8
        raise RecordError(f"{what} {name} cannot be hashed ({quoted(error)}); {remedy}.") from error
    if not intact:
        raise RecordError(f"{what} {name} was changed after it was written (its hash does not match); {remedy}.")
    return checked
