"""Every wildcard that a policy may have: in which stack, and why. A reason that nothing needs fails too."""

WILDCARDS = {
    "network": {
        ("AWS::KMS::Key", "*"): "in a key's own policy, the key",
        ("AWS::KMS::Key", "kms:*"): "the account's administrators decide, as in every key of AWS",
        ("AWS::EC2::VPCEndpoint", "*"): "whatever is in this account, and nothing else",
        ("AWS::EC2::VPCEndpoint", "s3:*"): "a gateway says where to; what may be done is for roles to say",
        ("AWS::EC2::VPCEndpoint", "dynamodb:*"): "the same",
        **{
            ("AWS::EC2::VPCEndpoint", f"arn:<AWS::Partition>:s3:::{bucket}/*"): "read only: what AWS lays out"
            for bucket in (
                "al2023-repos-<AWS::Region>-de612dc2",
                "repo.<AWS::Region>.emr.amazonaws.com",
                "aws157-instance-data-0-prod-<AWS::Region>",
                "aws157-instance-data-1-prod-<AWS::Region>",
                "prod-<AWS::Region>-starport-layer-bucket",
            )
        },
        ("AWS::IAM::Policy", "*"): "a session's channel has no name before the session is begun",
    },
    "stream": {
        ("AWS::KMS::Key", "*"): "in a key's own policy, the key",
        ("AWS::KMS::Key", "kms:*"): "the account's administrators decide, as in every key of AWS",
        ("AWS::S3::BucketPolicy", "s3:*"): "denied, to whoever comes without TLS",
        ("AWS::S3::BucketPolicy", "<AccessLogs>/*"): "the service names its access logs itself",
        ("AWS::S3::BucketPolicy", "<Archive>/*"): "denied, to whoever comes without TLS",
        ("AWS::IAM::Policy", "<Archive>/events/*"): "Firehose names the objects itself, below its prefix",
        ("AWS::IAM::Policy", "<Archive>/errors/*"): "the same",
        ("AWS::IAM::Policy", "<Archive>/failed/events/*"): "the same, for what failed",
        ("AWS::IAM::Policy", "<Archive>/failed/errors/*"): "the same",
    },
    "warehouse": {
        ("AWS::IAM::Policy", "*"): "a statement of the Data API has no ARN: a condition keeps to one's own",
        ("AWS::IAM::Policy", "<Staging>/loads/*"): "COPY reads what batches name",
        ("AWS::IAM::Policy", "<stream:Archive>/events/*"): "COPY reads the archive, which Firehose names",
        ("AWS::S3::BucketPolicy", "s3:*"): "denied, to whoever comes without TLS",
        ("AWS::S3::BucketPolicy", "<AccessLogs>/*"): "the service names its access logs itself",
        ("AWS::S3::BucketPolicy", "<Staging>/*"): "denied, to whoever comes without TLS",
    },
    "cluster": {
        ("AWS::IAM::Policy", "*"): "log groups are listed before one is found",
        ("AWS::IAM::Policy", "<BucketsJob>/checkpoint/*"): "Spark names what is in a checkpoint",
        ("AWS::IAM::Policy", "<BucketsLogs>/*"): "EMR names its logs itself",
        ("AWS::IAM::Policy", "<warehouse:Staging>/loads/*"): "batches name what they stage",
        ("AWS::S3::BucketPolicy", "s3:*"): "denied, to whoever comes without TLS",
        ("AWS::S3::BucketPolicy", "<AccessLogs>/*"): "denied, to whoever comes without TLS",
        ("AWS::S3::BucketPolicy", "<AccessLogs>/job/*"): "the service names its access logs itself",
        ("AWS::S3::BucketPolicy", "<AccessLogs>/logs/*"): "the same",
        ("AWS::S3::BucketPolicy", "<BucketsJob>/*"): "denied, to whoever comes without TLS",
        ("AWS::S3::BucketPolicy", "<BucketsLogs>/*"): "denied, to whoever comes without TLS",
    },
    "producers": {
        (
            "AWS::IAM::Policy",
            "*",
        ): "ECR's token is for all repositories; the agent's own calls in its cluster",
        (
            "AWS::IAM::Policy",
            "arn:<AWS::Partition>:ec2:<AWS::Region>:<AWS::AccountId>:instance/*",
        ): "a machine has no name beforehand: a condition keeps to the producer's own",
    },
    "error-desk": {
        ("AWS::IAM::Policy", "*"): "ECR's token is for all repositories",
        ("AWS::IAM::Policy", "<warehouse:Staging>/loads/*"): "batches name what they stage",
    },
}
