from pathlib import Path

from producers.quarantine import Quarantine


def test_two_lines_on_their_way_into_one_folder_do_not_meet(tmp_path: Path) -> None:
    draft = Quarantine(tmp_path).begin()
    draft.write(b"the first half, ")
    kept = Quarantine(tmp_path).keep(b"another line")
    draft.write(b"the second half")
    assert Path(draft.finish().place).read_bytes() == b"the first half, the second half"
    assert Path(kept.place).read_bytes() == b"another line"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".raw", ".raw"]
