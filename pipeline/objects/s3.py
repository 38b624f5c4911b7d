"""S3: reads through pyarrow, writes, lists and deletes through boto3, which knows conditions and versions.

boto3 repeats what failed with 5xx, a time-out or a cut connection, waiting longer each time (its mode `standard`).
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.objects.access import Access, StoreError
from pipeline.objects.store import Facts, Store

_SINGLE_PUT_BYTES = 64 << 20
_PART_BYTES = 32 << 20
_MOST_KEYS = 1_000
_POLL_SECONDS = 0.2
_ABSENT = {"404", "NoSuchKey", "NotFound", "NoSuchVersion"}
_ADVICE = {
    "AccessDenied": "the credentials do not allow it: allow Get, Put, Delete and List on this prefix",
    "403": "the credentials do not allow it: allow Get, Put, Delete and List on this prefix",
    "InvalidAccessKeyId": "the server does not know the credentials: see AWS_ACCESS_KEY_ID or AWS_PROFILE",
    "SignatureDoesNotMatch": "the secret key is wrong, or [storage] endpoint or region is another's",
    "RequestTimeTooSkewed": "this machine's clock is wrong: set it by NTP",
    "ExpiredToken": "the credentials have expired: log in again",
    "NoSuchBucket": "there is no such bucket: make it, or mend the name or [storage] endpoint",
    "PermanentRedirect": "the bucket lies in another region: set [storage] region",
    "SlowDown": "the server asks for fewer requests: try again later",
}
NEEDED = "is on S3 and needs boto3: pip install 'fangyan[s3]'"


class S3Store(Store):
    """A bucket that speaks S3."""

    def __init__(self, bucket: str, how: Access) -> None:
        super().__init__("s3", bucket, how)
        try:
            import boto3  # noqa: F401
        except ImportError:
            raise StoreError(f"s3://{bucket} {NEEDED}") from None
        self._systems: dict[Any, Any] = {}

    @cached_property
    def client(self) -> Any:
        """boto3's client for this store."""
        from botocore.config import Config

        how = self.access
        config = Config(
            retries={"mode": "standard", "max_attempts": how.attempts},
            connect_timeout=how.timeout_seconds,
            read_timeout=how.timeout_seconds,
            s3={"addressing_style": "path"} if how.endpoint else None,
        )
        named = {"endpoint_url": how.endpoint or None, "region_name": self._region}
        return self._session.client("s3", config=config, **named)

    @cached_property
    def _session(self) -> Any:
        from boto3.session import Session

        return Session()

    @cached_property
    def _region(self) -> str | None:
        return self.access.region or self._session.region_name or ("us-east-1" if self.access.endpoint else None)

    def files(self) -> tuple[Any, str]:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

        # Those of a role expire; another set of them is another file system.
        now = self._credentials()
        if now not in self._systems:
            scheme, _, host = self.access.endpoint.partition("://")
            options: dict[str, Any] = {"endpoint_override": host.rstrip("/"), "scheme": scheme} if host else {}
            self._systems = {
                now: S3FileSystem(
                    access_key=now[0],
                    secret_key=now[1],
                    session_token=now[2],
                    region=self._region,
                    request_timeout=self.access.timeout_seconds,
                    connect_timeout=self.access.timeout_seconds,
                    retry_strategy=AwsStandardS3RetryStrategy(max_attempts=self.access.attempts),
                    **options,
                )
            }
        return self._systems[now], self.bucket

    def source_of_credentials(self) -> str:
        """Where boto3 found them, in words of its own: env, shared-credentials-file, sso, iam-role, ..."""
        found = self._session.get_credentials()
        return found.method if found is not None else "none"

    def for_duckdb(self) -> dict[str, str]:
        """What DuckDB's secret of type s3 takes."""
        key, secret, token = self._credentials()
        scheme, _, host = self.access.endpoint.partition("://")
        given = {"key_id": key, "secret": secret, "session_token": token, "region": self._region}
        if host:
            given |= {"endpoint": host.rstrip("/"), "url_style": "path", "use_ssl": str(scheme == "https").lower()}
        return {name: value for name, value in given.items() if value}

    def _credentials(self) -> tuple[str, str, str | None]:
        found = self._session.get_credentials()
        if found is None:
            words = "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            raise StoreError(f"{self.address('')}: {words}")
        return tuple(found.get_frozen_credentials())[:3]

    def facts(self, key: str) -> Facts | None:
        with self.saying("look at", key):
            try:
                found = self.client.head_object(Bucket=self.bucket, Key=key)
            except FileNotFoundError:
                return None
            except self._client_error as error:
                if _code(error) in _ABSENT:
                    return None
                raise self._told("look at", key, error) from None
        return Facts(found["ContentLength"], found["LastModified"].timestamp(), found["ETag"].strip('"'))

    def listed(self, prefix: str, deep: bool = False) -> Iterator[tuple[str, Facts | None]]:
        below = f"{prefix}/" if prefix else ""
        found: dict[str, Facts | None] = {}
        for page in self._pages("list_objects_v2", below, {} if deep else {"Delimiter": "/"}):
            for one in page.get("CommonPrefixes", ()):
                found[one["Prefix"].rstrip("/")] = None
            for one in page.get("Contents", ()):
                # Some tools make an empty object for a folder.
                if not one["Key"].endswith("/"):
                    found[one["Key"]] = Facts(one["Size"], one["LastModified"].timestamp(), one["ETag"].strip('"'))
        yield from sorted(found.items())

    def put(self, key: str, file: Path) -> None:
        from boto3.s3.transfer import TransferConfig

        with self._telling("write", key):
            if file.stat().st_size <= _SINGLE_PUT_BYTES:
                with file.open("rb") as content:
                    self.client.put_object(Bucket=self.bucket, Key=key, Body=content)
            else:
                parts = TransferConfig(
                    multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=4
                )
                # An upload that fails is aborted by boto3; one whose process dies is never an object.
                self.client.upload_file(str(file), self.bucket, key, Config=parts)
        self._wait(key, there=True)

    def put_new(self, key: str, content: bytes) -> bool:
        """Make an object that is not there yet, also if another tries at the same time (`If-None-Match: *`)."""
        return self._put_if(key, content, {"IfNoneMatch": "*"})

    def put_over(self, key: str, content: bytes, etag: str) -> bool:
        """Replace what has the mark `etag` ("": nothing), also if another tries at the same time (`If-Match`)."""
        return self._put_if(key, content, {"IfMatch": etag} if etag else {"IfNoneMatch": "*"})

    def _put_if(self, key: str, content: bytes, condition: dict[str, str]) -> bool:
        with self._telling("write", key):
            try:
                self.client.put_object(Bucket=self.bucket, Key=key, Body=io.BytesIO(content), **condition)
            except self._client_error as error:
                if _code(error) in ("PreconditionFailed", "412", "ConditionalRequestConflict", "409"):
                    return False
                raise
        return True

    def remove(self, keys: Sequence[str]) -> None:
        for begin in range(0, len(keys), _MOST_KEYS):
            self._delete([{"Key": key} for key in keys[begin : begin + _MOST_KEYS]])
        for key in keys:
            self._wait(key, there=False)

    def _delete(self, objects: list[dict[str, str]]) -> None:
        with self._telling("delete", objects[0]["Key"]):
            done = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
        for error in done.get("Errors", ()):
            advice = _ADVICE.get(error.get("Code", ""), "see whether the bucket keeps objects locked")
            words = f"cannot delete: {error.get('Code')} {error.get('Message', '')}; {advice}"
            raise StoreError(f"{self.address(error.get('Key', ''))}: {words}")

    def _wait(self, key: str, there: bool) -> None:
        """Until a listing shows the object, or shows it no more: whoever reads a whole table trusts listings."""
        until = time.monotonic() + self.access.listing_seconds
        pause = _POLL_SECONDS
        while True:
            found = next(iter(self._pages("list_objects_v2", key, {"MaxKeys": 1})), {}).get("Contents", ())
            if any(one["Key"] == key for one in found) == there:
                return
            if time.monotonic() >= until:
                state = "lists it not yet" if there else "still lists it"
                words = f"after {self.access.listing_seconds:g} s the store {state}; repeat this, or raise [storage] "
                raise StoreError(f"{self.address(key)}: {words}listing_seconds")
            time.sleep(pause)
            pause = min(2.0, pause * 1.5)

    def versioning(self) -> str:
        """`Enabled`, `Suspended` or `Off`. Raises StoreError."""
        with self._telling("ask about the versions of", ""):
            return self.client.get_bucket_versioning(Bucket=self.bucket).get("Status", "Off")

    def versions(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Everything that the store keeps of keys that begin with `prefix`: Key, VersionId, IsLatest, ETag, Size.

        Markers of a deletion have no ETag.
        """
        for page in self._pages("list_object_versions", prefix, {}):
            yield from page.get("Versions", ())
            yield from page.get("DeleteMarkers", ())

    def remove_versions(self, versions: Sequence[dict[str, Any]]) -> None:
        """Delete these versions for good. Raises StoreError for one that the bucket keeps locked."""
        objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions]
        for begin in range(0, len(objects), _MOST_KEYS):
            self._delete(objects[begin : begin + _MOST_KEYS])

    def abort_uploads(self, prefix: str) -> int:
        """Drop what killed processes uploaded in part below `prefix`; how many uploads."""
        count = 0
        for page in self._pages("list_multipart_uploads", prefix, {}):
            for one in page.get("Uploads", ()):
                with self._telling("abort the upload of", one["Key"]):
                    self.client.abort_multipart_upload(Bucket=self.bucket, Key=one["Key"], UploadId=one["UploadId"])
                count += 1
        return count

    def _pages(self, operation: str, prefix: str, more: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with self._telling("list", prefix):
            if "MaxKeys" in more:
                yield getattr(self.client, operation)(Bucket=self.bucket, Prefix=prefix, **more)
                return
            yield from self.client.get_paginator(operation).paginate(Bucket=self.bucket, Prefix=prefix, **more)

    @cached_property
    def _client_error(self) -> type[Exception]:
        from botocore.exceptions import ClientError

        return ClientError

    def _telling(self, action: str, key: str) -> Any:
        return _Telling(self, action, key)

    def _told(self, action: str, key: str, error: Exception) -> StoreError:
        code = _code(error)
        tries = f" ({self.access.attempts} attempts)" if code.startswith("5") or not code else ""
        words = " ".join(str(error).split())[:300]
        advice = _ADVICE.get(code, "`fangyan doctor` tries the store")
        return StoreError(f"{self.address(key)}: cannot {action}{tries}: {words}; {advice}")


class _Telling:
    def __init__(self, store: S3Store, action: str, key: str) -> None:
        self._store, self._action, self._key = store, action, key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        if isinstance(error, BotoCoreError | ClientError | Boto3Error | HTTPClientError):
            raise self._store._told(self._action, self._key, error) from error


def _code(error: Exception) -> str:
    return str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))
