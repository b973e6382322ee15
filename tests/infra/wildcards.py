"""Every wildcard that a policy may have: in which stack, and why. A reason that nothing needs fails too."""

WILDCARDS = {
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
}
