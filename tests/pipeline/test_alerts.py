"""Alerts as a real webhook and a real mail server on this machine receive them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from alert_receivers import MailServer, Webhook, served

from pipeline.alerts import SMTP_PASSWORD, WEBHOOK_SECRET, Alert, AlertNotSent, is_configured, send
from pipeline.settings import Alerts, load_settings

ALERT = Alert(
    "error", "run of stages_job b00007\nfailed", "diarize: <model> is missing", {"run": "r1"}, "http://ui/runs/r1"
)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with served(Webhook()) as server:
        yield server


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with served(MailServer()) as server:
        yield server


def signature(key: str, message: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()).decode()


def test_a_plain_webhook_receives_every_field_of_the_alert(webhook: Webhook) -> None:
    send(ALERT, Alerts(webhook=webhook.url), {})
    assert webhook.received == [
        (
            "/hook/s3cret",
            {
                "severity": "error",
                "title": "[Fangyan] ERROR: run of stages_job b00007 failed",
                "text": "diarize: <model> is missing",
                "facts": {"run": "r1"},
                "link": "http://ui/runs/r1",
            },
        )
    ]


def test_slack_reads_its_text_with_angle_brackets_escaped(webhook: Webhook) -> None:
    send(ALERT, Alerts(webhook=webhook.url, format="slack"), {})
    ((_, body),) = webhook.received
    assert body.keys() == {"text"}
    assert body["text"].startswith(
        "[Fangyan] ERROR: run of stages_job b00007 failed\ndiarize: &lt;model&gt; is missing"
    )


def test_feishu_reads_a_text_message_signed_with_the_secret_of_the_environment(webhook: Webhook) -> None:
    send(ALERT, Alerts(webhook=webhook.url, format="feishu"), {WEBHOOK_SECRET: "k"})
    ((_, body),) = webhook.received
    assert body["msg_type"] == "text"
    assert "run of stages_job b00007 failed" in body["content"]["text"]
    assert body["sign"] == signature(f"{body['timestamp']}\nk", "")


def test_dingtalk_reads_a_text_message_whose_url_is_signed(webhook: Webhook) -> None:
    send(ALERT, Alerts(webhook=f"{webhook.url}?access_token=t", format="dingtalk"), {WEBHOOK_SECRET: "k"})
    ((path, body),) = webhook.received
    assert body["msgtype"] == "text"
    assert "diarize: <model> is missing" in body["text"]["content"]
    asked = parse_qs(urlsplit(path).query)
    assert asked["access_token"] == ["t"]
    assert asked["sign"] == [signature("k", f"{asked['timestamp'][0]}\nk")]


def test_a_webhook_that_fails_is_asked_again_after_pauses_that_double(webhook: Webhook) -> None:
    webhook.statuses = [503, 429]
    pauses: list[float] = []
    send(ALERT, Alerts(webhook=webhook.url, backoff_seconds=0.5), {}, pauses.append)
    assert len(webhook.received) == 3
    assert pauses == [0.5, 1.0]


def test_what_the_receiver_refuses_is_not_asked_again_and_the_secret_url_is_not_shown(webhook: Webhook) -> None:
    webhook.statuses = [404]
    with pytest.raises(AlertNotSent, match=r"webhook 127\.0\.0\.1: answered 404") as caught:
        send(ALERT, Alerts(webhook=webhook.url), {})
    assert "s3cret" not in str(caught.value)
    assert len(webhook.received) == 1


@pytest.mark.parametrize(
    "answer", [b'{"code": 19021, "msg": "sign match fail"}', b'{"errcode": 310000, "errmsg": "no"}']
)
def test_a_refusal_inside_an_answer_of_200_is_a_failure(webhook: Webhook, answer: bytes) -> None:
    webhook.answer = answer
    with pytest.raises(AlertNotSent, match=r"answered (19021: sign match fail|310000: no)"):
        send(ALERT, Alerts(webhook=webhook.url, format="feishu"), {})


def test_a_webhook_that_is_not_there_is_named_after_the_last_attempt() -> None:
    with served(Webhook()) as server:
        gone = server.url
    with pytest.raises(AlertNotSent, match=r"webhook 127\.0\.0\.1: .*refused"):
        send(ALERT, Alerts(webhook=gone, attempts=2, backoff_seconds=0), {})


def test_a_mail_goes_to_every_recipient_with_one_line_as_its_subject(mail_server: MailServer) -> None:
    settings = Alerts(
        smtp_host="127.0.0.1",
        smtp_port=mail_server.port,
        smtp_security="none",
        smtp_user="robot",
        sender="fangyan@example.org",
        recipients=("a@example.org", "b@example.org"),
    )
    mail_server.busy = 1
    send(ALERT, settings, {SMTP_PASSWORD: "pass"}, lambda seconds: None)
    (mail,) = mail_server.mails
    assert mail["Subject"] == "[Fangyan] ERROR: run of stages_job b00007 failed"
    assert mail["To"] == "a@example.org, b@example.org"
    assert mail.get_content().splitlines() == ["diarize: <model> is missing", "run: r1", "http://ui/runs/r1"]
    recipients = [line for line in mail_server.commands if line.upper().startswith("RCPT")]
    assert recipients == ["rcpt TO:<a@example.org>", "rcpt TO:<b@example.org>"]
    login = base64.b64encode(b"\0robot\0pass").decode()
    assert f"AUTH PLAIN {login}" in mail_server.commands


def test_one_receiver_that_fails_does_not_keep_the_other_from_its_alert(mail_server: MailServer) -> None:
    mailed = {"smtp_host": "127.0.0.1", "smtp_port": mail_server.port, "smtp_security": "none"}
    people = {"sender": "fangyan@example.org", "recipients": ("a@example.org",)}
    settings = Alerts.model_validate({"webhook": "ftp://example.org", **mailed, **people})
    with pytest.raises(AlertNotSent, match="no http or https URL"):
        send(ALERT, settings, {})
    assert len(mail_server.mails) == 1


def test_a_long_text_is_shortened_and_a_name_that_is_not_utf_8_is_sent_all_the_same(webhook: Webhook) -> None:
    send(Alert("warning", "a\udcffb", "x" * 10_000), Alerts(webhook=webhook.url, format="slack"), {})
    ((_, body),) = webhook.received
    assert len(body["text"]) < 4000


def test_nobody_is_told_unless_the_configuration_or_the_environment_names_somebody() -> None:
    assert not is_configured(load_settings(environment={}).alerts)
    assert is_configured(load_settings(environment={"FANGYAN_ALERTS__WEBHOOK": "http://example.org"}).alerts)
