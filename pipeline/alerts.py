"""Tells people of something that failed: posts to a webhook or sends a mail, as [alerts] of the configuration says.

What an alert is about is the caller's affair. Secrets come from the environment and stand in no message.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import smtplib
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Literal

from pipeline.settings import Alerts

WEBHOOK_SECRET, SMTP_PASSWORD = "FANGYAN_WEBHOOK_SECRET", "FANGYAN_SMTP_PASSWORD"
_MOST_CHARACTERS = 3000
_WORDS = {"error": "ERROR", "warning": "Warning"}


class AlertNotSent(Exception):
    """An alert reached nobody; the message says who was asked, how often, and what came back."""


class _Refused(Exception):
    """The receiver will not take this request however often it is asked."""


@dataclass(frozen=True)
class Alert:
    """`title` is one line, `text` some; `facts` are shown as a list; `link` leads to more."""

    severity: Literal["error", "warning"]
    title: str
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)
    link: str = ""

    @property
    def headline(self) -> str:
        return f"[Fangyan] {_WORDS[self.severity]}: {' '.join(self.title.split())}"

    @property
    def body(self) -> str:
        """Text, facts and link as plain text, shortened to what every receiver takes."""
        text = self.text if len(self.text) <= _MOST_CHARACTERS else f"{self.text[:_MOST_CHARACTERS]} ..."
        lines = [text, *(f"{name}: {value}" for name, value in self.facts.items()), self.link]
        return "\n".join(line for line in lines if line).encode(errors="replace").decode()


def is_configured(settings: Alerts) -> bool:
    """Whether the configuration names anybody who is to be told."""
    return bool(settings.webhook or settings.smtp_host)


def send(
    alert: Alert, settings: Alerts, environment: Mapping[str, str], wait: Callable[[float], None] = time.sleep
) -> None:
    """Send to the webhook and by mail, whichever is configured; each is tried again after pauses that double.

    Raises AlertNotSent when one of them was not reached.
    """
    failures = []
    for name, receiver in (("webhook", _webhook(settings)), ("mail server", settings.smtp_host)):
        if not receiver:
            continue
        try:
            post = _post if name == "webhook" else _mail
            _try(lambda post=post: post(alert, settings, environment), settings, wait)
        except (_Refused, OSError, http.client.HTTPException, smtplib.SMTPException, ValueError) as error:
            failures.append(f"{name} {receiver}: {_said(error)}")
    if failures:
        raise AlertNotSent(f"an alert was not sent ({alert.headline}): {'; '.join(failures)}; see [alerts]")


def webhook_request(alert: Alert, settings: Alerts, secret: str, now: float) -> tuple[str, dict[str, Any]]:
    """URL and JSON body in the form that the receiver reads; `now` in epoch seconds goes into its signature."""
    text = f"{alert.headline}\n{alert.body}"
    if settings.format == "slack":
        return settings.webhook, {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    if settings.format == "feishu":
        body: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
        if secret:
            stamp = str(int(now))
            body |= {"timestamp": stamp, "sign": _signature(f"{stamp}\n{secret}", "")}
        return settings.webhook, body
    if settings.format == "dingtalk":
        body = {"msgtype": "text", "text": {"content": text}}
        if not secret:
            return settings.webhook, body
        stamp = str(int(now * 1000))
        signed = urllib.parse.urlencode({"timestamp": stamp, "sign": _signature(secret, f"{stamp}\n{secret}")})
        return f"{settings.webhook}{'&' if '?' in settings.webhook else '?'}{signed}", body
    return settings.webhook, {
        "severity": alert.severity,
        "title": alert.headline,
        "text": alert.text,
        "facts": dict(alert.facts),
        "link": alert.link,
    }


def mail(alert: Alert, settings: Alerts) -> EmailMessage:
    """The alert as a mail."""
    message = EmailMessage()
    message["Subject"] = alert.headline.encode(errors="replace").decode()
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    message.set_content(alert.body)
    return message


def _try(act: Callable[[], None], settings: Alerts, wait: Callable[[float], None]) -> None:
    for attempt in range(settings.attempts):
        try:
            return act()
        except (OSError, http.client.HTTPException, smtplib.SMTPException):
            if attempt + 1 == settings.attempts:
                raise
            wait(settings.backoff_seconds * 2**attempt)
    return None


def _post(alert: Alert, settings: Alerts, environment: Mapping[str, str]) -> None:
    url, body = webhook_request(alert, settings, environment.get(WEBHOOK_SECRET, ""), time.time())
    if not url.startswith(("http://", "https://")):
        raise _Refused("[alerts] webhook is no http or https URL")
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json; charset=utf-8"})
    try:
        with urllib.request.urlopen(request, timeout=settings.timeout_seconds) as response:
            _check_answer(response.read(65536))
    except urllib.error.HTTPError as error:
        # What is wrong with the request itself does not mend by waiting; too many requests do.
        if 400 <= error.code < 500 and error.code not in (408, 429):
            raise _Refused(f"answered {error.code} {error.reason}") from None
        raise


def _check_answer(answer: bytes) -> None:
    """Feishu and DingTalk answer 200 to what they refuse, and say why in the body."""
    try:
        said = json.loads(answer)
    except ValueError:
        return
    code = next((said[key] for key in ("code", "errcode") if said.get(key)), 0) if isinstance(said, dict) else 0
    if code:
        raise _Refused(f"answered {code}: {said.get('msg') or said.get('errmsg') or ''}")


def _mail(alert: Alert, settings: Alerts, environment: Mapping[str, str]) -> None:
    if not settings.recipients or not settings.sender:
        raise _Refused("[alerts] sender and recipients are needed for mail")
    connect = smtplib.SMTP_SSL if settings.smtp_security == "tls" else smtplib.SMTP
    with connect(settings.smtp_host, settings.smtp_port, timeout=settings.timeout_seconds) as server:
        if settings.smtp_security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if settings.smtp_user:
            try:
                server.login(settings.smtp_user, environment.get(SMTP_PASSWORD, ""))
            except smtplib.SMTPAuthenticationError:
                raise _Refused(f"refused smtp_user with the password of {SMTP_PASSWORD}") from None
        server.send_message(mail(alert, settings))


def _signature(key: str, message: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()).decode()


def _webhook(settings: Alerts) -> str:
    """The webhook's host alone: the rest of its URL is a secret."""
    try:
        host = urllib.parse.urlsplit(settings.webhook).hostname
    except ValueError:
        host = None
    return host or ("(its URL has no host)" if settings.webhook else "")


def _said(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"answered {error.code} {error.reason}"
    return str(error) or type(error).__name__
