"""Redshift from where no connection reaches it: the Data API, over HTTPS and with AWS's own credentials.

Sources: Amazon Redshift Data API Reference (BatchExecuteStatement, DescribeStatement, GetStatementResult) and
Amazon Redshift Management Guide, "Considerations when calling the Amazon Redshift Data API".
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from headrace.errors import RetryError, WarehouseRefused, WarehouseUnavailable
from headrace.ops.clock import Clock
from headrace.warehouse.aws_faults import request_fault
from headrace.warehouse.data_api_faults import statement_fault
from headrace.warehouse.data_api_values import row
from headrace.warehouse.literals import rendered
from headrace.warehouse.read_only import check_reads
from headrace.warehouse.reader import Rows, Statement, packed

MAX_STATEMENT_BYTES = 100_000
_ATTEMPTS, _FIRST_WAIT, _LONGEST_WAIT = 8, 0.1, 5.0  # seconds
_Answer = dict[str, Any]


class Client(Protocol):
    """What is used of `boto3.client("redshift-data")`."""

    def execute_statement(self, **request: object) -> _Answer:
        """Submit one statement."""
        ...

    def batch_execute_statement(self, **request: object) -> _Answer:
        """Submit statements that are one transaction."""
        ...

    def describe_statement(self, **request: object) -> _Answer:
        """How far it is."""
        ...

    def get_statement_result(self, **request: object) -> _Answer:
        """One page of its rows."""
        ...

    def cancel_statement(self, **request: object) -> _Answer:
        """Stop it."""
        ...


class DataApi:
    """A reader and operator of one database; nothing is open between two calls.

    Text goes as a named parameter where the service takes one: in a lone statement whose parameters are all
    text, none empty. Everything else is written as a literal, as NULL and '' have to be.
    """

    def __init__(
        self,
        client: Client,
        place: Mapping[str, str],
        clock: Clock,
        new_token: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._client = client
        self._place = place
        self._clock = clock
        self._new_token = new_token

    def read(self, *statements: Statement) -> list[Rows]:
        """See `Reader`. Raises `WarehouseRefused` too when a statement does more than read."""
        for statement in statements:
            check_reads(statement.text)
        (pack,) = packed([statements])
        return [self._rows(part) for part in self._run(pack)]

    def apply(self, *steps: Sequence[Statement]) -> None:
        """See `Operator`: transactions of at most 40 statements."""
        for pack in packed(steps):
            self._run(pack)

    def apply_alone(self, statement: Statement) -> None:
        """See `Operator`."""
        self._run([statement])

    def close(self) -> None:
        """There is nothing to close."""

    def _run(self, statements: Sequence[Statement]) -> list[_Answer]:
        """Submit, wait for the end, and describe each statement. A Ctrl-C stops it at the service too."""
        submit, request = self._request(statements)
        named = self._asked(submit, "submitting", **request)["Id"]
        try:
            described = self._ended(named)
        except BaseException as error:
            if not isinstance(error, Exception):
                with suppress(BotoCoreError, ClientError):
                    self._client.cancel_statement(Id=named)
            raise
        return list(described.get("SubStatements") or [described])

    def _request(self, statements: Sequence[Statement]) -> tuple[Callable[..., _Answer], dict[str, object]]:
        common: dict[str, object] = {**self._place, "ClientToken": self._new_token()}
        first, *more = statements
        values = first.parameters
        if not more and values and all(isinstance(value, str) and value for value in values):
            names = [f"p{number}" for number in range(1, len(values) + 1)]
            text = first.text % tuple(f":{name}" for name in names)
            common["Parameters"] = [
                {"name": name, "value": value} for name, value in zip(names, values, strict=True)
            ]
        else:
            text = rendered(*first)
        texts = [text, *(rendered(*statement) for statement in more)]
        for each in texts:
            if len(each.encode()) > MAX_STATEMENT_BYTES:
                raise WarehouseRefused(
                    f"the Data API takes statements of at most {MAX_STATEMENT_BYTES:,} bytes, not "
                    f"{len(each.encode()):,}: {each[:60]}…"
                )
        if more:
            return self._client.batch_execute_statement, {**common, "Sqls": texts}
        return self._client.execute_statement, {**common, "Sql": text}

    def _ended(self, named: str) -> _Answer:
        for wait in _waits():
            described = self._asked(self._client.describe_statement, "waiting", Id=named)
            match described["Status"]:
                case "FINISHED":
                    return described
                case "FAILED":
                    raise statement_fault(_why(described))
                case "ABORTED":
                    raise WarehouseUnavailable("the statement was cancelled at the warehouse")
            self._clock.sleep(wait)
        raise AssertionError("the waits have no end")

    def _rows(self, described: _Answer) -> Rows:
        if not described.get("HasResultSet"):
            return Rows([], [])
        request: dict[str, object] = {"Id": described["Id"]}
        found: list[tuple[object, ...]] = []
        while True:
            page = self._asked(self._client.get_statement_result, "fetching rows", **request)
            columns = page["ColumnMetadata"]
            types = [column.get("typeName", "") for column in columns]
            found += (row(fields, types) for fields in page["Records"])
            if not page.get("NextToken"):
                return Rows([column.get("label") or column["name"] for column in columns], found)
            request["NextToken"] = page["NextToken"]

    def _asked(self, call: Callable[..., _Answer], what: str, **request: object) -> _Answer:
        """The answer; the same request, with its token, is made again while that may help."""
        for attempt, wait in enumerate(_waits(), start=1):
            try:
                return call(**request)
            except (BotoCoreError, ClientError) as error:
                fault = request_fault(error, f"the Data API, {what}")
                if attempt == _ATTEMPTS or not isinstance(fault, RetryError):
                    raise fault from error
            self._clock.sleep(wait)
        raise AssertionError("the waits have no end")


def _waits() -> Iterator[float]:
    wait = _FIRST_WAIT
    while True:
        yield wait
        wait = min(wait * 1.6, _LONGEST_WAIT)


def _why(described: _Answer) -> str:
    """The failed statement's error; of a batch it is told with the statement."""
    failed = [part["Error"] for part in described.get("SubStatements") or [] if part.get("Error")]
    return str(failed[0] if failed else described.get("Error") or "no reason is told")
