import resource
import zipfile
from pathlib import Path

import pytest

from batch_jobs.ingest import Outcome, Taken, ingest
from batch_jobs.manifest import inputs, read_input
from batch_jobs.storage import Storage
from headrace.errors import InputRefused, StorageUnusable
from tests.batch_jobs.ingest.loan_text import originations, performance, zipped
from tests.doubles.clock import ManualClock


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "root"), {})


def put(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / "given" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def quarter(name: str = "05Q1") -> dict[str, bytes]:
    return {
        f"orig_20{name}.txt": originations(quarter=name),
        f"perf_20{name}.txt": performance(quarter=name, losses=("10.00",)),
        "readme.pdf": b"%PDF",
    }


def outcomes(taken: list[Taken]) -> list[tuple[str, str, str]]:
    return [(one.input.kind, one.input.vintage, one.outcome) for one in taken]


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_quarter_archive_is_kept_as_text_under_its_checksum(
    tmp_path: Path, storage: Storage, clock: ManualClock
) -> None:
    path = put(tmp_path, "q.zip", zipped(quarter()))
    skipped: list[str] = []
    taken = ingest([path], storage, clock, skipped=skipped.append)
    assert outcomes(taken) == [("origination", "2005Q1", "new"), ("performance", "2005Q1", "new")]
    assert skipped == [f"{path} > readme.pdf"]
    for one, data in zip(taken, quarter().values(), strict=False):
        entry = one.input
        assert entry.path == f"raw/{entry.kind}/2005Q1/{entry.sha256}.txt"
        assert storage.read(entry.path) == data
        assert read_input(storage, entry.manifest) == entry
        assert (entry.held, entry.bytes, entry.rows) == (True, len(data), data.count(b"\n"))
    assert len(files_below(tmp_path / "root")) == 4


def test_the_full_set_is_read_through_its_years_and_quarters(
    tmp_path: Path, storage: Storage, clock: ManualClock
) -> None:
    years = {
        f"historical_data_20{year}.zip": zipped(
            {
                f"historical_data_20{year}Q{number}.zip": zipped(quarter(f"{year}Q{number}"))
                for number in (1, 2)
            },
            zipfile.ZIP_STORED,
        )
        for year in ("05", "06")
    }
    path = put(tmp_path, "full_set_standard_historical_data.zip", zipped(years))
    taken = ingest([path], storage, clock, scratch=tmp_path)
    vintages = ["2005Q1", "2005Q2", "2006Q1", "2006Q2"]
    assert [entry.vintage for entry in inputs(storage, "origination")] == vintages
    assert [entry.vintage for entry in inputs(storage, "performance")] == vintages
    assert taken[2].place == (
        f"{path} > historical_data_2005.zip > historical_data_2005Q2.zip > orig_2005Q2.txt"
    )


def test_text_files_stay_where_they_are_and_a_folder_is_walked(
    tmp_path: Path, storage: Storage, clock: ManualClock
) -> None:
    path = put(tmp_path, "deep/orig_2005Q1.txt", originations())
    put(tmp_path, "deep/.hidden/orig_2005Q2.txt", b"never read")
    put(tmp_path, "notes.txt", b"mine")
    put(tmp_path, "z.zip", zipped({"perf_2005Q1.txt": performance()}))
    skipped: list[str] = []
    taken = ingest([tmp_path / "given"], storage, clock, skipped=skipped.append)
    assert outcomes(taken) == [("performance", "2005Q1", "new"), ("origination", "2005Q1", "new")]
    assert (taken[1].input.path, taken[1].input.held) == (str(path.resolve()), False)
    assert skipped == [str(tmp_path / "given" / "notes.txt")]
    assert not any("origination" in name for name in files_below(tmp_path / "root") if name.startswith("raw"))


def test_the_same_bytes_again_are_known_whatever_they_are_called(
    tmp_path: Path, storage: Storage, clock: ManualClock
) -> None:
    first = ingest([put(tmp_path, "orig_2005Q1.txt", originations())], storage, clock)
    before = files_below(tmp_path / "root")
    clock.advance(60)
    again = [
        put(tmp_path, "orig_2005Q1.txt", originations()),
        put(tmp_path, "historical_data_2005Q1.txt", originations()),
        put(tmp_path, "q.zip", zipped({"orig_2005Q1.txt": originations()})),
    ]
    taken = ingest(again, storage, clock)
    assert [one.outcome for one in taken] == [Outcome.KNOWN] * 3
    assert {one.input for one in taken} == {first[0].input}
    assert files_below(tmp_path / "root") == before


def test_other_content_of_a_vintage_is_a_redelivery_and_the_newest(
    tmp_path: Path, storage: Storage, clock: ManualClock
) -> None:
    old = put(tmp_path, "old/orig_2005Q1.txt", originations(5))
    new = put(tmp_path, "new/orig_2005Q1.txt", originations(6))
    taken = ingest([old, new], storage, clock)  # the clock stands still
    assert [one.outcome for one in taken] == ["new", "re-delivered"]
    assert inputs(storage, "origination")[-1] == taken[1].input
    clock.advance(60)
    assert [one.outcome for one in ingest([old, new], storage, clock)] == [
        "taken already, and superseded",
        "taken already",
    ]
    assert inputs(storage, "origination")[-1] == taken[1].input


def test_a_text_that_has_moved_is_found_again_under_its_old_identity(
    tmp_path: Path, storage: Storage, clock: ManualClock
) -> None:
    (first,) = ingest([put(tmp_path, "orig_2005Q1.txt", originations())], storage, clock)
    Path(first.input.path).unlink()
    clock.advance(60)
    moved = put(tmp_path, "elsewhere/historical_data_2005Q1.txt", originations())
    (again,) = ingest([moved], storage, clock)
    assert again.outcome == "found again"
    assert (again.input.source, again.input.taken_at) == (first.input.source, first.input.taken_at)
    assert inputs(storage, "origination") == [again.input]
    assert again.input.path == str(moved.resolve())


def test_raw_text_that_was_deleted_is_kept_anew(tmp_path: Path, storage: Storage, clock: ManualClock) -> None:
    path = put(tmp_path, "q.zip", zipped({"orig_2005Q1.txt": originations()}))
    (first,) = ingest([path], storage, clock)
    Path(storage.root, first.input.path).unlink()
    (again,) = ingest([path], storage, clock)
    assert (again.outcome, again.input) == ("found again", first.input)
    assert storage.read(first.input.path) == originations()


@pytest.mark.parametrize("sample_is_first", [True, False])
def test_a_sample_of_a_year_and_its_quarters_do_not_go_together(
    tmp_path: Path, storage: Storage, clock: ManualClock, sample_is_first: bool
) -> None:
    paths = [
        put(tmp_path, "sample_orig_2005.txt", originations()),
        put(tmp_path, "perf_2005Q3.txt", performance(quarter="05Q3")),
    ]
    other = put(tmp_path, "orig_2006Q1.txt", originations(quarter="06Q1"))
    first, second = paths if sample_is_first else reversed(paths)
    ingest([first, other], storage, clock)
    with pytest.raises(InputRefused, match=r"count twice; take one of the two into a root of its own"):
        ingest([second], storage, clock)
    assert len(files_below(tmp_path / "root")) == 2


def test_a_dry_run_tells_the_same_and_changes_nothing(
    tmp_path: Path, storage: Storage, clock: ManualClock
) -> None:
    paths = [
        put(tmp_path, "q.zip", zipped(quarter())),
        put(tmp_path, "orig_2005Q1.txt", originations(6)),
        put(tmp_path, "historical_data_2005Q1.txt", originations(5)),
    ]
    dry = ingest(paths, storage, clock, dry_run=True)
    assert not (tmp_path / "root").exists()
    wet = ingest(paths, storage, clock)
    assert outcomes(dry) == outcomes(wet)
    assert [one.outcome for one in wet] == ["new", "new", "re-delivered", "taken already, and superseded"]


def test_progress_is_told_in_bytes_on_disk(tmp_path: Path, storage: Storage, clock: ManualClock) -> None:
    path = put(tmp_path, "q.zip", zipped({"orig_2005Q1.txt": originations(40_000)}))
    text = put(tmp_path, "perf_2005Q1.txt", performance(2_000))
    told: list[int] = []
    ingest([path, text], storage, clock, advance=told.append)
    with zipfile.ZipFile(path) as archive:
        (member,) = archive.infolist()
    assert sum(told) == member.compress_size + text.stat().st_size
    assert len(told) > 2


def test_a_text_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, storage: Storage, clock: ManualClock
) -> None:
    path = put(tmp_path, "orig_2005Q1.txt", originations())

    def grow(_: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(InputRefused, match="changed while it was read"):
        ingest([path], storage, clock, advance=grow)
    assert not (tmp_path / "root").exists()


def test_a_raw_area_or_a_scratch_folder_that_cannot_be_written_is_told(
    tmp_path: Path, storage: Storage, clock: ManualClock
) -> None:
    path = put(tmp_path, "q.zip", zipped({"orig_2005Q1.txt": originations()}))
    nested = put(tmp_path, "all.zip", zipped({"q.zip": path.read_bytes()}))
    with pytest.raises(StorageUnusable, match="File exists"):
        ingest([nested], storage, clock, scratch=path)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "raw").write_bytes(b"no folder")
    with pytest.raises(StorageUnusable, match="raw"):
        ingest([path], storage, clock)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, storage: Storage, clock: ManualClock, depth: int
) -> None:
    data = performance(3_000)  # one write, of which the last bytes find no room
    inner = zipped({"perf_2005Q1.txt": data}, zipfile.ZIP_STORED)
    path = put(tmp_path, "q.zip", inner if depth == 1 else zipped({"q.zip": inner}))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(data) - 100, before[1]))
    try:
        with pytest.raises(StorageUnusable, match="File too large"):
            ingest([path], storage, clock, scratch=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files_below(tmp_path / "root") == []


def test_a_path_that_is_not_there_is_refused(tmp_path: Path, storage: Storage, clock: ManualClock) -> None:
    with pytest.raises(InputRefused, match="is not there"):
        ingest([tmp_path / "nowhere"], storage, clock)
