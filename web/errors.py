"""Errors as clients of the API meet them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from sipmdcs.http.errors import HttpError


class ApiError(HttpError):
    """A request that cannot be answered; both dialects write it as an error object of JSON:API."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, parameter: str = "", header: str = "", retry_s: int | None = None
    ) -> None:
        """An error.

        Args:
            status: of the reply.
            detail: one line.
            parameter: query parameter that is the cause.
            header: request header that is the cause.
            retry_s: when it makes sense to ask again, whole seconds, if that is known.
        """
        self.parameter = parameter
        """Query parameter that is the cause, as the client wrote it."""
        self.header = header
        """Request header that is the cause."""
        super().__init__(status, detail, None if retry_s is None else {"Retry-After": str(retry_s)})

    def document(self) -> dict[str, Any]:
        """The error document."""
        error: dict[str, Any] = {
            "status": str(self.status.value),
            "code": self.status.name.lower(),
            "title": self.status.phrase,
            "detail": str(self),
        }
        if self.parameter:
            error["source"] = {"parameter": self.parameter}
        elif self.header:
            error["source"] = {"header": self.header}
        return {"jsonapi": {"version": "1.1"}, "errors": [error]}


def bad_parameter(parameter: str, detail: str) -> ApiError:
    """400 for a query parameter."""
    return ApiError(HTTPStatus.BAD_REQUEST, detail, parameter=parameter)


def not_found(detail: str) -> ApiError:
    """404."""
    return ApiError(HTTPStatus.NOT_FOUND, detail)


def source_away(detail: str, retry_s: int | None = None) -> ApiError:
    """503: something this service asks is not there; it may be in ``retry_s`` seconds."""
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_s=retry_s)
