from pathlib import Path

import pytest

from headrace.errors import SettingsError
from infra.stacks.stage import Stage
from infra.stacks.stage_file import FOLDER, read_stage_file

STAGES = sorted(path.stem for path in FOLDER.glob("*.toml") if "." not in path.stem)
ZONES = 'zones = ["us-east-1a", "us-east-1b", "us-east-1c"]'


def said(folder: Path, text: str) -> str:
    """Why this file is refused."""
    (folder / "odd.toml").write_text(text)
    with pytest.raises(SettingsError) as refused:
        read_stage_file("odd", folder)
    assert str(folder / "odd.toml") in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_that_is_here_can_be_read(name: str) -> None:
    assert Stage.read(name).name == name


def test_a_stack_without_a_table_is_left_out() -> None:
    assert Stage.read("local").file.warehouse is None
    assert Stage.read("prod").file.warehouse is not None


def test_a_stage_without_a_file_is_told_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text("")
    with pytest.raises(SettingsError, match=r"no stage 'prd'.*the stages that are there: dev"):
        read_stage_file("prd", tmp_path)


@pytest.mark.parametrize("name", ["Prod 1", "../etc/passwd", "prod-1", ""])
def test_a_name_that_no_stage_can_have_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="a stage is named like"):
        Stage.read(name)


def test_a_key_that_is_not_known_is_named(tmp_path: Path) -> None:
    assert "kep_data" in said(tmp_path, "kep_data = true")


def test_a_value_of_the_wrong_kind_is_named_with_its_place(tmp_path: Path) -> None:
    assert "$.stream.shards" in said(tmp_path, '[stream]\nshards = "two"')


def test_broken_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in said(tmp_path, "[stream]\nshards = =\n")


def test_a_stack_that_needs_another_says_so(tmp_path: Path) -> None:
    assert "[warehouse] needs [network]" in said(tmp_path, "[warehouse]")
    assert "[cluster] needs [warehouse]" in said(tmp_path, f"[network]\n{ZONES}\n[cluster]")


def test_the_warehouse_wants_three_zones_of_the_region(tmp_path: Path) -> None:
    assert "three availability zones" in said(tmp_path, '[network]\nzones = ["us-east-1a"]\n[warehouse]')
    strange = said(tmp_path, f'region = "eu-west-1"\n[network]\n{ZONES}')
    assert "us-east-1a, us-east-1b, us-east-1c is not in region eu-west-1" in strange


def test_what_redshift_and_fargate_do_not_have_is_refused(tmp_path: Path) -> None:
    needed = f"[network]\n{ZONES}\n[warehouse]\n"
    assert "12 RPU" in said(tmp_path, needed + "base_rpu = 12\nmax_rpu = 64")
    assert "1024 to 4096 MB" in said(tmp_path, needed + "[producers]\nmemory_mb = 512")
    assert "by whole GB" in said(tmp_path, needed + "[error_desk]\nmemory_mb = 3000")


def test_each_producer_has_a_name_of_its_own(tmp_path: Path) -> None:
    for names in ("[]", '["Web 7"]', '["feed-1", "feed1"]'):
        assert "producers.names" in said(tmp_path, f"[network]\n{ZONES}\n[producers]\nnames = {names}")


def test_a_cluster_is_of_one_architecture_and_of_a_release_with_spark_4(tmp_path: Path) -> None:
    needed = f"[network]\n{ZONES}\n[warehouse]\n[cluster]\n"
    told = said(tmp_path, needed + 'architecture = "aarch64"\ncore_types = ["m6g.xlarge", "c7gd.xlarge"]')
    assert "m4.xlarge, m5.xlarge, m5a.xlarge, m5d.xlarge is not aarch64" in told
    assert "g5g.xlarge is not x86_64" in said(tmp_path, needed + 'core_types = ["g5g.xlarge", "g4dn.xlarge"]')
    assert "$.cluster.release" in said(tmp_path, needed + 'release = "emr-7.13.0"')


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = "[network]\n[warehouse]\nbase_rpu = 8\nmax_rpu = 4\n[cluster]\ntask_types = ['m5.xlarge']"
    told = said(tmp_path, text)
    assert len(told.splitlines()) == 4
    assert "max_rpu is below" in told
    assert "four types" in told
