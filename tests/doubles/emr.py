"""EMR on EC2 and EMR Serverless behind real clients of boto3: what is asked is checked by botocore's model.

A cluster runs the steps that it is given, several at once; what a step submits to YARN goes on when the step
is cancelled, until a halting step kills it, as on the service.
"""

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3

Answer = dict[str, Any]


class Lost(Exception):
    """The reply to a call that took effect did not arrive."""


class _Double:
    """Answers the calls of one client by methods of their names."""

    def __init__(self, service: str) -> None:
        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        make: Callable[..., Any] = boto3.client
        self.client = make(service, region_name="us-east-1", **credentials)
        self.calls: list[tuple[str, Answer]] = []
        self.lose_reply_after = -1
        self._parameters: Answer = {}
        events = self.client.meta.events
        events.register(f"provide-client-params.{service}.*", self._keep)
        events.register(f"before-call.{service}.*", self._answer)

    def _keep(self, params: Answer, **_: Any) -> None:
        self._parameters = params

    def _answer(self, model: Any, **_: Any) -> tuple[Any, Answer]:
        parameters = self._parameters
        self.calls.append((model.name, parameters))
        answer: Callable[..., Answer | None] = getattr(self, model.name)
        answered = answer(**parameters) or {}
        if len(self.calls) == self.lose_reply_after:
            raise Lost(model.name)
        self.tick()
        return SimpleNamespace(status_code=200), answered

    def tick(self) -> None:
        """Time goes by."""

    def asked(self, name: str) -> list[Answer]:
        """The requests of one kind."""
        return [parameters for called, parameters in self.calls if called == name]


class Emr(_Double):
    """Clusters and their steps; `applications` are on YARN, by their cluster."""

    def __init__(self) -> None:
        super().__init__("emr")
        self.clusters: dict[str, Answer] = {}
        self.steps: dict[str, dict[str, Answer]] = {}
        self.applications: dict[str, set[str]] = {}
        self.most_at_once = 0
        self.fails = False
        self.breaks = False
        self._numbers = itertools.count(1)

    def tick(self) -> None:
        for cluster, steps in self.steps.items():
            for step in steps.values():
                self._move(cluster, step)
        self.most_at_once = max(self.most_at_once, sum(map(len, self.applications.values())))

    def _move(self, cluster: str, step: Answer) -> None:
        state = step["Status"]["State"]
        if self.breaks:
            reason = {"Code": "INSTANCE_FLEET_TIMEOUT", "Message": "no room"}
            self.clusters[cluster]["Status"] = {
                "State": "TERMINATED_WITH_ERRORS",
                "StateChangeReason": reason,
            }
            step["Status"]["State"] = "CANCELLED"
        elif state == "PENDING" and self.clusters[cluster]["Status"]["State"] == "WAITING":
            step["Status"]["State"] = "RUNNING"
            if "-kill" in step["Arguments"][2]:
                self.applications[cluster].clear()
            if "spark-submit" in step["Arguments"]:
                self.applications[cluster].add(step["Id"])
        elif state == "RUNNING" and self.fails:
            self.applications[cluster] = set()
            step["Status"] = {"State": "FAILED", "FailureDetails": {"Reason": "out of attempts"}}
        elif state == "RUNNING" and step["Id"] not in self.applications[cluster]:
            step["Status"]["State"] = "FAILED" if "spark-submit" in step["Arguments"] else "COMPLETED"
        elif state == "CANCEL_PENDING":
            step["Status"]["State"] = "CANCELLED"

    def RunJobFlow(self, *, Name: str, Tags: list[Answer], **_: Any) -> Answer:  # noqa: N802, N803
        cluster = f"j-{next(self._numbers)}"
        self.clusters[cluster] = {
            "Id": cluster,
            "Name": Name,
            "Tags": Tags,
            "Status": {"State": "WAITING"},
        }
        self.steps[cluster], self.applications[cluster] = {}, set()
        return {"JobFlowId": cluster}

    def ListClusters(self, *, ClusterStates: list[str]) -> Answer:  # noqa: N802, N803
        return {"Clusters": [c for c in self.clusters.values() if c["Status"]["State"] in ClusterStates]}

    def DescribeCluster(self, *, ClusterId: str) -> Answer:  # noqa: N802, N803
        return {"Cluster": self.clusters[ClusterId]}

    def AddJobFlowSteps(self, *, JobFlowId: str, Steps: list[Answer]) -> Answer:  # noqa: N802, N803
        assert self.clusters[JobFlowId]["Status"]["State"] == "WAITING"
        made = [f"s-{next(self._numbers)}" for _ in Steps]
        for step, asked in zip(made, Steps, strict=True):
            self.steps[JobFlowId][step] = {
                "Id": step,
                "Name": asked["Name"],
                "Arguments": asked["HadoopJarStep"]["Args"],
                "Status": {"State": "PENDING"},
            }
        return {"StepIds": made}

    def ListSteps(self, *, ClusterId: str, StepStates: list[str]) -> Answer:  # noqa: N802, N803
        steps = self.steps[ClusterId].values()
        return {"Steps": [step for step in steps if step["Status"]["State"] in StepStates]}

    def DescribeStep(self, *, ClusterId: str, StepId: str) -> Answer:  # noqa: N802, N803
        return {"Step": self.steps[ClusterId][StepId]}

    def CancelSteps(self, *, ClusterId: str, StepIds: list[str], **_: Any) -> None:  # noqa: N802, N803
        for step in StepIds:
            status = self.steps[ClusterId][step]["Status"]
            if status["State"] in {"PENDING", "RUNNING"}:
                status["State"] = "CANCEL_PENDING"

    def PutManagedScalingPolicy(self, **_: Any) -> None:  # noqa: N802
        pass

    def PutAutoTerminationPolicy(self, **_: Any) -> None:  # noqa: N802
        pass

    def TerminateJobFlows(self, *, JobFlowIds: list[str]) -> None:  # noqa: N802, N803
        for cluster in JobFlowIds:
            self.clusters[cluster]["Status"]["State"] = "TERMINATED"
            self.applications[cluster] = set()

    def running(self) -> int:
        """The applications on YARN."""
        return sum(map(len, self.applications.values()))


class EmrServerless(_Double):
    """One application, and its runs."""

    APPLICATION = "00fabc"

    def __init__(self) -> None:
        super().__init__("emr-serverless")
        self.state = "CREATED"
        self.runs: dict[str, Answer] = {}
        self.most_at_once = 0
        self.fails = False
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def tick(self) -> None:
        self.state = {"STOPPING": "STOPPED"}.get(self.state, self.state)
        following = {"SUBMITTED": "SCHEDULED", "SCHEDULED": "RUNNING", "CANCELLING": "CANCELLED"}
        for run in self.runs.values():
            run["state"] = following.get(run["state"], run["state"])
            if self.fails:
                run.update(state="FAILED", stateDetails="out of attempts")
        self.most_at_once = max(self.most_at_once, self.running())

    def StartApplication(self, *, applicationId: str) -> None:  # noqa: N802, N803
        assert applicationId == self.APPLICATION
        self.state = "STARTED"

    def GetApplication(self, *, applicationId: str) -> Answer:  # noqa: N802, N803
        return {"application": {"applicationId": applicationId, "state": self.state}}

    def StopApplication(self, *, applicationId: str) -> None:  # noqa: N802, N803
        assert applicationId == self.APPLICATION
        assert self.state == "STARTED"
        assert not self.running()
        self.state = "STOPPING"

    def StartJobRun(self, *, clientToken: str, name: str, mode: str, **_: Any) -> Answer:  # noqa: N802, N803
        if clientToken not in self._tokens:
            run = f"{next(self._numbers):05}"
            self._tokens[clientToken] = run
            self.runs[run] = {
                "id": run,
                "jobRunId": run,
                "name": name,
                "mode": mode,
                "state": "SUBMITTED",
                "stateDetails": "",
            }
        return {"jobRunId": self._tokens[clientToken]}

    def ListJobRuns(self, **_: Any) -> Answer:  # noqa: N802
        return {"jobRuns": [dict(run) for run in self.runs.values()]}

    def GetJobRun(self, *, applicationId: str, jobRunId: str) -> Answer:  # noqa: N802, N803
        assert applicationId == self.APPLICATION
        return {"jobRun": dict(self.runs[jobRunId])}

    def CancelJobRun(self, *, jobRunId: str, **_: Any) -> None:  # noqa: N802, N803
        if self.runs[jobRunId]["state"] not in {"SUCCESS", "FAILED", "CANCELLED"}:
            self.runs[jobRunId]["state"] = "CANCELLING"

    def running(self) -> int:
        """The runs that may write."""
        return sum(run["state"] in {"RUNNING", "CANCELLING"} for run in self.runs.values())
