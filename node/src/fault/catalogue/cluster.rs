//! 2xx: the cluster, its VIPs and its drills.

/// Hands on the entries so far, with its own behind them.
macro_rules! entries {
    ($($before:tt)*) => { crate::fault::catalogue::asked::entries! {
    $($before)*

    NoCluster = 201, Refused, 409,
        "this node is in no cluster yet",
        "The daemon runs and waits. What was asked for needs a cluster.",
        "farmux cluster init --name NAME   or: farmux cluster join TOKEN";
    InCluster = 202, Refused, 409,
        "this node is in a cluster already",
        "A node is in one cluster at a time, and keeps its id for as long as it has its disk.",
        "farmux cluster leave   (then try again)";
    NoLeader = 203, NoMajority, 503,
        "the cluster has no leader now",
        "Changes go through the elected leader. After a leader is lost another is elected within \
         about a second, as long as a majority of the nodes sees each other. What is served goes \
         on being served. Nothing was changed.",
        "farmux status   (then try again)";
    NoQuorum = 204, NoMajority, 503,
        "no majority of the cluster's nodes answers",
        "A change counts when more than half of the nodes have it on disk. Fewer answer now. \
         Nothing was changed; what is served goes on being served, health too, but no VIP moves.",
        "farmux status   (start the nodes that do not answer, or mend the network between them)";
    OutcomeUnknown = 205, Unknown, 504,
        "no answer in time: it may have happened or not",
        "The change went to the leader, and no answer came within three seconds. It may still be \
         carried out. The same request is never carried out twice.",
        "farmux status   and   farmux config history   (look before you repeat it)";
    Stopping = 206, Unreachable, 503,
        "the daemon is stopping",
        "It takes no orders any more.",
        "systemctl status farmux";
    Busy = 207, Refused, 409,
        "another change of membership is under way",
        "Nodes join and leave one at a time, so that a majority is never in doubt.",
        "farmux status   (then try again)";
    NodeUnknown = 208, Refused, 404,
        "there is no such node",
        "Nodes are named as in their node.toml, or by number (n2).",
        "farmux status   (lists the nodes)";
    LastNode = 209, Refused, 409,
        "the last node cannot go",
        "A cluster without nodes remembers nothing.",
        "systemctl stop farmux   (and remove its data folder to start anew)";
    JoinRefused = 210, Refused, 409,
        "the node cannot join",
        "Before anything is changed the joiner's version, clock, data folder, role and networks \
         are compared with the cluster's, and its token with what the cluster remembers of it.",
        "mend what is named, then run the same command again: a join can be repeated";
    InitFailed = 211, Refused, 409,
        "the cluster cannot be made",
        "What was asked for does not fit this machine's node.toml, or its network.",
        "mend what is named and run cluster init again";
    MembershipFailed = 212, NoMajority, 503,
        "the membership could not be changed",
        "The order needs a majority of the nodes and did not get it in time. It is safe to repeat \
         it.",
        "farmux status   (then the same command again)";
    WouldLoseMajority = 213, Refused, 409,
        "without this node the others would be no majority",
        "A node may go only while those that are left and answer are a majority of themselves.",
        "start the nodes that do not answer first: farmux status";
    NoRoom = 214, NoMajority, 507,
        "no change can be written: disks are full",
        "A change is kept on the disks of a majority before it is confirmed. The disk of the node \
         that is named has no room, and too few others have some; nothing was written. VIPs, \
         balancing and probing go on, a VIP whose owner dies is taken by another, and pages are \
         sent. As soon as there is room changes are taken again, without a restart.",
        "farmux status   (names the disks); free space there, then try again";
    Crowded = 215, NoMajority, 503,
        "other changes went first, and there was no time left",
        "A change is kept on the disks of a majority before it is confirmed. They are so slow, or \
         so many changes were asked for at once, that this one was not begun within three seconds. \
         Nothing of it was written; what is served does not wait for it.",
        "try again; if it stays so:   iostat -x 1   (on each node)";
    HeldAlone = 230, NoMajority, 503,
        "a VIP is held without a majority",
        "No majority of the voters answers the owner of the VIP. With on_quorum_loss = \"hold\" it \
         goes on serving, as long as the gateway answers it and nobody else claims the address. \
         Nothing can be changed meanwhile, and nobody takes the VIP if this node dies too.",
        "start the nodes that are silent, or mend the network to them; if they are gone for good: \
         farmux cluster recover   (here, with the daemon stopped)";
    StillRunning = 231, Refused, 409,
        "the daemon of this node is running",
        "`cluster recover` rewrites the data folder, which nobody else may use meanwhile.",
        "systemctl stop farmux";
    VoterAnswers = 232, Refused, 409,
        "another voter of the cluster answers",
        "A cluster is recovered when all other voters are gone for good. One of them answers on \
         its peer address: two clusters would go on, and both own the VIPs.",
        "mend the network between the nodes, or stop that node for good and forget its data folder";
    VipAnswers = 233, Refused, 409,
        "another machine answers for a VIP, or that could not be asked",
        "Two ARP probes asked the VIP's network who has the address. Whoever has it serves it, and \
         may be a node of this cluster that only its peers do not reach.",
        "find the machine by its MAC address and stop it, or mend the interface; then once more";
    MayLoseData = 234, Refused, 409,
        "this node may lack what the others agreed on",
        "With three voters or more, two of them can agree without the third. What they agreed on \
         last would be lost: configuration, orders, pages, all of it.",
        "if that is acceptable: farmux cluster recover --accept-data-loss";
    NothingLeft = 235, Refused, 409,
        "there is nothing to recover here",
        "The data folder belongs to a node that never was a member, or has not copied the log yet.",
        "recover another node of the cluster, or make a new cluster: farmux cluster init";
    PreferWitness = 240, Refused, 409,
        "a witness owns no VIP",
        "A VIP prefers a balancer: a witness votes on who owns it, and never owns it itself.",
        "farmux status   (lists the nodes and what they are)";

    TargetUnfit = 250, Refused, 409,
        "that node cannot take the VIP, or lead",
        "A VIP goes by plan only to a balancer that votes, answers, is not in maintenance, has \
         nothing in its way and a copy of the state that is up to date; the leadership to any node \
         that votes, answers and is not in maintenance. Nothing was moved.",
        "farmux vip show VIP   (lists who could take it)";
    VipOwnerless = 251, Refused, 409,
        "nobody owns the VIP now",
        "Only its owner can give it away. A VIP whose owner died is taken by another node within a \
         fraction of a second, as long as a majority of the nodes sees each other.",
        "farmux status   (then try again)";
    OwnerSilent = 252, Unreachable, 503,
        "the node that should give it away does not answer",
        "Only its owner can give a VIP away. If it is dead, others take what it had within a \
         fraction of a second, without an order; if it only does not reach this node, ask another.",
        "farmux status   (then try again, here or at another node)";
    MoveUnderWay = 253, Refused, 409,
        "the node is moving something else",
        "One move after the other, so that it is known what becomes of each.",
        "the same command again in a moment";
    MoveFailed = 254, Refused, 409,
        "not everything moved",
        "Between the look and the move something changed: the other node failed, or a third one \
         took the VIP. What is served goes on being served by whoever owns it.",
        "farmux status; farmux vip list   (then try again)";
    NowhereToGo = 255, Refused, 409,
        "no other node can take over",
        "Each of the other balancers was looked at, and why it cannot is named. Nothing was moved \
         that could not be served elsewhere.",
        "mend what is named, or add a balancer: farmux cluster token create";
    MovesPaused = 256, Refused, 409,
        "no VIP moves: the cluster is paused",
        "While it is paused no VIP leaves a node that lives, neither by itself nor by order. One \
         whose owner dies is taken all the same, and a node that is told to stop hands over first.",
        "farmux cluster resume   (then try again)";

    DrillLocked = 270, Refused, 409,
        "drills are locked",
        "Somebody has locked them, with a reason: nothing is rehearsed until they are unlocked.",
        "farmux drill unlock";
    DrillBusy = 271, Refused, 409,
        "another drill is running",
        "One failure at a time: two would prove nothing about either.",
        "farmux drill history   (or: farmux drill abort)";
    DrillUnhealthy = 272, Refused, 409,
        "the cluster is not healthy enough for a drill",
        "A drill takes something away on purpose. Where something is missing already, it could \
         take down what is served.",
        "farmux status   (mend what it names first)";
    DrillLastRedundancy = 273, Refused, 409,
        "the drill would take the last redundancy",
        "What it takes away is all that is left: no majority, no other node for the VIP, or too \
         few servers would remain.",
        "farmux status   (add a node, a witness or a server first)";
    DrillTarget = 274, Refused, 404,
        "there is nothing that this drill can hit",
        "The target has another name, or is down, or lacks what the drill is about.",
        "farmux drill plan NAME --target TARGET";
    DrillNotForced = 275, Usage, 400,
        "this drill needs the cluster's name typed",
        "It takes the majority from the owner of the VIPs. What is served hangs on that node alone \
         meanwhile.",
        "farmux drill run quorum-loss --force CLUSTER";
    DrillUnmeasured = 276, Refused, 409,
        "nobody could measure the drill",
        "A VIP is measured by a node that owns it neither before nor after. With two balancers and \
         no witness there is none.",
        "farmux probe URL   (on a client), and: farmux drill run NAME --outside";
    DrillFailed = 277, Failed, 500,
        "the drill failed",
        "What it puts to the test did not hold: the cluster would have failed its users so. The \
         failure was undone.",
        "farmux drill report RUN   (then mend what it names, and run it again)";
    DrillAborted = 278, Refused, 409,
        "the drill proved nothing",
        "It was ended before it had a verdict: by somebody, by a lock, because all was not well \
         before it, or because whoever conducted it was lost. What it had injected was undone.",
        "farmux status   (then run it again)";
    DrillUnknown = 279, Refused, 404,
        "there is no such run of a drill",
        "A thousand runs are remembered, and the newest of each drill.",
        "farmux drill history";
    } };
}

pub(super) use entries;
