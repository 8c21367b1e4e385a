// radosgw (ceph), a real S3 server, on one monitor and one storage daemon in memory: no systemd, no manager, no cephx.
// The settings that matter: `ms … mode = crc` spares the handshake's encryption, `paxos propose interval` the seconds
// that a monitor waits before each decision, `tcp_nodelay` 40 ms for each GET.

import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { S3Bucket } from "../../src/storage/aws/s3-bucket.ts";
import { AWS_ACCOUNT, freePort, startServer, type TestServer } from "./server.ts";

const BUCKET = "sltrain-test";
const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = AWS_ACCOUNT;

export function startRadosgw(): Promise<TestServer> {
  return startServer("radosgw", async (home) => {
    const [gatewayPort, monitorPort] = [await freePort(), await freePort()];
    const [fsid, osdUuid] = [randomUUID(), randomUUID()];
    const at = (name: string): string => `${home.folder}/${name}`;
    for (const folder of ["mon", "osd", "rgw", "run"]) mkdirSync(at(folder));
    writeFileSync(at("ceph.conf"), configuration({ folder: home.folder, fsid, gatewayPort, monitorPort }));
    const withConf = ["-c", at("ceph.conf")];

    const monitor = ["--addv", "a", `[v2:127.0.0.1:${monitorPort}]`];
    await home.run("monmaptool", [
      "--create",
      "--clobber",
      ...["--fsid", fsid, "--enable-all-features", ...monitor, at("monmap")],
    ]);
    await home.run("ceph-authtool", [
      ...["--create-keyring", at("keyring"), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"],
    ]);
    await home.run("ceph-mon", [
      ...[...withConf, "-i", "a", "--mkfs", "--monmap", at("monmap"), "--keyring", at("keyring")],
    ]);
    home.start("ceph-mon", [...withConf, "-i", "a", "-f"]);
    await Promise.all([
      home.run("ceph-osd", [...withConf, "-i", "0", "--mkfs", "--osd-uuid", osdUuid, "--no-mon-config"]),
      home.run("ceph", [...withConf, "--connect-timeout", "30", "osd", "new", osdUuid]),
    ]);
    home.start("ceph-osd", [...withConf, "-i", "0", "-f"]);
    home.start("radosgw", [...withConf, "-n", "client.rgw", "-f"]);
    await home.run("radosgw-admin", [
      ...[...withConf, "user", "create", "--uid=test", "--display-name=test", "--max-buckets=0"],
      ...[`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`],
    ]);

    const env = { ...AWS_ACCOUNT, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${gatewayPort}` };
    await home.ready(() =>
      fetch(env.AWS_ENDPOINT_URL_S3).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const bucket = await S3Bucket.open(BUCKET, env);
    await bucket.client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    bucket.close();
    return { uri: `s3://${BUCKET}`, env };
  });
}

interface Cluster {
  readonly folder: string;
  readonly fsid: string;
  readonly gatewayPort: number;
  readonly monitorPort: number;
}

function configuration({ folder, fsid, gatewayPort, monitorPort }: Cluster): string {
  return `
[global]
fsid = ${fsid}
mon host = v2:127.0.0.1:${monitorPort}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms mon service mode = crc
ms mon cluster mode = crc
ms client mode = crc
ms service mode = crc
ms cluster mode = crc
run dir = ${folder}/run
admin socket = ${folder}/run/$cluster-$name.asok
pid file = ${folder}/run/$name.pid
log file = ${folder}/run/$name.log
crash dir = ${folder}/run
objecter inflight op bytes = 1073741824
debug ms = 0
debug rgw = 0
debug osd = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
[mon]
paxos propose interval = 0.02
paxos min wait = 0.01
mon data = ${folder}/mon
mon osd min up ratio = 0
mon data avail crit = 1
mon data avail warn = 2
[osd]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 8589934592
osd memory target = 1073741824
osd class update on start = false
osd op num shards = 2
osd op num threads per shard = 1
osd heartbeat grace = 3600
osd max object size = 268435456
[client]
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort} tcp_nodelay=1
rgw thread pool size = 64
rgw rados pool pg num min = 4
rgw dns name = localhost
rgw enable apis = s3, admin
rgw enable usage log = false
rgw run sync thread = false
rgw enable quota threads = false
rgw bucket default quota max objects = -1
rgw dynamic resharding = false
rgw override bucket index max shards = 1
rgw num rados handles = 1
`;
}
