"""Why a server's answer cannot be had, in the operator's words.

No text holds the URL: its query may hold a key.
"""

import http.client
import socket
import ssl
import zlib

import requests
import urllib3


class AnswerRefused(requests.RequestException):
    """An answer that is not to be read, for the reason given."""


def failure_text(error: Exception, connect_seconds: float, read_seconds: float) -> str:
    """The one reason behind an error of requests, urllib3, the network or zlib."""
    if isinstance(error, AnswerRefused):
        return str(error)
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {connect_seconds:g} s"
    if isinstance(error, (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError)):
        return f"no byte came for {read_seconds:g} s"
    return _cause_text(_first_cause(error))


def _cause_text(cause: BaseException) -> str:
    if isinstance(cause, socket.gaierror):
        return f"its name is not known (DNS: {cause.strerror})"
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {getattr(cause, 'verify_message', '') or cause.reason or 'failed'}"
    if isinstance(cause, zlib.error):
        return "its gzip is damaged"
    if isinstance(cause, (http.client.IncompleteRead, http.client.RemoteDisconnected)):
        return "the connection was cut"
    return getattr(cause, "strerror", None) or type(cause).__name__


def _first_cause(error: BaseException) -> BaseException:
    """What it began with: the libraries wrap each other's errors."""
    seen = [error]
    while True:
        below = (getattr(seen[-1], "reason", None), *seen[-1].args, seen[-1].__cause__)
        following = next((e for e in below if isinstance(e, BaseException) and e not in seen), None)
        if following is None:
            return seen[-1]
        seen.append(following)
