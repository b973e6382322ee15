# The host of one producer: its volume is attached and mounted before the agent may take the producer's task.
# Given above: volume, region, cluster, producer.
set -euo pipefail

metadata=http://169.254.169.254/latest
token=$(curl -sSf -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 300" "$metadata/api/token")
instance=$(curl -sSf -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/instance-id")
command -v aws || dnf install --assumeyes awscli-2

# The host before this one may still hold it; it lets go as it ends, and two never hold it.
until aws ec2 attach-volume --region "$region" --volume-id "$volume" --instance-id "$instance" --device /dev/xvdh
do sleep 5; done
device=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${volume/-/}
until [ -b "$device" ]; do sleep 1; done

# A volume that was never used reads as zeros. Whatever cannot be read, or is not ours, is left as it is.
if cmp --silent --bytes=1048576 "$device" /dev/zero; then mkfs.ext4 -q "$device"; fi
mkdir -p /var/lib/headrace
echo "$device /var/lib/headrace ext4 noatime,nodev,nosuid,noexec,nofail 0 2" >> /etc/fstab
systemctl daemon-reload
mount /var/lib/headrace
install --directory --owner=65532 --group=65532 --mode=0750 /var/lib/headrace/spool

# After a restart of the machine too: without the volume the agent stays down.
mkdir -p /etc/systemd/system/ecs.service.d
printf '[Unit]\nRequiresMountsFor=/var/lib/headrace\n' > /etc/systemd/system/ecs.service.d/spool.conf
systemctl daemon-reload
cat > /etc/ecs/ecs.config <<CONFIG
ECS_CLUSTER=$cluster
ECS_INSTANCE_ATTRIBUTES={"producer":"$producer"}
ECS_AWSVPC_BLOCK_IMDS=true
ECS_CONTAINER_STOP_TIMEOUT=2m
CONFIG
