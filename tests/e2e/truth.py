"""The ground truth: DuckDB computes every window straight from a source's lines, with none of our code."""

from pathlib import Path
from typing import Any

import duckdb

LINES = """
create table lines as
select line from read_csv(?, columns = {line: 'VARCHAR'}, delim = e'\\x01', quote = '', escape = '',
                          header = false, auto_detect = false)
"""

HITS = r"""
create table records as
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

CHANGES = """
create table records as
with read as (select line, case when json_valid(line) then line::json end as event from lines)
select line,
       (event->>'$.meta.dt')::timestamptz at time zone 'UTC' as time,
       event->>'$.wiki' as wiki,
       event->>'$.type' as kind,
       event->>'$.user' as editor,
       (event->>'$.bot')::boolean as bot,
       (event->>'$.minor')::boolean as minor,
       (event->>'$.length.new')::bigint - coalesce((event->>'$.length.old')::bigint, 0) as grown
from read
where event->>'$.meta.id' is not null and event->>'$.wiki' is not null and event->>'$.type' is not null
      and event->>'$.meta.domain' != 'canary'
"""

PEOPLE = """
create table records as
with read as (select line, case when json_valid(line) then line::json end as event from lines)
select line,
       (event->>'$.polled_at')::timestamptz at time zone 'UTC' as time,
       lower(event->>'$.person.login.uuid') as id,
       coalesce(event->>'$.person.location.country', '') as country,
       (event->>'$.person.dob.age')::int as age
from read
where event->>'$.person.login.uuid' is not null
"""

TRAFFIC = """
select time_bucket(interval 1 minute, time) as window_start, method, (status // 100) || 'xx' as status_class,
       count(*) as requests, sum(bytes)::hugeint as bytes,
       list_sort(list(bytes_or_null) filter (bytes_or_null is not null)) as sizes
from records group by all order by all
"""

PATHS = """
select time_bucket(interval 5 minute, time) as window_start, path,
       count(*) as requests, count(*) filter (status >= 400) as errors, sum(bytes)::hugeint as bytes
from records group by all order by all
"""

VISITORS = """
select time_bucket(interval 15 minute, time) as window_start, count(distinct client_address) as visitors,
       count(*) as requests, count(*) filter (regexp_matches(user_agent, ?, 'i')) as bot_requests
from records group by all order by all
"""

EDITS = """
select time_bucket(interval 1 minute, time) as window_start, wiki, kind, count(*) as edits,
       count(*) filter (bot) as bot_edits, count(*) filter (minor) as minor_edits,
       coalesce(sum(grown), 0)::hugeint as net_bytes, count(distinct editor) as editors
from records group by all order by all
"""

SIGNUPS = """
select time_bucket(interval 10 minute, time) as window_start, country, count(*) as signups,
       count(distinct id) as users, list_sort(list(age) filter (age is not null)) as ages
from records group by all order by all
"""


class Truth:
    """What the windows of a file's lines must hold.

    Args:
        file: one record per line.
        records: SQL that makes the table `records` of those in `lines` that can be read.
    """

    def __init__(self, file: Path, records: str = HITS) -> None:
        self._database = duckdb.connect()
        self._database.execute("set timezone = 'UTC'")
        self._database.execute(LINES, [str(file)])
        self._database.execute(records)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._database.execute(query, list(parameters)).fetchall()

    def good(self) -> int:
        return int(self.rows("select count(*) from records")[0][0])

    def unreadable(self) -> list[str]:
        return [line for (line,) in self.rows("select line from lines anti join records using (line)")]
