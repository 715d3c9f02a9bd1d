//! 1xx: the command line and this machine.

/// Hands on the entries so far, with its own behind them.
macro_rules! entries {
    ($($before:tt)*) => { crate::fault::catalogue::cluster::entries! {
    $($before)*

    Usage = 101, Usage, 400,
        "the command line is wrong",
        "An argument is missing, not known, or not of the form that is asked for.",
        "farmux help";
    DaemonAbsent = 102, Unreachable, 503,
        "no farmux daemon answers on this machine",
        "The command line talks to the daemon through its Unix socket. There is none, or nobody \
         listens on it: the daemon is not running, or node.toml names another socket.",
        "systemctl start farmux   (another socket: --socket PATH or FARMUX_SOCKET)";
    SocketDenied = 103, Unreachable, 403,
        "the admin socket is for root only",
        "Whoever may open the socket commands the cluster; therefore it belongs to root, mode \
         0600.",
        "sudo farmux …   (without root: --connect HOST:9443 --cert FILE)";
    RemoteAbsent = 104, Unreachable, 503,
        "the node does not answer",
        "No TCP or TLS connection to the admin address of --connect came about: the node is off, a \
         firewall is between, the address is wrong, or one side does not accept the other's \
         certificate.",
        "farmux status --connect ANOTHER-NODE:9443 --cert FILE";
    CertificateFile = 105, Usage, 400,
        "the administrator's certificate cannot be used",
        "--cert takes the file that `farmux admin-cert create` wrote: one PEM file with the \
         certificate, its key and the cluster's CA.",
        "farmux admin-cert create NAME --out FILE   (as root on a node)";
    FileUnreadable = 106, Usage, 400,
        "a file cannot be read or written",
        "The file named on the command line could not be opened.",
        "ls -l FILE";
    AnswerUnclear = 107, Broken, 502,
        "the daemon's answer is not understood",
        "The command line and the daemon are of different versions, or something else listens \
         there.",
        "farmux version   (restart the daemon after an upgrade: systemctl restart farmux)";
    NotConfirmed = 108, Usage, 400,
        "this needs a yes",
        "The command moves what is served, or takes a node out. It asks on a terminal; where there \
         is none it must be told.",
        "the same command with --yes";
    WaitOver = 109, WaitOver, 504,
        "the wait is over, connections are left",
        "The server still has connections. It gets no new ones and goes on draining; only this \
         command stopped waiting.",
        "the same command with a longer --timeout, or: farmux server maintenance FARM/SERVER";
    SettingsInvalid = 110, Usage, 400,
        "node.toml cannot be used",
        "The daemon reads its machine's own settings from this file and does not guess.",
        "mend the line that is named and start again: farmux run --config FILE";
    SocketTaken = 111, Refused, 409,
        "another daemon runs on this machine",
        "Somebody answers on the admin socket. Two daemons on one data folder would destroy it.",
        "systemctl status farmux   (a second daemon needs its own data, socket and addresses)";
    ListenFailed = 112, Refused, 500,
        "an address cannot be listened on",
        "The address is not this machine's, or another program listens there.",
        "ss -ltnup   (then change node.toml or stop that program)";
    CodeUnknown = 113, Usage, 404,
        "there is no such code",
        "A code reads FMX- and three digits, as the last line of an error shows it.",
        "farmux explain   (lists all codes)";
    Privilege = 114, Refused, 403,
        "a privilege is missing",
        "Adding addresses needs CAP_NET_ADMIN, announcing them CAP_NET_RAW, ports below 1024 \
         CAP_NET_BIND_SERVICE.",
        "run the daemon as root, or with the unit in deploy/";
    DataDamaged = 115, Broken, 500,
        "what this node remembers is damaged",
        "A file in the data folder is not what farmux wrote. The node does not start with less \
         than it once confirmed: the others could lose what they rely on.",
        "set the folder aside and join anew: farmux cluster remove NODE (on a member), farmux \
         cluster join TOKEN (here)";
    DataInUse = 116, Refused, 409,
        "the data folder is in use by another process",
        "A second farmux, or a copy that did not end, holds the store open. Two on one folder \
         would destroy it.",
        "fuser -v DATA/store/log/db   (stop that process, then: systemctl restart farmux)";
    DiskFull = 117, Broken, 507,
        "the disk of the data folder is full",
        "A node confirms what it has written to disk, so it does not start without room. Nothing \
         is damaged, and the other nodes go on without it. One that runs goes on: FMX-214.",
        "free space in the data folder, then systemctl restart farmux";
    DataVersion = 118, Refused, 500,
        "the data folder was written by another version of farmux",
        "Nothing is damaged. This version does not read what that one wrote.",
        "install the version that wrote it, then systemctl restart farmux";
    DataAccess = 119, Refused, 500,
        "the data folder cannot be read or written",
        "The system refuses it: permissions, a missing or read-only file system, or a broken disk.",
        "ls -ld DATA; dmesg | tail   (then systemctl restart farmux)";
    AddressAbsent = 120, Refused, 500,
        "an address of node.toml is not on this machine",
        "Peers and administrators reach a node at its own addresses, which node.toml names. \
         systemd starts farmux again every second, so that an address may come later at boot.",
        "ip addr   (then mend peer or admin in node.toml, or the interface)";
    FenceAbsent = 121, Refused, 503,
        "no fence in the kernel",
        "A program in the kernel lets this machine answer for a VIP only while it is lent, even if \
         farmux hangs. It is not loaded (a capability is missing, the kernel is older than 5.8 or \
         lacks cls_bpf, the build had no clang, an ingress qdisc is in its place, node.toml says \
         fence = \"off\"), or another program took it off. VIPs work on; but after kill -9 the \
         kernel answers for them for up to 2.5 s, beside the next owner.",
        "journalctl -u farmux | grep fence   (then as it says; the unit file grants all it needs)";
    FenceUnpinned = 122, Refused, 503,
        "the kernel's fence is not pinned",
        "The fence stands, also after kill -9. But the folder that node.toml names as bpf is in no \
         bpffs, so that the next start does not find what this one knew: the last claim of another \
         machine, and whether a VIP was held without a majority.",
        "mount -t bpf bpf /run/farmux/bpf   (the unit file does it; then systemctl restart farmux)";

    SnapshotDamaged = 125, Refused, 422,
        "this is no whole snapshot",
        "A snapshot carries a checksum over all of it. This file is another kind of file, was cut \
         off on its way, or a byte of it was changed. Nothing was done.",
        "farmux snapshot inspect FILE   (on a copy from elsewhere), or save another one";
    SnapshotVersion = 126, Refused, 422,
        "the snapshot was saved by a newer farmux",
        "What is in it has a form that this version does not know. Nothing was done.",
        "install the version that `farmux snapshot inspect FILE` names, or a newer one";
    PassphraseWrong = 127, Refused, 403,
        "the passphrase does not open the snapshot",
        "The file is whole: its checksum is right. It was sealed with another passphrase, and \
         nobody can open it without that one.",
        "the same command with the right passphrase";
    PassphraseUnfit = 128, Usage, 400,
        "a passphrase is needed",
        "Snapshots hold the cluster's keys and passwords and are sealed with a passphrase of at \
         least 12 characters. It is asked for on a terminal, twice where it seals.",
        "the same command with --passphrase-file FILE";
    RestoreNotEmpty = 129, Refused, 409,
        "this machine cannot be restored on as it is",
        "A cluster is restored on a machine whose daemon is stopped and whose data folder holds \
         no other life.",
        "systemctl stop farmux; farmux cluster leave (before), or empty the data folder";
    RestoreClusterLives = 130, Refused, 409,
        "the cluster that was saved is alive",
        "Members that the snapshot names answer. Two clusters of one name would fight over the \
         VIPs. A living cluster is not restored: one joins it, or goes back to an older \
         configuration.",
        "farmux cluster join TOKEN, or farmux config rollback N; or stop every old node for good";
    RestoreRefused = 131, Refused, 409,
        "the snapshot does not fit this machine",
        "A balancer must have the networks of all VIPs in its node.toml, and an address of its \
         own that is no VIP.",
        "mend node.toml and run the same command again";

    FormatOlder = 132, Refused, 409,
        "not every node of the cluster reads this yet",
        "During an upgrade the cluster writes only what the older nodes read, so that both serve \
         together. The newer form is agreed on by itself, within seconds, as soon as every node \
         reads it. Nothing was changed.",
        "farmux version   (names the nodes to upgrade), then the same command again";

    DoctorInterface = 133, Refused, 409,
        "the interface of a network is not what a VIP needs",
        "node.toml maps each network to an interface. A VIP is added there, and needs an address \
         of the machine's own beside it.",
        "ip -br addr   (then mend [networks] in node.toml, or the interface)";
    DoctorCarrier = 134, Refused, 409,
        "the interface sees no carrier",
        "Nothing is plugged in, the other end is off, or the interface was set down. A node whose \
         interface has no carrier gives its VIPs up.",
        "ip link set INTERFACE up; ethtool INTERFACE";
    DoctorGateway = 135, Refused, 409,
        "the gateway of a network does not answer",
        "Clients come through it, and without a majority a holder of a VIP goes on only for as \
         long as it answers.",
        "arping -I INTERFACE GATEWAY   (cable, VLAN, or the wrong gateway at the VIP)";
    DoctorSysctl = 136, Refused, 409,
        "a setting of the kernel is not what a balancer needs",
        "ARP for a VIP must be answered on its own interface only, answers must be let in where \
         there are several networks, and ports towards servers must last.",
        "sysctl -w as named; and in /etc/sysctl.d/farmux.conf for the next boot";
    DoctorCapability = 137, Refused, 403,
        "the daemon lacks a capability",
        "It needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE; CAP_BPF and CAP_PERFMON \
         for the fence; CAP_SYS_NICE and CAP_IPC_LOCK for punctual leases.",
        "use deploy/farmux.service, or add it to CapabilityBoundingSet there";
    DoctorBpf = 138, Refused, 409,
        "VIPs have no fence in the kernel here",
        "Without the fence in the kernel, a machine whose farmux was killed goes on answering for \
         a VIP for up to 2.5 s, until the address's own lifetime is over.",
        "run it with CAP_BPF and CAP_PERFMON; sysctl kernel.unprivileged_bpf_disabled";
    DoctorClock = 139, Refused, 409,
        "the wall clock is nobody's, or far from the others'",
        "Pages, the history and certificates carry times. Leases do not: they use the time since \
         boot.",
        "apt-get install chrony; chronyc tracking   (or systemd-timesyncd)";
    DoctorDiskSlow = 140, Refused, 409,
        "the disk is slow to sync",
        "Each change waits until a majority has it on disk: above 50 ms a write, changes and \
         elections are slow. Failover of VIPs is not: it touches no disk.",
        "iostat -x 1   (another disk for the data folder, or less beside it)";
    DoctorPort = 141, Refused, 409,
        "a port that farmux needs is held by another program",
        "A listener on the same address, or on all addresses, takes it.",
        "ss -ltnup   (stop that program, or have it listen on its own address only)";
    DoctorBpffs = 142, Refused, 409,
        "the fence has no bpf file system to be pinned in",
        "Pins let tcx be used, and the next start know what this one did. `bpf` in node.toml says \
         where they are.",
        "mount -t bpf bpf /run/farmux/bpf   (farmux.service does it at each start)";
    DoctorPeer = 143, Refused, 409,
        "another node does not answer on a path",
        "Nodes need TCP for the log and UDP for leases, on every address in `peer`.",
        "farmux doctor   (there, too); nft list ruleset   (port 7946, TCP and UDP)";
    DoctorDescriptors = 144, Refused, 409,
        "too few descriptors may be open",
        "Each client and each server connection needs one. The daemon raises its limit as far as \
         it may.",
        "LimitNOFILE=1048576 in the unit, or ulimit -Hn";
    DoctorDiskRoom = 145, Refused, 507,
        "the disk of the data folder is nearly full",
        "A node that cannot write stops: it confirms only what is on its disk.",
        "df -h DATA; journalctl --vacuum-size=200M";
    DoctorUnfit = 146, Unfit, 409,
        "this machine is not fit for its work",
        "farmux doctor found something that does not work; each has a line with what mends it. \
         Warnings alone leave with 0.",
        "mend what fails, then: farmux doctor";
    DoctorFilter = 147, Refused, 409,
        "drills that sever a node cannot be run here",
        "They drop what peers or a gateway say by nftables, with rules that time out in the \
         kernel; the daemon starts the program nft for it.",
        "apt-get install nftables";
    ProbeOutage = 150, Failed, 503,
        "it did not answer all the time",
        "farmux probe asks again and again. An outage begins when the first request that failed \
         was sent and ends with the first good answer after it; the resolution says by how much \
         that may be wrong.",
        "farmux status; farmux events --since 10m   (what happened meanwhile)";
    ProbeUnasked = 151, Usage, 400,
        "nothing could be asked under this URL",
        "The name of the host leads nowhere, or this machine could open no connection itself: \
         file descriptors, ports and permissions are its own affair and say nothing of the server.",
        "getent hosts HOST; ulimit -n   (then the same command again)";
    } };
}

pub(super) use entries;
