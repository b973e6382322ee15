"""What the nodes of an EMR cluster on EC2 are given: security groups, encryption, Kerberos if asked for."""

import itertools
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_emr as emr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from infra.stacks.accepted import accept

FOR_EMR = "for-use-with-amazon-emr-managed-policies"
"""The tag of whatever EMR's own policy lets it touch."""

_TICKET_HOURS = 24
_FROM_SERVICE, _TO_SERVICE = 8443, 9443


class NodeGroups(Construct):
    """The groups of the primary node, of core and task nodes, and of EMR's access to both.

    Every rule that EMR would add by itself is declared: what it adds would outlive the stack.
    Source: Amazon EMR Management Guide, "Working with Amazon EMR-managed security groups".
    """

    def __init__(self, scope: Construct, vpc: ec2.IVpc) -> None:
        super().__init__(scope, "Groups")
        primary, nodes = self._group("Primary", vpc, "primary"), self._group("Nodes", vpc, "core and task")
        service = self._group("Service", vpc, "access of EMR to its nodes", all_outbound=False)
        self.ids = [group.security_group_id for group in (primary, nodes, service)]
        for to, of in itertools.product((primary, nodes), repeat=2):
            for traffic in (ec2.Port.all_tcp(), ec2.Port.all_udp(), ec2.Port.all_icmp()):
                to.add_ingress_rule(of, traffic, "between the nodes")
        for group in (primary, nodes):
            group.add_ingress_rule(service, ec2.Port.tcp(_FROM_SERVICE), "EMR to its agents")
            service.add_egress_rule(group, ec2.Port.tcp(_FROM_SERVICE), "EMR to its agents")
        service.add_ingress_rule(primary, ec2.Port.tcp(_TO_SERVICE), "the primary node to EMR")

    def _group(self, name: str, vpc: ec2.IVpc, what: str, *, all_outbound: bool = True) -> ec2.SecurityGroup:
        """EMR's own default lets nodes out everywhere: where that leads, the network says."""
        group = ec2.SecurityGroup(
            self, name, vpc=vpc, description=f"headrace: {what}", allow_all_outbound=all_outbound
        )
        cdk.Tags.of(group).add(FOR_EMR, "true")
        return group


def declare_security(
    scope: Construct, key: kms.IKey, certificate: str, *, kerberos: bool
) -> emr.CfnSecurityConfiguration:
    """Encryption at rest with the key and between nodes with the certificate; metadata by sessions only."""
    own: dict[str, Any] = {
        "EncryptionConfiguration": {
            "EnableAtRestEncryption": True,
            "EnableInTransitEncryption": True,
            "AtRestEncryptionConfiguration": {
                "S3EncryptionConfiguration": {"EncryptionMode": "SSE-KMS", "AwsKmsKey": key.key_arn},
                "LocalDiskEncryptionConfiguration": {
                    "EncryptionKeyProviderType": "AwsKms",
                    "AwsKmsKey": key.key_arn,
                    "EnableEbsEncryption": True,
                },
            },
            "InTransitEncryptionConfiguration": {
                "TLSCertificateConfiguration": {"CertificateProviderType": "PEM", "S3Object": certificate}
            },
        },
        "InstanceMetadataServiceConfiguration": {
            "MinimumInstanceMetadataServiceVersion": 2,
            "HttpPutResponseHopLimit": 1,
        },
    }
    if kerberos:
        own["AuthenticationConfiguration"] = {
            "KerberosConfiguration": {
                "Provider": "ClusterDedicatedKdc",
                "ClusterDedicatedKdcConfiguration": {"TicketLifetimeInHours": _TICKET_HOURS},
            }
        }
    return emr.CfnSecurityConfiguration(scope, "SecurityConfiguration", security_configuration=own)


def declare_kdc_secret(scope: Construct, key: kms.IKey) -> secrets.Secret:
    """The password of the KDC's administrator."""
    secret = secrets.Secret(
        scope,
        "KdcPassword",
        encryption_key=key,
        description="headrace: administrator of the cluster's Kerberos KDC",
        generate_secret_string=secrets.SecretStringGenerator(exclude_punctuation=True, password_length=32),
    )
    accept(secret, SMG4="A KDC is given it once and lives as long as its cluster: a new cluster changes it.")
    return secret
