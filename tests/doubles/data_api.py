"""The Redshift Data API on 127.0.0.1 over a PostgreSQL, with the service's documented rules and limits.

A statement moves on by one state each time it is described, and is run on the way from STARTED to FINISHED.
"""

import json
import threading
import uuid
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from tests.doubles.data_api_statements import MAX_RESULT_BYTES, Body, Sub, Submitted, places, run

MAX_STATEMENTS, MAX_STATEMENT_BYTES = 40, 100_000
_STATES = ("SUBMITTED", "PICKED", "STARTED")


class Refused(Exception):
    """An answer with an error in it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class DataApiDouble:
    """A context manager; `url` is the endpoint.

    Args:
        database: the PostgreSQL's address.
        page_rows: rows on a page of a result.
        most_result_bytes: a larger result fails.
        requests: every request, as (operation, body).
        faults: the errors of the next requests, as (operation, code or None to break the line, after it took
            effect or not); `failures`: the words with which the next statements fail.
        before_run: called before statements are run, with their texts.
        stuck: statements stay STARTED and are not run.
    """

    def __init__(
        self, database: str, *, page_rows: int = 1000, most_result_bytes: int = MAX_RESULT_BYTES
    ) -> None:
        self.database, self.page_rows, self.most_result_bytes = database, page_rows, most_result_bytes
        self.requests: list[tuple[str, Body]] = []
        self.faults: deque[tuple[str, str | None, bool]] = deque()
        self.failures: deque[str] = deque()
        self.before_run: Callable[[list[str]], None] = lambda _texts: None
        self.stuck = False
        self._submitted: dict[str, Submitted] = {}
        self._tokens: dict[str, Submitted] = {}
        self._lock = threading.RLock()

    @property
    def texts(self) -> list[str]:
        """Every statement that was taken, each once."""
        return [sub.text for submitted in self._submitted.values() for sub in submitted.subs]

    @property
    def states(self) -> list[str]:
        """The state of each request that was taken."""
        return [submitted.status for submitted in self._submitted.values()]

    def __enter__(self) -> Self:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                double._serve(self)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environ(self) -> dict[str, str]:
        """The settings with which a client finds it."""
        return {
            "AWS_ENDPOINT_URL_REDSHIFT_DATA": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-central-1",
            "HEADRACE_WAREHOUSE_URL": "redshift-data://headrace-test/headrace?region=eu-central-1",
        }

    # -- requests

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        operation = handler.headers["X-Amz-Target"].removeprefix("RedshiftData.")
        with self._lock:
            self.requests.append((operation, body))
            fault = self.faults.popleft() if self.faults and self.faults[0][0] == operation else None
            status, answer = 200, _NOTHING
            try:
                if fault is None or fault[2]:
                    answer = _OPERATIONS[operation](self, body)
                if fault is not None and fault[1] is not None:
                    status, answer = _error(fault[1], "as the test wants it")
            except Refused as error:
                status, answer = _error(error.code, str(error))
        if fault is not None and fault[1] is None:
            handler.close_connection = True
            handler.connection.close()
            return
        payload = json.dumps(answer).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/x-amz-json-1.1")
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        handler.wfile.write(payload)

    def execute_statement(self, body: Body) -> Body:
        return self._submit(body, [body["Sql"]], batch=False)

    def batch_execute_statement(self, body: Body) -> Body:
        return self._submit(body, body["Sqls"], batch=True)

    def _submit(self, body: Body, texts: list[str], *, batch: bool) -> Body:
        if len(texts) > MAX_STATEMENTS:
            raise Refused("ValidationException", f"a batch holds {MAX_STATEMENTS} statements at most")
        if any(len(text.encode()) > MAX_STATEMENT_BYTES for text in texts):
            raise Refused("ValidationException", "Cannot process query string larger than 100kB")
        given = {it["name"]: it["value"] for it in body.get("Parameters", ())}
        if any(not value for value in given.values()):
            raise Refused("ValidationException", "a parameter's value has a length of at least 1")
        if given and given.keys() != set().union(*map(places, texts)):
            raise Refused("ValidationException", "parameters and their places do not match")
        token = body["ClientToken"]
        if (known := self._tokens.get(token)) is not None:
            if known.body != body:
                raise Refused("ValidationException", "the token was used for another request")
            return {"Id": known.id}
        taken = Submitted(str(uuid.uuid4()), body, [Sub(text) for text in texts], batch)
        self._submitted[taken.id] = self._tokens[token] = taken
        return {"Id": taken.id}

    def describe_statement(self, body: Body) -> Body:
        taken = self._found(body)[0]
        if taken.status in _STATES and not (self.stuck and taken.status == "STARTED"):
            if taken.status == "STARTED":
                self.before_run([sub.text for sub in taken.subs])
                run(taken, self.database, self.failures, self.most_result_bytes)
            else:
                taken.status = _STATES[_STATES.index(taken.status) + 1]
        answer: dict[str, object] = {"Id": taken.id, "Status": taken.status}
        answer["HasResultSet"] = any(sub.columns is not None for sub in taken.subs)
        if taken.error:
            answer["Error"] = taken.error
        if taken.batch:
            answer["SubStatements"] = [
                {
                    "Id": f"{taken.id}:{number}",
                    "Status": sub.status,
                    "HasResultSet": sub.columns is not None,
                    **({"Error": sub.error} if sub.error else {}),
                }
                for number, sub in enumerate(taken.subs, start=1)
            ]
        return answer

    def get_statement_result(self, body: Body) -> Body:
        taken, sub = self._found(body)
        if taken.status != "FINISHED" or sub.columns is None:
            raise Refused("ResourceNotFoundException", "Query does not have result.")
        start = int(body.get("NextToken", "0"))
        end = start + self.page_rows
        answer: dict[str, object] = {
            "ColumnMetadata": sub.columns,
            "Records": sub.records[start:end],
            "TotalNumRows": len(sub.records),
        }
        return answer | ({"NextToken": str(end)} if end < len(sub.records) else {})

    def cancel_statement(self, body: Body) -> Body:
        taken = self._found(body)[0]
        if taken.status not in _STATES:
            raise Refused("ValidationException", "Could not cancel a query that is already in FINISHED state")
        taken.status = "ABORTED"
        return {"Status": True}

    def _found(self, body: Body) -> tuple[Submitted, Sub]:
        named, _, number = body["Id"].partition(":")
        if named not in self._submitted:
            raise Refused("ResourceNotFoundException", "Query does not exist.")
        taken = self._submitted[named]
        return taken, taken.subs[int(number or 1) - 1]


_OPERATIONS: dict[str, Callable[[DataApiDouble, Body], Body]] = {
    "ExecuteStatement": DataApiDouble.execute_statement,
    "BatchExecuteStatement": DataApiDouble.batch_execute_statement,
    "DescribeStatement": DataApiDouble.describe_statement,
    "GetStatementResult": DataApiDouble.get_statement_result,
    "CancelStatement": DataApiDouble.cancel_statement,
}
_NOTHING: Body = {}


def _error(code: str, message: str) -> tuple[int, Body]:
    return 500 if "Internal" in code else 400, {"__type": code, "message": message}
