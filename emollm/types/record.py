"""What all records have in common: frozen, strict, read from JSON and written to it."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emollm.errors import DataError

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
"""A number in [0, 1]."""

Signed = Annotated[float, Field(ge=-1.0, le=1.0)]
"""A number in [-1, 1]."""

Seconds = Annotated[float, Field(ge=0.0)]
"""A time or a duration in seconds."""


class Record(BaseModel):
    """Base of all records: immutable, strict, no unknown fields, no NaN."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "record") -> Self:
        """Reads one record from JSON.

        Args:
            text: A JSON object.
            where: File and line, for the error message.

        Raises:
            DataError: The JSON is malformed, or does not have the form of the record.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DataError(
                f"{where}: not a valid {cls.__name__}: {place + ': ' if place else ''}{first['msg']}"
            ) from error

    def to_json(self, *, indent: int | None = None) -> str:
        """JSON text of the record; ``from_json`` reads it back to an equal record."""
        return self.model_dump_json(indent=indent)
