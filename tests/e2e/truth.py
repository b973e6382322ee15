"""The ground truth: DuckDB computes every window straight from the log's lines, with none of our code."""

from pathlib import Path
from typing import Any

import duckdb

LINES = """
create table lines as
select line from read_csv(?, columns = {line: 'VARCHAR'}, delim = e'\\x01', quote = '', escape = '',
                          header = false, auto_detect = false)
"""

PARSED = r"""
create table hits as
with cut as (
  select line, regexp_extract(line,
    '^(\S+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) ([^ "]+) HTTP/[0-9.]+" ([0-9]{3}) ([0-9]+|-) ' ||
    '"((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"$',
    ['client_address', 'time', 'method', 'target', 'status', 'size', 'referer', 'user_agent']) as field
  from lines
)
select line,
       field.client_address as client_address,
       strptime(field.time, '%d/%b/%Y:%H:%M:%S %z')::timestamptz at time zone 'UTC' as time,
       field.method as method,
       string_split(field.target, '?')[1] as path,
       field.status::int as status,
       coalesce(try_cast(field.size as bigint), 0) as bytes,
       try_cast(field.size as bigint) as bytes_or_null,
       field.user_agent as user_agent
from cut where field.client_address != ''
"""

TRAFFIC = """
select time_bucket(interval 1 minute, time) as window_start, method, (status // 100) || 'xx' as status_class,
       count(*) as requests, sum(bytes)::hugeint as bytes,
       list_sort(list(bytes_or_null) filter (bytes_or_null is not null)) as sizes
from hits group by all order by all
"""

PATHS = """
select time_bucket(interval 5 minute, time) as window_start, path,
       count(*) as requests, count(*) filter (status >= 400) as errors, sum(bytes)::hugeint as bytes
from hits group by all order by all
"""

VISITORS = """
select time_bucket(interval 15 minute, time) as window_start, count(distinct client_address) as visitors,
       count(*) as requests, count(*) filter (regexp_matches(user_agent, ?, 'i')) as bot_requests
from hits group by all order by all
"""


class Truth:
    """What the windows of a log must hold."""

    def __init__(self, log: Path) -> None:
        self._database = duckdb.connect()
        self._database.execute("set timezone = 'UTC'")
        self._database.execute(LINES, [str(log)])
        self._database.execute(PARSED)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._database.execute(query, list(parameters)).fetchall()

    def good(self) -> int:
        return int(self.rows("select count(*) from hits")[0][0])

    def unreadable(self) -> list[str]:
        return [line for (line,) in self.rows("select line from lines anti join hits using (line)")]
