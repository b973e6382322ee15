"""Words that an analyst would have to quote in one of the engines; no output or column is named by one."""

RESERVED_WORDS = frozenset(
    """
    aes128 aes256 all allowoverwrite alter analyse analyze and any array as asc asymmetric
    authorization az64 backup between bigint binary blanksasnull boolean both by bytedict bzip2 case
    cast char character check clustered collate collation column columns commit concurrently
    constraint create credentials cross cube current current_catalog current_date current_role
    current_schema current_time current_timestamp current_user cursor database date day decimal
    decode default deferrable deflate defrag delete delta delta32k desc describe disable distinct
    distribute do double drop else emptyasnull enable encode encrypt encryption end escape except
    exists explicit external extract false fetch filter first float for foreign freeze from full
    function globaldict256 globaldict64k grant group grouping groups gzip having hour identity
    ignore ilike import in index initially inner insert int int4 int8 integer intersect interval
    into is isnull join key keys languages language lateral leading left less like limit local
    localtime localtimestamp lock luns lzo lzop macro map match merge minus minute month more
    mostly16 mostly32 mostly8 natural new none not notnull null nulls numeric of off offline offset
    oid old on only open option or order out outer over overlaps parallel partition percent
    permissions pivot placing position precision preceding preserve primary procedure qualify range
    rank raw readratio reads real recover recursive reduce references regexp rejectlog release
    rename resort respect restore returning revoke right rlike rollback rollup row rows row_number
    schema second select session_user set show similar simple smallint snapshot some sort sql start
    symmetric sysdate system table tablesample tag tdes text255 text32k then time timestamp to top
    trailing trigger true truncate truncatecolumns type unbounded union unique uniquejoin unpivot
    unsigned update usage use user using utc_timestamp values varbyte varchar variadic verbose view
    wallet when where window with within without year zone
    """.split()  # noqa: SIM905  a hundred words read better as text
)
"""The union of what PostgreSQL, Redshift, MySQL, Hive and Spark reserve."""
