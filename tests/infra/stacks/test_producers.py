"""The producers' stacks: stage dev has feeds and a spool on EFS, stage prod is pushed to and has a volume."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import SettingsError
from infra.container import FILES, PRODUCER_HEALTH, STATE, USER
from infra.stacks import producer_inputs
from infra.stacks.producer_inputs import Inputs, read_inputs
from infra.stacks.stage import Stage
from infra.stacks.stage_file import Producers
from producers.configuration import Configuration, of_file
from producers.sender_thread import _JOIN_SECONDS
from tests.infra.synthesis import ON_AWS, OTHER, Template, listed, of_type, plain, synthesized

pytestmark = pytest.mark.xdist_group("cdk")

HOST = Path(producer_inputs.__file__).with_name("producer_host.sh")
PUSHED_TO = Producers(spool="ebs", http_secret="s")
PUSHED = '[inputs.a]\nsource = "http"\nstream = "${HEADRACE_STREAM}"\nhost = "0.0.0.0"\nport = 8443\n'


@pytest.fixture(params=ON_AWS)
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage.read(request.param)


@pytest.fixture
def template(stage: Stage) -> Template:
    return synthesized(stage.name).templates["producers"]


@pytest.fixture
def on_efs() -> Template:
    return synthesized("dev").templates["producers"]


@pytest.fixture
def on_ebs() -> Template:
    return synthesized("prod").templates["producers"]


def one(template: Template, kind: str) -> Template:
    (found,) = of_type(template, kind).values()
    return found


def containers(template: Template) -> tuple[Template, Template]:
    """The one that writes the files, and the producer."""
    files, producer = one(template, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    return files, producer


def environment(container: Template) -> dict[str, str]:
    return {pair["Name"]: plain(pair["Value"]) for pair in container["Environment"]}


def configuration(template: Template, folder: Path) -> Configuration:
    """What the producer reads in its task, by the producers' own loader."""
    files, producer = containers(template)
    text = environment(files)["PRODUCERS_TOML"]
    (folder / "producers.toml").write_text(text)
    return of_file(folder / "producers.toml", {}, environment(producer) | {"HEADRACE_SPOOL": STATE})


def allowed(template: Template, role: str) -> set[tuple[str, str]]:
    return {
        (action, plain(resource))
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if re.fullmatch(f"<{role}>", plain(policy["Roles"][0]))
        for statement in policy["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def test_a_spool_never_has_two_daemons(template: Template) -> None:
    service = one(template, "AWS::ECS::Service")
    deployment = service["DeploymentConfiguration"]
    assert service["DesiredCount"] == 1
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)
    assert service["AvailabilityZoneRebalancing"] == "DISABLED"


def test_the_producers_own_loader_takes_what_the_task_is_given(template: Template, tmp_path: Path) -> None:
    given = configuration(template, tmp_path)
    assert {it.settings.stream for it in given.inputs} == {"<stream:Events>"}
    assert given.producer.emf_seconds == 60
    assert given.producer.name


def test_a_producer_has_time_to_drain_and_writes_its_spool_alone(template: Template, tmp_path: Path) -> None:
    files, producer = containers(template)
    assert producer["StopTimeout"] >= 90
    assert producer["StopTimeout"] > configuration(template, tmp_path).producer.drain_seconds + _JOIN_SECONDS
    assert {one["ReadonlyRootFilesystem"] for one in (files, producer)} == {True}
    assert {one["User"] for one in (files, producer)} == {f"{USER}:{USER}"}
    mounted = {mount["ContainerPath"]: mount["ReadOnly"] for mount in producer["MountPoints"]}
    assert mounted == {FILES: True, STATE: False}
    assert producer["DependsOn"] == [{"ContainerName": files["Name"], "Condition": "SUCCESS"}]
    assert producer["HealthCheck"]["Command"] == ["CMD", *PRODUCER_HEALTH]


def test_it_may_send_to_the_two_streams_and_nothing_else(template: Template) -> None:
    may = allowed(template, "Task.*TaskRole")
    assert {pair for pair in may if pair[0].startswith("kinesis:")} == {
        (f"kinesis:{action}", f"<stream:{name}>")
        for action in ("DescribeStreamSummary", "ListShards", "PutRecords")
        for name in ("Events", "Errors")
    }
    assert {action.partition(":")[0] for action, _ in may} <= {"kinesis", "kms", "elasticfilesystem"}
    assert not [action for action, resource in may if "*" in resource]


def test_a_feeds_producer_is_public_and_lets_nobody_in(on_efs: Template) -> None:
    network = one(on_efs, "AWS::ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "ENABLED"
    assert all("Public" in plain(subnet) for subnet in network["Subnets"])
    (door,) = (
        group
        for name, group in of_type(on_efs, "AWS::EC2::SecurityGroup").items()
        if name.startswith("DoorFeed")
    )
    assert "SecurityGroupIngress" not in door
    out = [(rule["CidrIp"], rule["FromPort"], rule["ToPort"]) for rule in door["SecurityGroupEgress"]]
    assert out == [("0.0.0.0/0", 443, 443)]
    for rule in of_type(on_efs, "AWS::EC2::SecurityGroupIngress").values():
        assert "SpoolsDoor" in plain(rule["GroupId"])
        assert rule["FromPort"] == 2049


def test_a_spool_on_efs_is_its_own_producers_and_travels_encrypted(on_efs: Template) -> None:
    point = one(on_efs, "AWS::EFS::AccessPoint")
    assert point["PosixUser"] == {"Uid": str(USER), "Gid": str(USER)}
    assert point["RootDirectory"]["Path"] == "/feed"
    volumes = {volume["Name"]: volume for volume in one(on_efs, "AWS::ECS::TaskDefinition")["Volumes"]}
    spool = volumes["spool"]["EFSVolumeConfiguration"]
    assert spool["TransitEncryption"] == "ENABLED"
    assert spool["AuthorizationConfig"]["IAM"] == "ENABLED"
    assert plain(spool["AuthorizationConfig"]["AccessPointId"]) == "<SpoolsSpoolFeed>"
    assert "EFSVolumeConfiguration" not in volumes["files"]
    assert ("elasticfilesystem:ClientWrite", "<Spools>") in allowed(on_efs, "Task.*TaskRole")


def test_a_volume_outlives_its_machine_which_is_exactly_one_and_where_the_volume_is(on_ebs: Template) -> None:
    (volume,) = (one for one in on_ebs["Resources"].values() if one["Type"] == "AWS::EC2::Volume")
    assert (volume["DeletionPolicy"], volume["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    group = one(on_ebs, "AWS::AutoScaling::AutoScalingGroup")
    assert (group["MinSize"], group["MaxSize"], len(group["VPCZoneIdentifier"])) == ("1", "1", 1)
    (subnet,) = group["VPCZoneIdentifier"]
    assert plain(volume["Properties"]["AvailabilityZone"]) == plain(subnet)
    (rolling,) = (
        made["UpdatePolicy"]["AutoScalingRollingUpdate"]
        for made in on_ebs["Resources"].values()
        if made["Type"] == "AWS::AutoScaling::AutoScalingGroup"
    )
    assert rolling["MinInstancesInService"] == 0
    (pinned,) = one(on_ebs, "AWS::ECS::Service")["PlacementConstraints"]
    assert pinned["Expression"] == "attribute:producer == logs"


def test_a_machine_answers_no_container_and_takes_its_own_volume_alone(on_ebs: Template) -> None:
    data = one(on_ebs, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    (statement,) = (
        statement
        for policy in of_type(on_ebs, "AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "ec2:AttachVolume"
    )
    assert statement["Condition"] == {"StringEquals": {"aws:ResourceTag/headrace:producer": "logs"}}
    script = plain(data["UserData"]["Fn::Base64"])
    assert script.startswith("#!/bin/bash\nvolume='<HostLogsVolume>'\n")
    assert script.endswith(HOST.read_text())


def test_a_machines_agent_may_tell_its_cluster_what_became_of_tasks(on_ebs: Template) -> None:
    may = {action for action, where in allowed(on_ebs, "HostLogsRole") if where == "<Cluster>"}
    assert may == {
        *("ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance"),
        *(
            f"ecs:Submit{what}"
            for what in ("AttachmentStateChanges", "ContainerStateChange", "TaskStateChange")
        ),
    }


def test_what_is_pushed_to_is_known_by_name_and_keeps_its_secrets(on_ebs: Template) -> None:
    files, producer = containers(on_ebs)
    hidden = {pair["Name"]: plain(pair["ValueFrom"]) for pair in files["Secrets"]}
    assert hidden.keys() == {"HTTP_TOKENS", "HTTP_CERTIFICATE", "HTTP_PRIVATE_KEY"}
    assert all(":secret:headrace/prod/http:" in where for where in hidden.values())
    assert "Secrets" not in producer
    assert [port["ContainerPort"] for port in producer["PortMappings"]] == [8443]
    assert one(on_ebs, "AWS::ServiceDiscovery::PrivateDnsNamespace")["Name"] == "headrace-prod.internal"
    assert one(on_ebs, "AWS::ServiceDiscovery::Service")["Name"] == "logs"
    (way_in,) = one(on_ebs, "AWS::EC2::SecurityGroup")["SecurityGroupIngress"]
    assert (way_in["CidrIp"], way_in["FromPort"]) == ("10.90.0.0/16", 8443)


def test_a_machine_for_a_feed_has_the_public_address_that_its_task_uses() -> None:
    template = synthesized(OTHER.name).templates["producers"]
    assert len(of_type(template, "AWS::EC2::Volume")) == 2
    for machine in of_type(template, "AWS::EC2::LaunchTemplate").values():
        (interface,) = machine["LaunchTemplateData"]["NetworkInterfaces"]
        assert interface["AssociatePublicIpAddress"] is True
    for group in of_type(template, "AWS::AutoScaling::AutoScalingGroup").values():
        assert "Public" in plain(group["VPCZoneIdentifier"][0])
    for task in of_type(template, "AWS::ECS::TaskDefinition").values():
        assert task["NetworkMode"] == "bridge"
    services = of_type(template, "AWS::ECS::Service").values()
    assert not [service for service in services if "NetworkConfiguration" in service]
    pinned = {service["PlacementConstraints"][0]["Expression"] for service in services}
    assert pinned == {"attribute:producer == feed-1", "attribute:producer == feed-2"}


def test_a_build_is_sent_what_its_dockerfile_copies_and_no_more() -> None:
    (context,) = (
        path.parents[2]
        for path in synthesized("dev").folder.glob("asset.*/infra/container/producer.lock")
        if (path.parents[2] / "producers").is_dir()
    )
    assert {path.name for path in context.iterdir()} == {
        *("pyproject.toml", "README.md", "cli", "headrace", "infra", "producers")
    }
    assert [path.name for path in (context / "infra").iterdir()] == ["container"]
    assert not list(context.glob("**/__pycache__"))


def test_an_inputs_port_is_found(tmp_path: Path) -> None:
    (tmp_path / "producers.toml").write_text(PUSHED)
    assert read_inputs(PUSHED_TO, tmp_path) == Inputs(PUSHED, (8443,))


@pytest.mark.parametrize(
    ("text", "wanted", "why"),
    [
        ("[inputs", Producers(), "producers.toml"),
        (PUSHED.replace("${HEADRACE_STREAM}", "events"), PUSHED_TO, "fills in its own"),
        (PUSHED.replace("0.0.0.0", "127.0.0.1"), PUSHED_TO, "listens on host"),
        (PUSHED.replace("port = 8443", ""), PUSHED_TO, "a port of its own"),
        (PUSHED, Producers(spool="ebs"), "producers.http_secret"),
        (PUSHED, Producers(http_secret="s"), "a disk of their own"),
        (PUSHED, Producers(http_secret="s", spool="ebs", internet=True), "nothing is let in"),
    ],
)
def test_a_file_that_cannot_be_deployed_is_refused(
    tmp_path: Path, text: str, wanted: Producers, why: str
) -> None:
    (tmp_path / "producers.toml").write_text(text)
    with pytest.raises(SettingsError, match=why):
        read_inputs(wanted, tmp_path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"producers.config: .*/none.toml"):
        read_inputs(Producers(config="none.toml"), tmp_path)


STANDS_IN = """
case "$0 $*" in
    *attach-volume*) [ -e "$TRIED" ] || { touch "$TRIED"; exit 1; } ;;
    *api/token*) echo token ;;
    *instance-id*) echo i-1 ;;
    *cmp*) exit "$BLANK" ;;
    *"mount "*) exit "$MOUNTS" ;;
esac
"""


@pytest.fixture
def host(tmp_path: Path) -> Any:
    """Runs the host's script on a made-up machine: the exit code, what it called, the agent's file."""
    bash = shutil.which("bash")
    assert bash
    programs = tmp_path / "programs"
    programs.mkdir()
    called = tmp_path / "called"
    for name in ("aws", "blkid", "cmp", "curl", "dnf", "install", "mkfs.ext4", "mount", "sleep", "systemctl"):
        (programs / name).write_text(f'#!{bash}\necho "${{0##*/}} $*" >> {called}\n{STANDS_IN}')
        (programs / name).chmod(0o755)
    for name in ("mkdir", "cat", "touch"):
        (programs / name).symlink_to(str(shutil.which(name)))
    root = tmp_path / "root"
    for folder in ("etc/ecs", "var/lib", "etc/systemd/system", "dev"):
        (root / folder).mkdir(parents=True)
    device = root / "dev/disk"
    device.touch()
    script = HOST.read_text().replace("/etc/", f"{root}/etc/").replace("/var/lib/", f"{root}/var/lib/")
    script = script.replace('-b "$device"', '-n "$device"')
    given = "volume=vol-1\nregion=eu-west-1\ncluster=producers\nproducer=logs\n"

    def run(*, blank: bool, mounts: bool = True) -> tuple[int, list[str], Path]:
        done = subprocess.run(
            [bash, "-c", given + script],
            env={
                "PATH": str(programs),
                "TRIED": str(tmp_path / "tried"),
                "BLANK": str(int(not blank)),
                "MOUNTS": str(int(not mounts)),
            },
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, called.read_text().splitlines(), root / "etc/ecs/ecs.config"

    return run


def test_a_host_waits_for_its_volume_and_makes_it_only_where_it_is_blank(host: Any) -> None:
    code, called, config = host(blank=True)
    assert code == 0
    programs = [line.partition(" ")[0] for line in called]
    assert programs == [
        *("curl", "curl", "aws", "sleep", "aws", "cmp", "mkfs.ext4"),
        *("systemctl", "mount", "install", "systemctl"),
    ]
    assert "--volume-id vol-1 --instance-id i-1" in called[4]
    assert "nvme-Amazon_Elastic_Block_Store_vol1" in called[6]
    assert "ECS_CLUSTER=producers" in config.read_text().splitlines()
    assert 'ECS_INSTANCE_ATTRIBUTES={"producer":"logs"}' in config.read_text().splitlines()


def test_a_host_leaves_a_volume_as_it_is_that_holds_something(host: Any) -> None:
    code, called, _ = host(blank=False)
    assert code == 0
    assert not [line for line in called if line.startswith("mkfs")]


def test_a_host_whose_volume_does_not_mount_takes_no_task(host: Any) -> None:
    code, _, config = host(blank=False, mounts=False)
    assert code != 0
    assert not config.exists()
