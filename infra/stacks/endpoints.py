"""Which of AWS's services the private subnets reach, and which stack needs each: one table."""

from infra.stacks.stage_file import StageFile

_IMAGE = {
    "ecr.api": "Fargate asks where its image lies",
    "ecr.dkr": "and pulls it; its layers come from S3",
    "logs": "the task's log, and in it its metrics",
}

NEEDS: dict[str, dict[str, str]] = {
    "bastion": {
        "ssm": "the host says that it is there",
        "ssmmessages": "the sessions themselves, and the agent's orders",
    },
    "cluster on EC2": {
        "elasticmapreduce": "the nodes' agents ask what to do",
        "ec2": "the nodes' agents look at their machines",
        "kinesis-streams": "the job reads `events`",
        "kms": "the nodes' disks are encrypted with our key",
        "logs": "the job's log, and in it its metrics",
        "redshift-serverless": "the job gets credentials for the warehouse",
        "sts": "the driver asks who it is",
    },
    "cluster on EMR Serverless": {
        "kinesis-streams": "the job reads `events`",
        "kms": "its log is encrypted with our key",
        "logs": "the job's log, and in it its metrics",
        "redshift-serverless": "the job gets credentials for the warehouse",
        "sts": "the driver asks who it is",
    },
    "private producers on Fargate": {
        **_IMAGE,
        "kinesis-streams": "producers put to `events` and `errors`",
    },
    "private producers on EC2": {
        **_IMAGE,
        "ec2": "the machine attaches its volume",
        "ecs": "the machine's agent reports to the cluster",
        "ecs-agent": "and is told what to run",
        "ecs-telemetry": "and how much of it there is to measure",
        "kinesis-streams": "producers put to `events` and `errors`",
        "secretsmanager": "the tokens of those who push",
    },
    "error desk": {
        **_IMAGE,
        "kinesis-streams": "the desk reads `errors`",
        "redshift-serverless": "it gets credentials for the warehouse",
    },
}
"""Who needs it -> endpoint -> why. S3 and DynamoDB are not here: their gateways cost nothing."""


def endpoints(file: StageFile) -> list[str]:
    """The interface endpoints that the stacks of this stage need, in order."""
    return sorted({name for who in _present(file) for name in NEEDS[who]})


def _present(file: StageFile) -> list[str]:
    engine = file.cluster and {"ec2": "EC2", "serverless": "EMR Serverless"}[file.cluster.engine]
    spool = file.producers and {"efs": "Fargate", "ebs": "EC2"}[file.producers.spool]
    private = file.producers is not None and not file.producers.internet
    there = {
        "bastion": file.network is not None and file.network.access == "bastion",
        f"cluster on {engine}": file.cluster is not None,
        f"private producers on {spool}": private,
        "error desk": file.error_desk is not None,
    }
    return [name for name, is_there in there.items() if is_there]
