"""What a client is told that cannot be served, in the form that OpenAI's clients read."""

from __future__ import annotations

import math

from starlette.responses import JSONResponse


class Refused(Exception):
    """A request that is not served: HTTP status, a sentence for the caller, the field at fault, seconds to wait."""

    def __init__(self, status: int, message: str, param: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.retry_after = status, message, param, retry_after

    def response(self) -> JSONResponse:
        kind = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(
            self.status, "invalid_request_error" if self.status < 500 else "server_error"
        )
        body = {"error": {"message": self.message, "type": kind, "param": self.param or None, "code": None}}
        headers = {"Retry-After": str(math.ceil(self.retry_after))} if self.retry_after else {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(body, self.status, headers)
